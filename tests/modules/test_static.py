"""Files: static, index, ranges and conditional requests."""

from __future__ import annotations

import os
import re

import pytest

from ..nginx import Nginx

WHEN = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
ETAG = '"6553f100-a"'


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        location / { }
        location /etag-off    { etag off; }
        location /ims-off     { if_modified_since off; }
        location /ims-before  { if_modified_since before; }
        location /ranges-0    { max_ranges 0; }
        location /ranges-1    { max_ranges 1; }
        location /index/      { index nothing.html second.html; }
        location /absolute/   { index nothing.html /index/second.html; }
        location /variable/   { index $arg_i.html; }
        location = /index/second.html { add_header X-Here $uri; }
        location /404-silent  { log_not_found off; }
        location /405-page    { error_page 405 =200 $uri; }
        """,
        files={
            "html/ten": "0123456789",
            "html/empty": "",
            "html/index.html": "home",
            "html/etag-off/ten": "0123456789",
            "html/ims-off/ten": "0123456789",
            "html/ims-before/ten": "0123456789",
            "html/ranges-0/ten": "0123456789",
            "html/ranges-1/ten": "0123456789",
            "html/405-page/ten": "0123456789",
            "html/index/second.html": "second",
            "html/absolute/x": "",
            "html/variable/a.html": "a",
            "html/bare/x": "",
            "html/a b/index.html": "blank",
            "html/big": b"b" * 3_000_000,
        },
    )
    root = module_nginx.prefix / "html"
    for path in root.rglob("ten"):
        os.utime(path, (WHEN, WHEN))
    (root / "link").symlink_to("ten")
    os.mkfifo(root / "fifo")
    return module_nginx


def test_ranges_beside_locations_without(nginx: Nginx) -> None:
    nginx(
        """
        location /a { max_ranges 0; }
        location /b { max_ranges 0; }
        location /c { max_ranges 1; }
        location /d { max_ranges 2; }
        """,
        files={f"html/{name}": "0123456789" for name in "abcd"},
    )
    statuses = [nginx.request(f"GET /{name}", "Range: bytes=0-1").status for name in "abcd"]
    assert statuses == [200, 200, 206, 206]


def test_the_file_of_an_error_page_has_no_date(nginx: Nginx) -> None:
    """A cache must not take an error for as old as the page that reports it."""
    nginx(
        """
        error_page 404 /404.html;
        error_page 403 =200 /404.html;
        location /forbidden { return 403; }
        """,
        files={"html/404.html": "gone"},
    )
    os.utime(nginx.prefix / "html/404.html", (WHEN, WHEN))
    nginx.exchange(f"""
        > GET /nothing
        < 404
        < Content-Length: 4
        < !Last-Modified
        <
        < gone

        > GET /forbidden
        < 200
        < Last-Modified: {DATE}
        """)


def test_file(site: Nginx) -> None:
    site.exchange(f"""
        > GET /ten
        < HTTP/1.1 200 OK
        < Content-Type: text/plain
        < Content-Length: 10
        < Last-Modified: {DATE}
        < ETag: {ETAG}
        < Accept-Ranges: bytes
        <
        < 0123456789

        > HEAD /ten
        < 200
        < Content-Length: 10
        < Last-Modified: {DATE}
        < ETag: {ETAG}
        < Accept-Ranges: bytes
        <

        > GET /empty
        < 200
        < Content-Length: 0
        <

        > GET /link
        < 200
        <
        < 0123456789

        > GET /ten HTTP/1.0
        < HTTP/1.1 200 OK
        < Connection: close
        < Content-Length: 10

        > GET /etag-off/ten
        < 200
        < !ETag
        < Last-Modified: {DATE}

        > GET /ten?args=x
        < 200
        """)


def test_order_of_fields(site: Nginx) -> None:
    names = [name for name, _ in site.request("GET /ten").fields]
    assert names == [
        "Server",
        "Date",
        "Content-Type",
        "Content-Length",
        "Last-Modified",
        "Connection",
        "ETag",
        "Accept-Ranges",
    ]


def test_big_file(site: Nginx) -> None:
    assert site.request("GET /big").body == b"b" * 3_000_000
    ranges = site.request("GET /big", "Range: bytes=1000000-1999999")
    assert (ranges.status, ranges.body) == (206, b"b" * 1_000_000)


def test_methods(site: Nginx) -> None:
    site.exchange("""
        > POST /ten
        < 405 Not Allowed
        < !Allow
        <~ <h1>405 Not Allowed</h1>

        > PUT /ten
        >
        > body
        < 405

        > DELETE /ten
        < 405

        > OPTIONS /ten
        < 405

        > POST /405-page/ten
        < 200
        <
        < 0123456789

        > POST /nothing
        < 404

        > POST /
        < 405

        > UNKNOWN /ten
        < 405
        """)


def test_missing(site: Nginx) -> None:
    site.exchange("""
        > GET /nothing
        < 404

        > GET /ten/below
        < 404

        > GET /ten/
        < 404

        > GET /nothing/
        < 404

        > GET /fifo
        < 404

        > GET /404-silent/x
        < 404
        """)
    site.wait_for_log(
        r'\[error\] .*\*\d+ open\(\) "\S+/html/nothing" failed \(2: No such file or directory\), '
        r'client: 127\.0\.0\.1, server: , request: "GET /nothing HTTP/1\.1", host: "localhost"'
    )
    site.wait_for_log(r'open\(\) "\S+/html/ten/below" failed \(20: Not a directory\)')
    site.wait_for_log(r'"\S+/html/fifo" is not a regular file')
    assert "404-silent/x" not in site.error_log()


def test_name_too_long(site: Nginx) -> None:
    site.exchange(f"> GET /{'x' * 300}\n< 404")


def test_directory(site: Nginx) -> None:
    site.exchange("""
        > GET /
        < 200
        < Content-Type: text/html
        <
        < home

        > GET /index?a=b
        < 301 Moved Permanently
        < Location: http://localhost:%%PORT%%/index/?a=b
        <~ 301 Moved Permanently

        > GET /a%20b
        < 301
        < Location: http://localhost:%%PORT%%/a%20b/

        > GET /a%20b/
        < 200
        <
        < blank

        > GET /index/
        < 200
        < X-Here: /index/second.html
        <
        < second

        > GET /absolute/
        < 200
        < X-Here: /index/second.html
        <
        < second

        > GET /variable/?i=a
        < 200
        <
        < a

        > GET /variable/?i=b
        < 403

        > GET /bare/
        < 403
        <~ <h1>403 Forbidden</h1>

        > HEAD /bare/
        < 403

        > POST /bare
        < 301
        """)
    site.wait_for_log(r'\[error\] .*directory index of "\S+/html/bare/" is forbidden, client')


@pytest.mark.parametrize(
    "value, content_range, body",
    [
        ("bytes=0-4", "bytes 0-4/10", "01234"),
        ("bytes=5-", "bytes 5-9/10", "56789"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=-30", "bytes 0-9/10", "0123456789"),
        ("bytes=9-100", "bytes 9-9/10", "9"),
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes= 1 - 2 ", "bytes 1-2/10", "12"),
        ("Bytes=1-2", "bytes 1-2/10", "12"),
        ("bytes=1-2,20-30", "bytes 1-2/10", "12"),
    ],
)
def test_range(site: Nginx, value: str, content_range: str, body: str) -> None:
    site.exchange(f"""
        > GET /ten
        > Range: {value}
        < 206 Partial Content
        < Content-Range: {content_range}
        < Content-Length: {len(body)}
        < ETag: {ETAG}
        < Last-Modified: {DATE}
        < Content-Type: text/plain
        < !Accept-Ranges
        <
        < {body}
        """)


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=20-30", "bytes=-0", "bytes=20-30,40-"])
def test_range_not_satisfiable(site: Nginx, value: str) -> None:
    site.exchange(f"""
        > GET /ten
        > Range: {value}
        < 416 Requested Range Not Satisfiable
        < Content-Range: bytes */10
        <~ <h1>416 Requested Range Not Satisfiable</h1>
        """)


@pytest.mark.parametrize("value", ["bytes=2-1", "bytes=a-b", "bytes=1", "bytes=-", "bytes=1-2;3"])
def test_range_malformed(site: Nginx, value: str) -> None:
    """A set that cannot be parsed is not satisfiable to nginx."""
    site.exchange(f"> GET /ten\n> Range: {value}\n< 416")


@pytest.mark.parametrize(
    "path, fields",
    [
        ("/ten", "Range: items=0-1"),
        ("/ten", "Range: bytes="),
        ("/ranges-0/ten", "Range: bytes=0-1"),
        ("/ranges-1/ten", "Range: bytes=0-1,3-4"),
        ("/ten", 'Range: bytes=0-1\n> If-Range: "other"'),
        ("/ten", f"Range: bytes=0-1\n> If-Range: W/{ETAG}"),
        ("/ten", "Range: bytes=0-1\n> If-Range: Tue, 14 Nov 2023 22:13:21 GMT"),
        ("/ten", "Range: bytes=0-9,0-9,0-9"),
    ],
)
def test_range_ignored(site: Nginx, path: str, fields: str) -> None:
    site.exchange(f"> GET {path}\n> {fields}\n< 200\n< !Content-Range\n<\n< 0123456789")


@pytest.mark.parametrize("validator", [ETAG, DATE])
def test_if_range(site: Nginx, validator: str) -> None:
    site.exchange(f"> GET /ten\n> Range: bytes=0-1\n> If-Range: {validator}\n< 206\n<\n< 01")


def test_range_of_head_and_empty(site: Nginx) -> None:
    site.exchange("""
        > HEAD /ten
        > Range: bytes=0-1
        < 206
        < Content-Length: 2
        <

        > GET /empty
        > Range: bytes=0-1
        < 200
        < !Content-Range

        > GET /ranges-1/ten
        > Range: bytes=0-1
        < 206
        < !Accept-Ranges

        > GET /ranges-0/ten
        < 200
        < !Accept-Ranges
        """)


def test_several_ranges(site: Nginx) -> None:
    answer = site.request("GET /ten", "Range: bytes=0-1, 4-5 ,-1")
    assert answer.status == 206
    kind = re.fullmatch(
        r"multipart/byteranges; boundary=(\d{20})", answer.get("Content-Type") or ""
    )
    assert kind
    assert answer.get("Content-Range") is None
    parts = [("0-1", "01"), ("4-5", "45"), ("9-9", "9")]
    assert answer.text == (
        "".join(
            f"\r\n--{kind[1]}\r\nContent-Type: text/plain\r\n"
            f"Content-Range: bytes {part}/10\r\n\r\n{body}"
            for part, body in parts
        )
        + f"\r\n--{kind[1]}--\r\n"
    )


@pytest.mark.parametrize(
    "path, fields, status",
    [
        ("/ten", f"If-Modified-Since: {DATE}", 304),
        ("/ten", "If-Modified-Since: Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ("/ten", "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("/ten", "If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT", 304),
        ("/ten", "If-Modified-Since: Tue Nov 14 22:13:20 2023", 304),
        ("/ten", "If-Modified-Since: nonsense", 200),
        ("/ten", "If-Modified-Since: Tue, 31 Feb 2023 22:13:20 GMT", 200),
        ("/ims-before/ten", "If-Modified-Since: Tue, 14 Nov 2023 22:13:21 GMT", 304),
        ("/ims-before/ten", "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("/ims-off/ten", f"If-Modified-Since: {DATE}", 200),
        ("/ten", f"If-None-Match: {ETAG}", 304),
        ("/ten", f"If-None-Match: W/{ETAG}", 304),
        ("/ten", f'If-None-Match: "a", {ETAG}', 304),
        ("/ten", "If-None-Match: *", 304),
        ("/ten", 'If-None-Match: "other"', 200),
        ("/ten", "If-None-Match: 6553f100-a", 200),
        ("/ten", f'If-None-Match: "other"\n> If-Modified-Since: {DATE}', 200),
        ("/ten", f"If-None-Match: {ETAG}\n> If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 200),
        ("/etag-off/ten", f"If-None-Match: {ETAG}", 200),
        ("/ten", f"If-Match: {ETAG}", 200),
        ("/ten", f"If-Match: W/{ETAG}", 412),
        ("/ten", 'If-Match: "other"', 412),
        ("/ten", f'If-Match: "other", {ETAG}', 200),
        ("/ten", "If-Match: *", 200),
        ("/ten", f"If-Unmodified-Since: {DATE}", 200),
        ("/ten", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 412),
        ("/ten", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ("/ims-off/ten", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 412),
        ("/ten", f"If-None-Match: {ETAG}\n> Range: bytes=0-1", 304),
    ],
)
def test_conditional(site: Nginx, path: str, fields: str, status: int) -> None:
    site.exchange(f"> GET {path}\n> {fields}\n< {status}")


def test_not_modified(site: Nginx) -> None:
    site.exchange(f"""
        > GET /ten
        > If-None-Match: {ETAG}
        < HTTP/1.1 304 Not Modified
        < Last-Modified: {DATE}
        < ETag: {ETAG}
        < !Content-Length
        < !Content-Type
        < !Accept-Ranges
        <
        """)


def test_unreadable(nginx: Nginx) -> None:
    nginx(
        "location / { root %%DIR%%/html; } location /off { disable_symlinks on; }",
        files={"html/off/x": "x"},
    )
    (nginx.prefix / "html/off/link").symlink_to("x")
    nginx.exchange("> GET /off/link\n< 403\n\n> GET /off/x\n< 200")
    nginx.wait_for_log(r'openat\(\) "\S+/html/off/link" failed \(40: ')


def test_root_that_ends_with_a_slash(nginx: Nginx) -> None:
    """One slash is not part of the root; an alias is taken as it is."""
    nginx(
        """
        root %%DIR%%/html/;
        location /inherited { return 200 $document_root; }
        location /two       { root html//; return 200 $document_root; }
        location /variable  { root /$arg_a/; return 200 $document_root; }
        location /all       { root /; return 200 "$document_root|$request_filename"; }
        location /alias     { alias html/; return 200 $document_root; }
        """,
        files={"html/ten": "0123456789"},
    )
    prefix = nginx.filled("%%DIR%%")
    got = [
        nginx.request(f"GET {uri}").text
        for uri in ("/inherited", "/two", "/variable?a=b", "/all", "/alias", "/ten")
    ]
    assert got == [
        f"{prefix}/html",
        f"{prefix}/html/",
        "/b",
        "|/all",
        f"{prefix}/html/",
        "0123456789",
    ]


def test_changed_file(site: Nginx) -> None:
    site.write("html/changing", "one")
    before = site.request("GET /changing")
    site.write("html/changing", "three")
    after = site.request("GET /changing")
    assert (before.text, after.text) == ("one", "three")
    assert before.get("ETag") != after.get("ETag")


def test_fields_of_one_file_at_locations_that_differ(nginx: Nginx) -> None:
    """What is told of a file is kept, and must not be told elsewhere."""
    nginx(
        """
        root html;
        location /plain/   { alias html/; }
        location /typed/   { alias html/; default_type text/html; charset utf-8; }
        location /field/   { alias html/; add_header X-A $arg_a; max_ranges 0; }
        location /field2/  { alias html/; add_header X-A $arg_a; }
        location /no-etag/ { alias html/; etag off; }
        """,
        files={"html/ten": "0123456789"},
    )
    os.utime(nginx.prefix / "html/ten", (WHEN, WHEN))
    for _ in range(2):
        nginx.exchange(f"""
            > GET /plain/ten
            < 200
            < Content-Type: text/plain
            < !X-A
            < ETag: {ETAG}
            < Accept-Ranges: bytes

            > GET /typed/ten
            < 200
            < Content-Type: text/html; charset=utf-8

            > GET /field/ten?a=1
            < 200
            < X-A: 1
            < !Accept-Ranges

            > GET /field/ten?a=2
            < 200
            < X-A: 2

            > GET /field2/ten?a=2
            < 200
            < X-A: 2
            < Accept-Ranges: bytes

            > GET /no-etag/ten
            < 200
            < !ETag
            < Accept-Ranges: bytes

            > GET /plain/ten HTTP/1.0
            < 200
            < Connection: close
            """)
    (nginx.prefix / "html/ten").write_text("other")
    os.utime(nginx.prefix / "html/ten", (WHEN, WHEN))
    nginx.exchange("""
        > GET /plain/ten
        < 200
        < Content-Length: 5
        <
        < other
        """)
