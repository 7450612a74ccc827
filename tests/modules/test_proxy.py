"""proxy_pass: what the upstream is sent, and what the client gets of its answer."""

from __future__ import annotations

import re
import socket
import threading

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

ECHO = """
    listen 127.0.0.1:%%PORT_b%%;
    location / { return 200 "$request_method $request_uri"; }
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def head(received: str) -> list[str]:
    """The lines of a request head as the upstream saw them."""
    return received.partition("\r\n\r\n")[0].split("\r\n")


# The request line.


@pytest.mark.parametrize(
    "location, proxy_pass, target, uri",
    [
        ("/", "", "/a/b?c=d", "/a/b?c=d"),
        ("/a/", "", "/a/b", "/a/b"),
        ("/a/", "/", "/a/b?c", "/b?c"),
        ("/a", "/", "/a/b", "//b"),
        ("/a/", "/x", "/a/b", "/xb"),
        ("/a/", "/x/", "/a/", "/x/"),
        ("/a/", "/x?y=z", "/a/b?c", "/x?y=zb?c"),
        ("= /a", "/x", "/a?c", "/x?c"),
        ("/", "", "/a%20b/%41//../c", "/a%20b/%41//../c"),
        ("/", "/", "/a%20b/%41//../c", "/a%20b/c"),
        ("/a/", "/x/", "/a/%25%3F%23%20+%C3%A9", "/x/%25%3F%23%20+%C3%A9"),
        ("/a/", "/x/", "/a/%2F", "/x/"),
        ("/a/", "/x/", "/a/b;c=d", "/x/b;c=d"),
        ("/a/", "/x/", '/a/"<>^`{|}', '/x/"<>^`{|}'),
        ("~ ^/a/(.*)", "", "/a/b?c", "/a/b?c"),
        ("~ ^/a/(.*)", "/x/$1", "/a/b?c", "/x/b"),
        ("~ ^/a/(.*)", "/x/$1$is_args$args", "/a/b?c", "/x/b?c"),
        ("~ ^/a/(.*)", "/x/$1", "/a/b%20c", "/x/b c"),
        ("/a", "$request_uri", "/a/%41?b", "/a/%41?b"),
        ("/a", "$uri", "/a/%41?b", "/a/A"),
        ("/a", "/fixed$arg_none", "/a/b?c", "/fixed"),
        ("/a", "$arg_none", "/a/b?c", "/a/b?c"),
    ],
)
def test_uri(nginx: Nginx, location: str, proxy_pass: str, target: str, uri: str) -> None:
    backend = nginx.backend("b", OK)
    nginx(f"location {location} {{ proxy_pass http://127.0.0.1:%%PORT_b%%{proxy_pass}; }}")
    nginx.exchange(f"> GET {target}\n< 200")
    assert head(backend.connections(1)[0])[0] == f"GET {uri} HTTP/1.1"


def test_uri_after_changes(nginx: Nginx) -> None:
    """A URI that was rewritten is sent as it is now."""
    nginx(
        """
        location /rewritten { rewrite ^/rewritten/(.*) /new/$1?x=y break;
                              proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /replaced/ { rewrite ^/replaced/(.*) /other/$1 break;
                              proxy_pass http://127.0.0.1:%%PORT_b%%/ignored/; }
        location /page      { error_page 404 @up; return 404; }
        location @up        { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /if/       { if ($args) { proxy_pass http://127.0.0.1:%%PORT_b%%; } }
        location /try       { try_files /nothing /index/x; }
        location /index/    { proxy_pass http://127.0.0.1:%%PORT_b%%/i/; }
        """,
        servers=[ECHO],
    )
    nginx.exchange("""
        > GET /rewritten/a%20b?c
        < 200
        <
        < GET /new/a%20b?x=y&c

        > GET /replaced/a%20b
        < 200
        <
        < GET /other/a%20b

        > GET /page/a%20b?c
        < 404
        <
        < GET /page/a%20b?c

        > GET /if/a?b
        < 200
        <
        < GET /if/a?b

        > GET /try?a
        < 200
        <
        < GET /i/x
        """)


def test_methods(nginx: Nginx) -> None:
    nginx(
        """
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /forced { proxy_method POST; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /variable { proxy_method $arg_m; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        servers=[ECHO],
    )
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "ODD-METHOD"):
        nginx.exchange(f"> {method} /\n< 200\n<\n< {method} /")
    nginx.exchange("""
        > HEAD /
        < 200
        < Content-Length: 6
        <

        > GET /forced
        < 200
        <
        < POST /forced

        > GET /variable?m=PURGE
        < 200
        <
        < PURGE /variable?m=PURGE

        > TRACE /
        < 405
        """)


# The request header.


def test_default_fields(nginx: Nginx) -> None:
    backend = nginx.backend("b", OK)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("""
        > POST /
        > Host: example.org:81
        > User-Agent: test
        > x-MiXed: Case
        > X-Twice: 1
        > X-Twice: 2
        > Connection: close, x-twice
        > Keep-Alive: 5
        > TE: trailers
        > Expect: 200-nothing
        > Upgrade: foo
        > Accept-Encoding: gzip
        >
        > body
        < 200
        """)
    assert head(backend.connections(1)[0]) == nginx.filled(
        "POST / HTTP/1.1|Host: 127.0.0.1:%%PORT_b%%|Content-Length: 4"
        "|User-Agent: test|x-MiXed: Case|X-Twice: 1|X-Twice: 2|Accept-Encoding: gzip"
    ).split("|")


def test_http_1_0(nginx: Nginx) -> None:
    backend = nginx.backend("b", OK)
    nginx("location / { proxy_http_version 1.0; proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /a\n< 200\n<\n< ok")
    assert head(backend.connections(1)[0]) == nginx.filled(
        "GET /a HTTP/1.0|Host: 127.0.0.1:%%PORT_b%%"
    ).split("|")


def test_set_header(nginx: Nginx) -> None:
    backend = nginx.backend("b", OK)
    nginx("""
        location / {
            proxy_set_header Host $host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Empty "";
            proxy_set_header X-Drop "";
            proxy_set_header x-replaced "by $http_x_replaced";
            proxy_set_header Connection "keep-alive";
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        """)
    nginx.exchange("""
        > GET /
        > Host: example.org
        > X-Drop: 1
        > X-Replaced: 2
        > X-Forwarded-For: 10.0.0.1
        > X-Kept: 3
        < 200
        """)
    assert head(backend.connections(1)[0]) == [
        "GET / HTTP/1.1",
        "Host: example.org",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-For: 10.0.0.1, 127.0.0.1",
        "X-Forwarded-Proto: http",
        "x-replaced: by 2",
        "Connection: keep-alive",
        "X-Kept: 3",
    ]


@pytest.mark.pyngx_only("nginx has it since 1.31.4")
@pytest.mark.parametrize(
    ("fields", "version", "host"),
    [
        ("proxy_set_header Host $arg_a;", "1.1", "127.0.0.1:%%PORT_b%%"),
        ('proxy_set_header Host "";', "1.1", "127.0.0.1:%%PORT_b%%"),
        ("proxy_set_header Host $arg_a;", "1.0", ""),
        ('proxy_set_header Host "";', "1.0", ""),
        ("proxy_set_header HOST a; proxy_set_header host b;", "1.1", "b"),
        ("proxy_set_header HOST a; proxy_set_header host b$arg_a;", "1.0", "b"),
    ],
)
def test_host(nginx: Nginx, fields: str, version: str, host: str) -> None:
    """The last Host counts; a request of HTTP/1.1 has one even if it is empty."""
    backend = nginx.backend("b", OK)
    nginx(f"""
        proxy_http_version {version}; {fields}
        location / {{ proxy_pass http://127.0.0.1:%%PORT_b%%; }}
        """)
    nginx.exchange("> GET /\n< 200")
    lines = head(backend.connections(1)[0])
    sent = [line for line in lines if line.lower().startswith("host:")]
    assert sent == ([f"Host: {nginx.filled(host)}"] if host else [])


def test_set_header_inheritance(nginx: Nginx) -> None:
    """Only a level without fields of its own takes the outer ones; the defaults stay."""
    nginx(
        """
        proxy_set_header X-Outer 1;
        location /inherits { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /own { proxy_set_header X-Own 1; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /host { proxy_set_header host mine; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_b%%;"
            'return 200 "[$http_x_outer][$http_x_own][$http_connection][$http_host]";'
        ],
    )
    nginx.exchange("""
        > GET /inherits
        < 200
        <
        < [1][][][127.0.0.1:%%PORT_b%%]

        > GET /own
        < 200
        <
        < [][1][][127.0.0.1:%%PORT_b%%]

        > GET /host
        < 200
        <
        < [][][][mine]
        """)


def test_pass_request(nginx: Nginx) -> None:
    backend = nginx.backend("b", OK)
    nginx("""
        location /no-headers {
            proxy_pass_request_headers off;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        location /no-body { proxy_pass_request_body off; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /no-body/length {
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        location /set-body {
            proxy_set_body "[$request_method]";
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        """)
    nginx.exchange("> POST /no-headers\n> X-A: 1\n>\n> body\n< 200")
    nginx.exchange("> POST /no-body/length\n> X-A: 1\n>\n> body\n< 200")
    nginx.exchange("> POST /set-body\n> X-A: 1\n>\n> something\n< 200")
    nginx.exchange("> GET /set-body\n< 200")
    received = backend.connections(4)
    host = nginx.filled("Host: 127.0.0.1:%%PORT_b%%")
    assert received[0].split("\r\n") == [
        "POST /no-headers HTTP/1.1",
        host,
        "Content-Length: 4",
        "",
        "body",
    ]
    assert received[1].split("\r\n") == [
        "POST /no-body/length HTTP/1.1",
        host,
        "X-A: 1",
        "",
        "",
    ]
    assert received[2].split("\r\n") == [
        "POST /set-body HTTP/1.1",
        host,
        "Content-Length: 6",
        "X-A: 1",
        "",
        "[POST]",
    ]
    assert received[3].split("\r\n")[-1] == "[GET]"


# The request body.


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_body(nginx: Nginx, buffering: str) -> None:
    backend = nginx.backend("b", OK)
    nginx(
        f"proxy_request_buffering {buffering}; client_body_buffer_size 8;"
        "client_max_body_size 1m;"
        "location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }"
    )
    body = "0123456789" * 5000
    assert nginx.request("POST /", body=body).text == "ok"
    assert nginx.request("POST /", "Transfer-Encoding: chunked", body=body).text == "ok"
    assert nginx.request("POST /", "Content-Length: 0").text == "ok"
    plain, chunked, empty = backend.connections(3)
    assert plain.endswith("\r\n\r\n" + body)
    if buffering == "on":
        assert "Content-Length: 50000\r\n" in chunked
        assert chunked.endswith("\r\n\r\n" + body)
    else:
        assert "Transfer-Encoding: chunked\r\n" in chunked
        assert "Content-Length" not in chunked
        chunks = re.split(r"(?:^|\r\n)[0-9a-f]+\r\n", chunked.partition("\r\n\r\n")[2])
        assert "".join(chunks).rstrip() == body
    assert "Content-Length: 0\r\n" in empty


def test_request_buffering_off_streams(nginx: Nginx) -> None:
    """The upstream has the first part before the client sends the second."""

    def script(peer: Peer) -> None:
        peer.head()
        assert peer.exactly(3) == b"one"
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ngot\r\n")
        assert peer.exactly(3) == b"two"
        peer.send(b"0\r\n\r\n")

    nginx.backend("b", script)
    nginx("""
        proxy_request_buffering off;
        proxy_buffering off;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\none")
        client.wire.until(b"got\r\n")
        client.wire.send(b"two")
        client.wire.until(b"0\r\n\r\n")


def test_file_only_is_a_matter_of_buffering(nginx: Nginx) -> None:
    """A body that has come with the head is not written to a file to be passed on at once."""
    nginx.backend("b", OK)
    nginx("""
        client_body_in_file_only on; add_header X-Body "[$request_body]";
        location /on { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /off { proxy_request_buffering off; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    assert nginx.request("POST /on", body="one").get("X-Body") == "[]"
    assert nginx.request("POST /off", body="one").get("X-Body") == "[one]"


def test_request_buffering_on_waits(nginx: Nginx) -> None:
    """The upstream is not connected before the whole body is there."""
    backend = nginx.backend("b", OK)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\none")
        assert client.wire.silent(0.2)
        assert backend.accepted == 0
        client.wire.send(b"two")
        assert client.wire.answer()
    assert backend.connections(1)[0].endswith("\r\n\r\nonetwo")


# The answer's header.


def test_hidden_fields(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 200 Fine\r\nDate: yesterday\r\nServer: up\r\nX-Pad: pad\r\n"
        b"X-Accel-Expires: 0\r\nX-Accel-Charset: x\r\nX-Other: 1\r\nx-lower: 2\r\n"
        b"Connection: x-foo\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok",
    )
    nginx("""
        server_tokens off;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /pass {
            proxy_pass_header Server;
            proxy_pass_header Date;
            proxy_pass_header X-Pad;
            proxy_hide_header X-OTHER;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        """)
    nginx.exchange("""
        > GET /
        < 200 Fine
        < Server: nginx
        < Date ~ .* GMT
        < !X-Pad
        < !X-Accel-Expires
        < X-Other: 1
        < x-lower: 2
        < Connection: close
        < !Keep-Alive
        < Content-Length: 2
        <
        < ok

        > GET /pass
        < 200 Fine
        < Server: up
        < Date: yesterday
        < X-Pad: pad
        < !X-Other
        """)


def test_repeated_fields(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVary: a\r\nVary: b\r\n"
        b"Cache-Control: private\r\nCache-Control: max-age=1\r\nX: 1\r\nX: 2\r\n"
        b"Content-Length: 2\r\n\r\nok",
    )
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("""
        > GET /
        < 200
        < Set-Cookie: a=1
        < Set-Cookie: b=2
        < Vary: a
        < Vary: b
        < Cache-Control: private
        < Cache-Control: max-age=1
        < X: 1
        < X: 2
        """)


@pytest.mark.parametrize(
    "settings, sent, location",
    [
        ("", "http://127.0.0.1:%%PORT_b%%/up/x", "http://localhost:%%PORT%%/a/x"),
        ("", "http://other/up/x", "http://other/up/x"),
        ("", "/up/x", "/up/x"),
        (
            "proxy_redirect off;",
            "http://127.0.0.1:%%PORT_b%%/up/x",
            "http://127.0.0.1:%%PORT_b%%/up/x",
        ),
        ("proxy_redirect http://other/ /o/;", "http://other/x", "http://localhost:%%PORT%%/o/x"),
        ("proxy_redirect /up/ http://$host/v/;", "/up/x", "http://localhost/v/x"),
        ("proxy_redirect ~^/(\\w+)/(.*)$ /$2/$1;", "/up/x", "http://localhost:%%PORT%%/x/up"),
        ("proxy_redirect ~*^/UP /re;", "/up/x", "http://localhost:%%PORT%%/re"),
        (
            "proxy_redirect /none /n; proxy_redirect /up /second;",
            "/up/x",
            "http://localhost:%%PORT%%/second/x",
        ),
        (
            "proxy_redirect http://$proxy_host /var;",
            "http://127.0.0.1:%%PORT_b%%/x",
            "http://localhost:%%PORT%%/var/x",
        ),
    ],
)
def test_redirect(nginx: Nginx, settings: str, sent: str, location: str) -> None:
    nginx.backend(
        "b",
        nginx.filled(
            f"HTTP/1.1 302 Found\r\nLocation: {sent}\r\nContent-Length: 0\r\n\r\n"
        ).encode(),
    )
    nginx(f"location /a/ {{ {settings} proxy_pass http://127.0.0.1:%%PORT_b%%/up/; }}")
    nginx.exchange(f"> GET /a/\n< 302\n< Location: {location}")


def test_redirect_default(nginx: Nginx) -> None:
    """What "default" stands for is known only after proxy_pass."""
    nginx.backend(
        "b",
        nginx.filled(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%%PORT_b%%/up/x\r\n\r\n"
        ).encode(),
    )
    nginx("""
        proxy_redirect http://127.0.0.1 http://outer;
        location /a/ {
            proxy_pass http://127.0.0.1:%%PORT_b%%/up/;
            proxy_redirect http://nobody /;
            proxy_redirect default;
        }
        """)
    nginx.exchange("> GET /a/\n< 302\n< Location: http://localhost:%%PORT%%/a/x")


def test_refresh(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        nginx.filled(
            "HTTP/1.1 200 OK\r\nRefresh: 5; url=http://127.0.0.1:%%PORT_b%%/x\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode(),
    )
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%/; }")
    nginx.exchange("> GET /\n< 200\n< Refresh: 5; url=/x")


@pytest.mark.parametrize(
    "settings, sent, cookie",
    [
        ("", "a=1; domain=up; path=/u/", "a=1; domain=up; path=/u/"),
        ("proxy_cookie_domain up down;", "a=1; Domain=UP; path=/", "a=1; Domain=down; path=/"),
        ("proxy_cookie_domain ~^(.*)\\.up$ $1.down;", "a=1; domain=x.up", "a=1; domain=x.down"),
        ("proxy_cookie_path /u/ /d/;", "a=1; path=/u/x; secure", "a=1; path=/d/x; secure"),
        ("proxy_cookie_path /u/ $arg_p;", "a=1; path=/u/x", "a=1; path=/v/x"),
        ("proxy_cookie_flags a secure httponly;", "a=1", "a=1; Secure; HttpOnly"),
        ("proxy_cookie_flags a nosecure samesite=strict;", "a=1; secure", "a=1; SameSite=Strict"),
        ("proxy_cookie_flags ~ httponly;", "b=1", "b=1; HttpOnly"),
        ("proxy_cookie_flags a secure;", "b=1", "b=1"),
    ],
)
def test_cookies(nginx: Nginx, settings: str, sent: str, cookie: str) -> None:
    nginx.backend(
        "b", f"HTTP/1.1 200 OK\r\nSet-Cookie: {sent}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    nginx(f"location / {{ {settings} proxy_pass http://127.0.0.1:%%PORT_b%%; }}")
    nginx.exchange(f"> GET /?p=/v/\n< 200\n< Set-Cookie: {cookie}")


def test_intercept_errors(nginx: Nginx) -> None:
    nginx(
        """
        error_page 404 =200 /page;
        error_page 500 /page;
        location = /page { return 200 page; }
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /i/ { proxy_intercept_errors on; proxy_pass http://127.0.0.1:%%PORT_b%%/; }
        """,
        servers=[
            """
            listen 127.0.0.1:%%PORT_b%%;
            location /404 { return 404 up404; }
            location /500 { return 500 up500; }
            location /403 { return 403 up403; }
            location /401 { add_header WWW-Authenticate 'Basic realm="up"' always; return 401 x; }
            """
        ],
    )
    nginx.exchange("""
        > GET /404
        < 404
        <
        < up404

        > GET /i/404
        < 200
        <
        < page

        > GET /i/500
        < 500
        <
        < page

        > GET /i/403
        < 403
        <
        < up403

        > GET /i/401
        < 401
        < WWW-Authenticate: Basic realm="up"
        """)


def test_x_accel(nginx: Nginx) -> None:
    nginx(
        """
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /ignored {
            proxy_ignore_headers X-Accel-Redirect;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        location /in/ { internal; add_header X-In $upstream_http_x_up; }
        location @named { return 200 "named $uri"; }
        """,
        servers=[
            """
            listen 127.0.0.1:%%PORT_b%%;
            add_header X-Up up;
            add_header Content-Disposition attachment;
            location / {
                add_header X-Accel-Redirect /in/file;
                add_header X-Up up;
                add_header Content-Disposition attachment;
                add_header X-Gone 1;
                return 200 x;
            }
            location /escaped { add_header X-Accel-Redirect /in/a%20b?c=d; return 200 x; }
            location /named { add_header X-Accel-Redirect @named; return 200 x; }
            location /ignored { add_header X-Accel-Redirect /in/file; return 200 body; }
            """
        ],
        files={"html/in/file": "file", "html/in/a b": "a b"},
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-In: up
        < Content-Disposition: attachment
        < !X-Gone
        < !X-Accel-Redirect
        < ETag: *
        <
        < file

        > POST /
        < 200
        <
        < file

        > GET /escaped
        < 200
        <
        < a b

        > GET /named
        < 200
        <
        < named /named

        > GET /ignored
        < 200
        < !X-Accel-Redirect
        <
        < body
        """)


# The answer's body.


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize(
    "answer, body",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            "hello",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
        (b"HTTP/1.1 200 OK\nX: y\n\nhello", "hello"),
        (b"HTTP/1.1 200\r\n\r\nhello", "hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", "he"),
    ],
)
def test_body_framing(nginx: Nginx, buffering: str, answer: bytes, body: str) -> None:
    nginx.backend("b", answer)
    nginx(f"proxy_buffering {buffering}; location / {{ proxy_pass http://127.0.0.1:%%PORT_b%%; }}")
    assert nginx.request("GET /").text == body
    assert nginx.raw(b"GET / HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2] == body.encode()


def test_big_answer(nginx: Nginx) -> None:
    """More than the buffers hold, to a client that reads late."""
    body = b"0123456789abcdef" * 65536
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    nginx("""
        proxy_buffers 4 4k;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /off { proxy_buffering off; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /no-file { proxy_max_temp_file_size 0; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    for path in ("/", "/off", "/no-file"):
        assert nginx.request(f"GET {path}").body == body


def test_buffering_off_streams(nginx: Nginx) -> None:
    parts: list[bytes] = []
    arrived = threading.Event()

    def late(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n" + parts[0] + b"\r\none")
        assert arrived.wait(DEADLINE)
        peer.send(b"two")

    nginx.backend("b", late)
    nginx("""
        location /off { proxy_buffering off; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /by-header { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    for path, extra in (("/off", b""), ("/by-header", b"X-Accel-Buffering: no\r\n")):
        parts[:] = [extra]
        arrived.clear()
        with nginx.connect() as client:
            client.wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.wire.until(b"one").endswith(b"\r\n\r\none")
            arrived.set()
            assert client.wire.exactly(3) == b"two"


@pytest.mark.parametrize(
    "answer, log",
    [
        (
            b"",
            r"upstream prematurely closed connection while reading response header from upstream",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Le", r"upstream prematurely closed connection while reading"),
        (b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", r"upstream sent invalid header"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n",
            r'upstream sent invalid "Content-Length" header: "Content-Length: a"',
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            r'upstream sent duplicate header line: "Content-Length: 1", previous value',
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            r'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time',
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            r'upstream sent unknown "Transfer-Encoding": "gzip"',
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000, r"upstream sent too big header while reading"),
    ],
)
def test_bad_answers(nginx: Nginx, answer: bytes, log: str) -> None:
    nginx.backend("b", answer)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 502 Bad Gateway\n<~ <h1>502 Bad Gateway</h1>")
    nginx.wait_for_log(
        rf"\[error\] .*{log}.*, client: 127\.0\.0\.1, server: , "
        rf'request: "GET / HTTP/1\.1", upstream: "http://127\.0\.0\.1:\d+/", host: "localhost"'
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ],
)
def test_truncated_answers(nginx: Nginx, answer: bytes) -> None:
    """The client can tell: the length is short, or the last chunk is missing."""
    nginx.backend("b", answer)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    got = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"short" in got
    assert not got.endswith(b"0\r\n\r\n")
    nginx.wait_for_log(
        r"\[error\] .* upstream prematurely closed connection while reading upstream"
    )


def test_bad_chunk(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n")
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    got = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert not got.endswith(b"0\r\n\r\n")
    nginx.wait_for_log(r"\[error\] .* upstream sent invalid chunked response")


@pytest.mark.parametrize("answer", [b"just text\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/x"])
def test_http_0_9_answer(nginx: Nginx, answer: bytes) -> None:
    """What has no status line is passed to the client as it is, without one."""
    nginx.backend("b", answer)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    assert nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == answer
    nginx.wait_for_log(r"upstream sent no valid HTTP/1\.0 header while reading response header")


def test_early_hints(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nX-A: 1\r\n\r\n" + OK)
    nginx("""
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /on { early_hints 1; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /by { early_hints $http_sec_fetch_mode; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !Link
        <
        < ok

        > GET /on
        < 103 Early Hints
        < Link: x
        < X-A: 1
        < 200
        < !Link
        <
        < ok

        > GET /by
        < 200

        > GET /by
        > Sec-Fetch-Mode: navigate
        < 103
        < 200
        """)


@pytest.mark.nginx_differs("it takes 100 for a final response and its sequel for the body")
def test_continue_of_upstream(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 200\n<\n< ok")


def test_trailers(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
    )
    nginx("""
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /pass { proxy_pass_trailers on; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /variable {
            proxy_pass_trailers on;
            add_trailer X-Of $upstream_trailer_x_t;
            proxy_pass http://127.0.0.1:%%PORT_b%%;
        }
        """)
    nginx.exchange("""
        > GET /
        < 200
        <+ !X-T
        <
        < ok

        > GET /pass
        < 200
        <+ X-T: 1
        <
        < ok

        > GET /variable
        < 200
        <+ X-T: 1
        <+ X-Of: 1
        <
        < ok
        """)


# Trouble with the connection.


def test_refused(nginx: Nginx) -> None:
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_closed%%/x; }")
    nginx.exchange("> GET /a\n< 502")
    nginx.wait_for_log(
        r"\[error\] .*connect\(\) failed \(111: Connection refused\) while connecting to upstream, "
        r'client: 127\.0\.0\.1, server: , request: "GET /a HTTP/1\.1", '
        r'upstream: "http://127\.0\.0\.1:\d+/xa", host: "localhost"'
    )


def test_reset(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.reset()

    nginx.backend("b", script)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> GET /\n< 502")
    nginx.wait_for_log(
        r"recv\(\) failed \(104: Connection reset by peer\) while reading response header"
    )


def test_read_timeout(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.closed()

    def half(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        peer.closed()

    nginx.backend("b", script, half)
    nginx("""
        proxy_buffering off;
        proxy_read_timeout 1s;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    nginx.exchange("> GET /\n< 504 Gateway Time-out\n<~ <h1>504 Gateway Time-out</h1>")
    timed_out = r"\[error\] .*upstream timed out \(110: \w[\w ]+\) while reading "
    nginx.wait_for_log(timed_out + "response header from upstream, client")
    got = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert got.endswith(b"\r\n\r\nhalf")
    nginx.wait_for_log(timed_out + "upstream, client")


def test_client_leaves(nginx: Nginx) -> None:
    """The upstream's connection is closed with the client's, unless told otherwise."""

    def script(peer: Peer) -> None:
        peer.head()
        assert peer.closed()

    backend = nginx.backend("b", script)
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_until_asked()
    backend.connections(1)
    nginx.wait_for_log(r"\[info\] .*client prematurely closed connection")


def test_ignore_client_abort(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        assert peer.silent(0.3)
        peer.send(OK)

    backend = nginx.backend("b", script)
    nginx("location / { proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_until_asked()
    backend.connections(1)


def test_client_that_closes_its_side_and_is_answered(nginx: Nginx) -> None:
    """Such a connection does not idle until keepalive_timeout: there is nobody to keep it for."""

    def script(peer: Peer) -> None:
        peer.head()
        assert peer.silent(0.3)
        peer.send(OK)

    nginx.backend("b", script)
    nginx(
        """
        keepalive_timeout 1h;
        location / { proxy_ignore_client_abort on; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """
    )
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.wire.socket.shutdown(socket.SHUT_WR)
        answer = client.wire.answer()
        assert answer is not None
        assert answer.status == 200
        assert client.wire.closed()


def test_unix_socket(nginx: Nginx) -> None:
    nginx(
        """
        location / { proxy_pass http://unix:%%DIR%%/b.sock; }
        location /uri/ { proxy_pass http://unix:%%DIR%%/b.sock:/x/; }
        location /upstream { proxy_pass http://u; }
        location /none { proxy_pass http://unix:%%DIR%%/none.sock; }
        """,
        http="upstream u { server unix:%%DIR%%/b.sock; }",
        servers=[
            'listen unix:%%DIR%%/b.sock; return 200 "$request_uri $http_host [$remote_addr]";'
        ],
    )
    nginx.exchange("""
        > GET /a
        < 200
        <
        < /a localhost [unix:]

        > GET /uri/a
        < 200
        <
        < /x/a localhost [unix:]

        > GET /upstream
        < 200
        <
        < /upstream u [unix:]

        > GET /none
        < 502
        """)
    nginx.wait_for_log(
        r"connect\(\) to unix:\S+/none\.sock failed \(2: No such file or directory\) "
        r'while connecting to upstream, .* upstream: "http://unix:\S+/none\.sock:/none"'
    )


def test_variables_in_the_address(nginx: Nginx) -> None:
    nginx(
        """
        location /port { proxy_pass http://127.0.0.1:$arg_port; }
        location /upstream { set $u named; proxy_pass http://$u/x; }
        location /scheme { set $s http; proxy_pass $s://named; }
        location /bad { proxy_pass http://$arg_none; }
        location /name { proxy_pass http://$arg_name; }
        """,
        http="upstream named { server 127.0.0.1:%%PORT_b%%; }",
        servers=[ECHO],
    )
    nginx.exchange("""
        > GET /port?port=%%PORT_b%%
        < 200
        <
        < GET /port?port=%%PORT_b%%

        > GET /upstream
        < 200
        <
        < GET /x

        > GET /scheme
        < 200
        <
        < GET /scheme

        > GET /bad
        < 500

        > GET /name?name=nowhere.invalid
        < 502
        """)
    nginx.wait_for_log(r"\[error\] .*no resolver defined to resolve nowhere\.invalid, client")
    nginx.wait_for_log(r'\[error\] .*invalid URL prefix in "http://", client')


# Upgrade.


def websocket(peer: Peer) -> None:
    """Accepts the upgrade and sends back what comes."""
    head = peer.head()
    assert "Upgrade: websocket\r\n" in head and "Connection: upgrade\r\n" in head
    peer.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    while not peer.closed():
        peer.send(peer.until(b"\n").upper())


UPGRADE = """
    location / {
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_read_timeout 1s;
        proxy_pass http://127.0.0.1:%%PORT_b%%;
    }
"""


def test_upgrade(nginx: Nginx) -> None:
    backend = nginx.backend("b", websocket)
    nginx(UPGRADE)
    with nginx.connect() as client:
        client.exchange("""
            > GET /chat
            > Upgrade: websocket
            > Connection: Upgrade
            < HTTP/1.1 101 Switching Protocols
            < Upgrade: websocket
            < Connection: upgrade
            < !Content-Length
            < !Transfer-Encoding
            """)
        for _ in range(3):
            client.wire.send(b"hello\n")
            assert client.wire.until(b"\n") == b"HELLO\n"
    assert backend.connections(1)[0].endswith("hello\nhello\nhello\n")


def test_bytes_of_an_upgraded_connection_are_counted(nginx: Nginx) -> None:
    backend = nginx.backend("b", websocket)
    nginx(
        "access_log logs/access.log f;" + UPGRADE,
        http="""
        log_format f "$upstream_bytes_sent $upstream_bytes_received $bytes_sent $body_bytes_sent";
        """,
    )
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        )
        answer = client.wire.answer()
        assert answer
        for _ in range(3):
            client.wire.send(b"hello\n")
            assert client.wire.until(b"\n") == b"HELLO\n"
    request = backend.connections(1)[0]
    (line,) = nginx.access_log(1)
    sent, received, to_client, body = map(int, line.split())
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    assert (sent, received) == (len(request), len(head) + 18)
    assert (to_client > 18, body) == (True, 18)


def test_upgrades_that_an_upstream_offers(nginx: Nginx) -> None:
    """They are for clients of HTTP/1 alone."""

    def upgrade(peer: Peer) -> None:
        status = "426 Upgrade Required" if "/426" in peer.head() else "200 OK"
        head = f"HTTP/1.1 {status}\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"
        peer.send(head.encode())

    nginx.backend("b", upgrade)
    nginx("http2 on; location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    offers = """
        > GET /426
        < 426
        < Upgrade: websocket

        > GET /200
        < 200
        < Upgrade: websocket
        """
    nginx.exchange(offers)
    with nginx.http2() as client:
        client.exchange(offers.replace("< Upgrade: websocket", "< !Upgrade"))


def test_upgrade_with_early_data(nginx: Nginx) -> None:
    nginx.backend("b", websocket)
    nginx(UPGRADE)
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nearly\n"
        )
        answer = client.wire.answer()
        assert answer
        assert answer.status == 101
        assert client.wire.until(b"\n") == b"EARLY\n"


def test_upgrade_with_more_early_data_than_is_read_ahead(nginx: Nginx) -> None:
    size = 600_000

    def script(peer: Peer) -> None:
        peer.head()
        assert peer.silent(0.3)  # the client sends, until nothing more is read
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        peer.exactly(size)
        peer.send(b"all\n")

    nginx.backend("b", script)
    nginx(UPGRADE)
    with nginx.connect() as client:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        sender = threading.Thread(target=client.wire.send, args=[head + bytes(size)], daemon=True)
        sender.start()
        answer = client.wire.answer()
        assert answer is not None
        assert answer.status == 101
        assert client.wire.until(b"\n") == b"all\n"
        sender.join(DEADLINE)


@pytest.mark.parametrize("leave", ["closes its side", "is gone"])
def test_upgrade_after_the_client_has_left(nginx: Nginx, leave: str) -> None:
    """The tunnel ends with what has come from it; it does not wait for proxy_read_timeout."""
    left = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        assert left.wait(DEADLINE)
        assert peer.silent(0.3)
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        assert peer.rest() == b"abc"

    backend = nginx.backend("b", script)
    nginx(UPGRADE.replace("1s", "1h"), http="proxy_ignore_client_abort on;")
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc"
        )
        backend.wait_until_asked()
        if leave == "is gone":
            client.wire.close()
        else:
            client.wire.socket.shutdown(socket.SHUT_WR)
        left.set()
        backend.connections(1)


def test_upgrade_times_out(nginx: Nginx) -> None:
    nginx.backend("b", websocket)
    nginx(UPGRADE)
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: x\r\n\r\n"
        )
        client.wire.until(b"\r\n\r\n")
        assert client.wire.closed()


def test_upgrade_refused(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno")
    nginx(UPGRADE)
    nginx.exchange("> GET /\n> Upgrade: websocket\n< 426\n<\n< no")


# Variables.


def test_variables(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/access.log v;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%/up/; }
        """,
        http="""
        log_format v "$proxy_host|$proxy_port|$upstream_addr|$upstream_status|"
                     "$upstream_response_length|$upstream_bytes_sent|$upstream_bytes_received|"
                     "$upstream_http_x_up|$upstream_cookie_c|$upstream_cache_status|"
                     "$upstream_response_time|$upstream_header_time|$upstream_connect_time";
        """,
    )
    nginx.backend(
        "b", b"HTTP/1.1 201 X\r\nX-Up: 1\r\nSet-Cookie: c=2; path=/\r\nContent-Length: 2\r\n\r\nok"
    )
    nginx.exchange("> GET /a\n< 201")
    port = nginx.port("b")
    (line,) = nginx.access_log(1)
    told = line.split("|")
    assert told[:5] == [f"127.0.0.1:{port}", str(port), f"127.0.0.1:{port}", "201", "2"]
    assert told[5] == str(len(f"GET /up/a HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"))
    assert told[6] == "73"
    assert told[7:10] == ["1", "2", "-"]
    assert all(re.fullmatch(r"\d+\.\d{3}", t) for t in told[10:]), told


def test_a_flood_of_interim_answers_ends(nginx: Nginx) -> None:
    """Upstreams send few of them; other requests wait while they are read."""

    def flood(peer: Peer) -> None:
        peer.request()
        for _ in range(20_000):
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    nginx.backend("b", flood)
    nginx("proxy_read_timeout 1s; location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    assert nginx.request("GET /").status in (502, 504)


@pytest.mark.parametrize("status", ["000", "099"])
def test_odd_status_is_final(nginx: Nginx, status: str) -> None:
    nginx.backend("b", f"HTTP/1.1 {status} Odd\r\nContent-Length: 2\r\n\r\nok".encode())
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    got = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert got.startswith(f"HTTP/1.1 {status} Odd\r\n".encode()) and got.endswith(b"\r\n\r\nok")


def test_what_is_not_http_is_never_kept(nginx: Nginx) -> None:
    upstream = nginx.backend("b", b"just text")
    nginx(
        """
        proxy_cache one; proxy_cache_key $uri; proxy_cache_valid 200 10m;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        http="proxy_cache_path %%DIR%%/cache keys_zone=one:1m;",
    )
    for _ in range(2):
        nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    upstream.connections(2)


@pytest.mark.nginx_differs("it sends what the variable holds")
def test_a_line_break_in_a_field_is_not_sent(nginx: Nginx) -> None:
    upstream = nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    nginx("""
        location /field { proxy_set_header X-Uri $uri; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /uri { set $u $uri; proxy_pass http://127.0.0.1:%%PORT_b%%$u; }
        location /answer { add_header X-Uri $uri; return 302 http://x$uri; }
        """)
    assert nginx.request("GET /field%0d%0aX-Admin:%201").status == 500
    assert nginx.request("GET /uri%0d%0aX-Admin:%201").status == 500
    assert upstream.accepted == 0
    answer = nginx.request("GET /answer%0d%0aX-Admin:%201")
    assert answer.get("X-Admin") is None
    assert answer.get("X-Uri") == "/answer  X-Admin: 1"


@pytest.mark.parametrize("size, kept", [(8191, True), (10239, True), (12288, False)])
def test_request_body_up_to_a_quarter_above_the_buffer(nginx: Nginx, size: int, kept: bool) -> None:
    nginx(
        """
        client_body_buffer_size 8k;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; add_header X-Body $request_body; }
        """,
        http="large_client_header_buffers 4 32k;",
    )
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with nginx.connect() as client:
        client.wire.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        client.wire.send(b"x" * size)
        answer = client.wire.answer("POST")
    assert answer and (len(answer.get("X-Body") or "") == size) == kept


BAD_CHUNK = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_bad_chunk_of_a_request(nginx: Nginx, buffering: str) -> None:
    """It is refused with the page for it before an upstream hears of the request."""
    upstream = nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    nginx(f"""
        proxy_request_buffering {buffering};
        error_page 400 /bad;
        location = /bad {{ return 200 "bad it was"; }}
        location / {{ proxy_pass http://127.0.0.1:%%PORT_b%%; }}
        """)
    got = nginx.raw(BAD_CHUNK)
    assert got.startswith(b"HTTP/1.1 400 ") and got.endswith(b"bad it was")
    assert upstream.accepted == 0
