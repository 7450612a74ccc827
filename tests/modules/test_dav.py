"""dav_methods: files are changed by PUT, DELETE, MKCOL, COPY and MOVE."""

from __future__ import annotations

import os
import stat

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_dav_module")
ALL = "dav_methods PUT DELETE MKCOL COPY MOVE;"


def test_put(nginx: Nginx) -> None:
    nginx(f"location / {{ {ALL} create_full_put_path on; client_body_buffer_size 1k; }}")
    nginx.exchange(
        """
        > PUT /a b
        >
        > text
        < 201
        < Location: http://localhost:%%PORT%%/a%20b
        < Content-Length: 0

        > PUT /a%20b
        > Date: Sun, 06 Nov 1994 08:49:37 GMT
        >
        > more
        < 204
        < !Content-Length

        > GET /a%20b
        < 200
        < Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT
        <
        < more

        > PUT /new/dir/c
        >
        > c
        < 201

        > PUT /new
        >
        > x
        < 409

        > PUT /x/
        >
        > x
        < 409

        > PUT /x
        > Content-Range: bytes 0-1/2
        >
        > x
        < 501
        """.replace("/a b", "/a%20b")
    )
    assert stat.S_IMODE(os.stat(nginx.prefix / "html/new/dir/c").st_mode) == 0o600
    body = "x" * 50_000
    assert nginx.request("PUT /long", body=body).status == 201
    assert nginx.read("html/long") == body
    assert not list((nginx.prefix / "client_body_temp").glob("*"))


def test_access(nginx: Nginx) -> None:
    nginx(f"""
        location / {{ {ALL} dav_access user:rw group:rw all:r; }}
        location /group {{ {ALL} dav_access group:r; }}
        """)
    assert nginx.request("PUT /a", body="a").status == 201
    assert nginx.request("MKCOL /d/").status == 201
    assert nginx.request("PUT /group", body="a").status == 201
    modes = [stat.S_IMODE(os.stat(nginx.prefix / f"html/{x}").st_mode) for x in ("a", "group")]
    assert modes == [0o664, 0o640]


def test_missing_directories(nginx: Nginx) -> None:
    nginx(f"location / {{ {ALL} }}")
    nginx.exchange("> PUT /no/a\n>\n> x\n< 500")
    assert "rename() " in nginx.error_log()


def test_collections(nginx: Nginx) -> None:
    nginx.write("html/file", "file")
    nginx(f"location / {{ {ALL} }}")
    nginx.exchange("""
        > MKCOL /d/
        < 201
        < Location: http://localhost:%%PORT%%/d/

        > MKCOL /d/
        < 405

        > MKCOL /no/d/
        < 409

        > MKCOL /e
        < 409

        > MKCOL /e/
        > Content-Length: 1
        >
        > x
        < 415

        > PUT /d/a
        >
        > text
        < 201

        > DELETE /d
        < 409

        > DELETE /d/
        > Depth: 0
        < 400

        > DELETE /d/
        < 204

        > DELETE /d/
        < 404

        > DELETE /file/x
        < 409

        > DELETE /file
        > Depth: 1
        < 400

        > DELETE /file
        < 204

        > DELETE /file
        < 404
        """)
    assert not (nginx.prefix / "html/d").exists()


def test_depth_of_deletes(nginx: Nginx) -> None:
    nginx.write("html/a/b/c", "c")
    nginx(f"location / {{ {ALL} min_delete_depth 3; }}")
    nginx.exchange("> DELETE /a/\n< 409\n\n> DELETE /a/b/\n< 409\n\n> DELETE /a/b/c\n< 204")


def test_copies_and_moves_of_files(nginx: Nginx) -> None:
    nginx.write("html/a", "a")
    nginx.write("html/b", "b")
    nginx.write("html/d/x", "x")
    nginx(f"location / {{ {ALL} }}")
    nginx.exchange("""
        > COPY /a
        > Destination: /b
        > Overwrite: F
        < 412

        > COPY /a
        > Destination: /b
        > Overwrite: x
        < 400

        > COPY /a
        > Destination: /b
        < 204

        > GET /b
        < 200
        <
        < a

        > MOVE /a
        > Host: localhost
        > Destination: http://localhost/new/a
        < 204

        > GET /a
        < 404

        > GET /new/a
        < 200
        <
        < a

        > COPY /b
        > Destination: /b
        < 403

        > COPY /b
        > Destination: /d
        < 409

        > COPY /b
        > Destination: /c/
        < 409

        > COPY /none
        > Destination: /c
        < 404

        > MOVE /b
        > Depth: 0
        > Destination: /c
        < 400

        > COPY /b
        < 400

        > COPY /b
        > Destination: http://other/c
        < 400

        > COPY /b
        > Destination: /../c
        < 400
        """)


def test_copies_and_moves_of_collections(nginx: Nginx) -> None:
    nginx.write("html/a/x", "x")
    nginx.write("html/a/b/y", "y")
    nginx.write("html/old/z", "z")
    nginx(f"location / {{ {ALL} }}")
    nginx.exchange("""
        > COPY /a/
        > Destination: /c/
        < 201

        > GET /c/b/y
        < 200
        <
        < y

        > COPY /a/
        > Destination: /a/d/
        < 403

        > MOVE /a/
        > Destination: /old/
        < 201

        > GET /old/x
        < 200
        <
        < x

        > GET /old/z
        < 404

        > GET /a/x
        < 404
        """)


def test_other_methods_are_not_allowed(nginx: Nginx) -> None:
    nginx.write("html/a", "a")
    nginx("location / { dav_methods PUT; }")
    nginx.exchange("> DELETE /a\n< 405\n\n> PUT /a\n>\n> b\n< 204\n\n> GET /a\n< 200\n<\n< b")


def test_aliases(nginx: Nginx) -> None:
    nginx.write("other/a", "a")
    nginx(f"location /long/name/ {{ alias other/; {ALL} }}")
    nginx.exchange("""
        > COPY /long/name/a
        > Destination: /long/name/b
        < 204

        > COPY /long/name/a
        > Destination: /b
        < 400
        """)
    assert nginx.read("other/b") == "a"


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("dav_methods GET;", 'invalid value "GET"'),
        ("dav_access user:x;", 'invalid value "user:x"'),
        ("dav_access root:rw;", 'invalid value "root:rw"'),
        ("dav_access user:rw; dav_access user:rw;", '"dav_access" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(snippet, message)
