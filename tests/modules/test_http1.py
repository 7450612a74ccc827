"""HTTP/1 towards the client, to the byte."""

from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from ..backend import Peer
from ..nginx import Nginx

CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    """Answers with what it understood; sends a request body on to a second server."""
    module_nginx(
        """
        client_header_buffer_size 512;
        large_client_header_buffers 2 1k;
        client_max_body_size 1m;
        lingering_timeout 100ms;
        location / { return 200 "$request_method $uri $server_protocol"; }
        location /up { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /stream { proxy_request_buffering off; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /host { return 200 "[$host][$http_host]"; }
        location /both {
            add_header X-Upstream $upstream_http_x_own;
            add_header X-Own $sent_http_x_own;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /field { return 200 "[$http_x_a][$http_x_b][$http_x_c]"; }
        location /no-chunks { chunked_transfer_encoding off; add_trailer X ""; return 200 text; }
        """,
        http="""
        server {
            listen 127.0.0.1:%%PORT_up%%;
            location / {
                proxy_pass http://127.0.0.1:%%PORT_up%%/sink;
                proxy_set_body $request_body;
            }
            location /sink { return 200 "$content_length"; }
            location /both { add_header X-Own 1; add_header X_Own 2; return 204; }
        }
        server {
            listen 127.0.0.1:%%PORT_lax%%;
            ignore_invalid_headers off;
            underscores_in_headers on;
            return 200 "[$http_x_a][$http_x_b][$http_x_c]";
        }
        """,
    )
    return module_nginx


def answered(site: Nginx, request: bytes, port: str = "") -> tuple[int, str]:
    """The status of the first answer and the text after its head."""
    head, _, body = site.raw(request, port).partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    return int(status[1]) if status else 0, body.decode("latin-1")


# The connection.


def test_keepalive(site: Nginx) -> None:
    with site.connect() as client:
        client.exchange("""
            > GET /1
            < HTTP/1.1 200 OK
            < Connection: keep-alive
            <
            < GET /1 HTTP/1.1

            > HEAD /2
            < 200
            < Connection: keep-alive
            <

            > POST /3
            >
            > a body
            < 200

            > GET /4
            > Connection: close
            < 200
            < Connection: close
            """)
        assert client.wire.closed()


def test_keepalive_of_http_1_0(site: Nginx) -> None:
    with site.connect() as client:
        client.exchange("""
            > GET /1 HTTP/1.0
            > Connection: keep-alive
            < HTTP/1.1 200 OK
            < Connection: keep-alive
            < Content-Length: 15
            <
            < GET /1 HTTP/1.0

            > GET /2 HTTP/1.0
            < 200
            < Connection: close
            """)
        assert client.wire.closed()


@pytest.mark.parametrize(
    "value, kept",
    [("close", False), ("Close", False), ("a, close", False), ("keep-alive", True), ("x", True)],
)
def test_connection_field(site: Nginx, value: str, kept: bool) -> None:
    with site.connect() as client:
        client.wire.send(f"GET / HTTP/1.1\r\nHost: x\r\nConnection: {value}\r\n\r\n".encode())
        answer = client.wire.answer()
        assert answer
        assert answer.get("Connection") == ("keep-alive" if kept else "close")


def test_pipelining(site: Nginx) -> None:
    one = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
    with site.connect() as client:
        client.wire.send(b"".join(one % n for n in range(20)))
        for n in range(20):
            answer = client.wire.answer()
            assert answer
            assert answer.text == f"GET /{n} HTTP/1.1"


def test_pipelining_with_bodies(site: Nginx) -> None:
    with site.connect() as client:
        client.wire.send(
            b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2\r\nde\r\n0\r\n\r\n"
            b"POST /ignored HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nGET "
            b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        texts = [client.wire.answer() for _ in range(4)]
        assert [a and a.text for a in texts] == [
            "3",
            "2",
            "POST /ignored HTTP/1.1",
            "GET /last HTTP/1.1",
        ]


def test_byte_by_byte(site: Nginx) -> None:
    request = (
        b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    with site.connect() as client:
        for byte in request:
            client.wire.send(bytes([byte]))
            time.sleep(0.001)
        answer = client.wire.answer()
        assert answer
        assert answer.text == "3"


def test_empty_lines_before_a_request(site: Nginx) -> None:
    assert answered(site, b"\r\n\n\r\nGET / HTTP/1.1\r\nHost: x\r\n" + CLOSE)[0] == 200


def test_nothing_sent(site: Nginx) -> None:
    with site.connect() as client:
        client.wire.socket.shutdown(1)
        assert client.wire.closed()


def test_half_a_request(site: Nginx) -> None:
    with site.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHos")
        client.wire.socket.shutdown(1)
        assert client.wire.rest() == b""
    site.wait_for_log(
        r"\[info\] .*client prematurely closed connection while reading client request h"
    )


def test_keepalive_requests(nginx: Nginx) -> None:
    nginx("keepalive_requests 3; location / { return 200 $connection_requests; }")
    with nginx.connect() as client:
        client.exchange("""
            > GET /
            < 200
            < Connection: keep-alive
            <
            < 1

            > GET /
            < 200
            < Connection: keep-alive
            <
            < 2

            > GET /
            < 200
            < Connection: close
            <
            < 3
            """)
        assert client.wire.closed()


def test_keepalive_settings(nginx: Nginx) -> None:
    nginx("""
        location / { return 200 x; }
        location /never { keepalive_timeout 0; return 200 x; }
        location /told { keepalive_timeout 65 20; return 200 x; }
        location /short { keepalive_timeout 150ms; return 200 x; }
        location /time { keepalive_time 1ms; return 200 x; }
        """)
    with nginx.connect() as client:
        client.exchange("> GET /told\n< 200\n< Connection: keep-alive\n< Keep-Alive: timeout=20")
        client.exchange("> GET /\n< 200\n< !Keep-Alive")
        before = time.monotonic()
        client.exchange("> GET /short\n< 200\n< Connection: keep-alive")
        assert client.wire.closed()
        assert time.monotonic() - before > 0.1
    with nginx.connect() as client:
        client.exchange("> GET /never\n< 200\n< Connection: close")
        assert client.wire.closed()
    with nginx.connect() as client:
        client.exchange("> GET /\n< 200")
        time.sleep(0.05)
        client.exchange("> GET /time\n< 200\n< Connection: close")


def test_keepalive_disable(nginx: Nginx) -> None:
    nginx("""
        location / { return 200 x; }
        location /none { keepalive_disable none; return 200 x; }
        """)
    agent = "> User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)"
    with nginx.connect() as client:
        client.exchange(f"> POST /none\n{agent}\n< 200\n< Connection: keep-alive")
        client.exchange(f"> GET /\n{agent}\n< 200\n< Connection: keep-alive")
        client.exchange(f"> POST /\n{agent}\n< 200\n< Connection: close")


# The request line.


@pytest.mark.parametrize(
    "line, status",
    [
        (b"GET / HTTP/1.1\r\n", 200),
        (b"GET / HTTP/1.1\n", 200),
        (b"GET  /  HTTP/1.1\r\n", 200),
        (b"GET / HTTP/1.1  \r\n", 200),
        (b"GET / HTTP/1.2\r\n", 200),
        (b"GET / HTTP/1.9\r\n", 200),
        (b"GET / HTTP/1.01\r\n", 200),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"GET / HTTP/3.1\r\n", 505),
        (b"GET / HTTP/0.9\r\n", 400),
        (b"GET / HTTP/1.\r\n", 400),
        (b"GET / HTTP/.1\r\n", 400),
        (b"GET / HTTP/a.1\r\n", 400),
        (b"GET / http/1.1\r\n", 400),
        (b"GET / HTTQ/1.1\r\n", 400),
        (b"GET / HTTP/1.1x\r\n", 400),
        (b"GET / HTTP/1.1000\r\n", 400),
        (b"GET / x HTTP/1.1\r\n", 400),
        (b"get / HTTP/1.1\r\n", 400),
        (b"G-T / HTTP/1.1\r\n", 200),
        (b"G_T / HTTP/1.1\r\n", 200),
        (b"G1 / HTTP/1.1\r\n", 400),
        (b"\tGET / HTTP/1.1\r\n", 400),
        (b" GET / HTTP/1.1\r\n", 400),
        (b"GET\t/ HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\r\n", 400),
        (b"/ HTTP/1.1\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\n", 405),
        (b"TRACE / HTTP/1.1\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\n", 400),
    ],
)
def test_request_line(site: Nginx, line: bytes, status: int) -> None:
    assert answered(site, line + b"Host: x\r\n" + CLOSE)[0] == status


def test_http_0_9(site: Nginx) -> None:
    assert site.raw(b"GET /a\r\n") == b"GET /a "
    assert site.raw(b"GET /a\n") == b"GET /a "
    assert site.raw(b"GET /a \r\n") == b"GET /a "
    assert b"400 Bad Request" in site.raw(b"POST /a\r\n")


def test_bad_request_closes(site: Nginx) -> None:
    with site.connect() as client:
        client.exchange("""
            > GET /a%zz
            < HTTP/1.1 400 Bad Request
            < Connection: close
            < Content-Type: text/html
            <~ <h1>400 Bad Request</h1>
            """)
        assert client.wire.closed()


def test_bad_request_page(nginx: Nginx) -> None:
    nginx("error_page 400 =200 /page; location = /page { return 200 page; }")
    nginx.exchange("> GET /%\n< 200\n< Connection: close\n<\n< page")
    nginx.exchange("> GET /\n> !Host\n< 200\n< Connection: close\n<\n< page")


# The header.


@pytest.mark.parametrize(
    "fields, status",
    [
        (b"", 400),
        (b"Host:\r\n", 400),
        (b"Host: x\r\nHost: x\r\n", 400),
        (b"Host: x\r\nHost: y\r\n", 400),
        (b"Host: x y\r\n", 400),
        (b"Host: x/y\r\n", 400),
        (b"Host: x\x01\r\n", 400),
        (b"Host: x..y\r\n", 400),
        (b"Host: .x\r\n", 200),
        (b"Host: x:\r\n", 200),
        (b"Host: x:y\r\n", 400),
        (b"Host: x:80:80\r\n", 400),
        (b"Host: [::1]\r\n", 200),
        (b"Host: [::1]:80\r\n", 200),
        (b"Host: [::1\r\n", 400),
        (b"Host: \xc3\xa9\r\n", 400),
        (b"Host: a_b\r\n", 200),
        (b"host: x\r\n", 200),
        (b"HOST:x\r\n", 200),
        (b"Host: x\nX-A: 1\n", 200),
        (b"Host: x\r\n folded\r\n", 400),
        (b"Host: x\r\nX-A: 1\r\n folded\r\n", 400),
        (b"Host: x\r\nX-A: 1\r\n\tfolded\r\n", 400),
        (b"Host: x\r\nX-A : 1\r\n", 400),
        (b"Host: x\r\nno-colon\r\n", 200),
        (b"Host: x\r\n: no name\r\n", 400),
        (b"Host: x\r\nX-A: a\x00b\r\n", 400),
        (b"Host: x\r\nX-A: a\rb\r\n", 400),
        (b"Host: x\r\nX A: 1\r\n", 400),
        (b"Host: x\r\nX\x01A: 1\r\n", 400),
        (b"Host: x\r\nX(A): 1\r\n", 200),
        (b"Host: x\r\nX\xe9: 1\r\n", 200),
        (b"Host: x\r\nX-A: \xe9\x01\x7f\r\n", 200),
        (b"Host: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 400),
        (b"Host: x\r\nContent-Length: -1\r\n", 400),
        (b"Host: x\r\nContent-Length: +1\r\n", 400),
        (b"Host: x\r\nContent-Length: 0x1\r\n", 400),
        (b"Host: x\r\nContent-Length: 1,1\r\n", 400),
        (b"Host: x\r\nContent-Length:\r\n", 400),
        (b"Host: x\r\nContent-Length: 99999999999999999999\r\n", 400),
        (b"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        (b"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Host: x\r\nTransfer-Encoding: identity\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding: chunked, chunked\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding: xchunked\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding: \x0bchunked\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding:\r\n", 501),
        (b"Host: x\r\nTransfer-Encoding : chunked\r\n", 400),
        (b"Host: x\r\nTransfer_Encoding: chunked\r\n", 200),
        (b"Host: x\r\nIf-Modified-Since: a\r\nIf-Modified-Since: b\r\n", 400),
        (b"Host: x\r\nAuthorization: a\r\nAuthorization: b\r\n", 400),
        (b"Host: x\r\nCookie: a\r\nCookie: b\r\n", 200),
        (b"Host: x\r\nX-Forwarded-For: a\r\nX-Forwarded-For: b\r\n", 200),
    ],
)
def test_fields(site: Nginx, fields: bytes, status: int) -> None:
    assert answered(site, b"GET / HTTP/1.1\r\n" + fields + CLOSE)[0] == status


def test_http_1_0_needs_no_host_and_has_no_chunks(site: Nginx) -> None:
    assert answered(site, b"GET / HTTP/1.0\r\n\r\n")[0] == 200
    assert (
        answered(site, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")[0] == 400
    )


@pytest.mark.parametrize(
    "host, told",
    [
        ("Example.ORG", "[example.org][Example.ORG]"),
        ("example.org:81", "[example.org][example.org:81]"),
        ("example.org.", "[example.org][example.org.]"),
        ("[::1]:81", "[[::1]][[::1]:81]"),
        ("  spaced  ", "[spaced][spaced]"),
    ],
)
def test_host(site: Nginx, host: str, told: str) -> None:
    site.exchange(f"> GET /host\n> Host: {host}\n< 200\n<\n< {told}")


def test_host_of_the_request_line(site: Nginx) -> None:
    site.exchange("""
        > GET http://LINE:1/host
        > Host: field
        < 200
        <
        < [line][field]
        """)
    assert answered(site, b"GET http://line/host HTTP/1.1\r\n" + CLOSE)[0] == 400


def test_invalid_names(site: Nginx) -> None:
    """Fields with odd names are dropped, unless the server takes them."""
    request = b"GET /field HTTP/1.1\r\nHost: x\r\nX_A: 1\r\nX.B: 2\r\nX-C: 3\r\n" + CLOSE
    assert answered(site, request) == (200, "[][][3]")
    assert answered(site, request.replace(b"X.B", b"X_B"), "lax") == (200, "[1][2][3]")


def test_a_variable_means_fields_with_dashes_and_with_underscores(site: Nginx) -> None:
    """In requests, and in the responses that an upstream or a directive makes."""
    fields = b"X-A: 1\r\nX_A: 2\r\nX-B: \r\nX_B: 3\r\n"
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n"
    assert answered(site, request, "lax") == (200, "[1, 2][, 3][]")
    head = site.raw(b"GET /both HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"\r\nX-Own: 1, 2\r\n" in head
    assert b"\r\nX-Upstream: 1, 2\r\n" in head
    site.wait_for_log(r'\[info\] .*client sent invalid header line: "X_A: 1" while reading client')


def test_values(site: Nginx) -> None:
    request = (
        b"GET /field HTTP/1.1\r\nHost: x\r\nX-A:  two  words \t \r\nX-B:\r\nX-C: 1\r\nx-c: 2\r\n"
        + CLOSE
    )
    status, body = answered(site, request)
    assert (status, body.rstrip("]").split("][")) == (200, ["[two  words \t", "", "1, 2"])


def test_limits(site: Nginx) -> None:
    def line(size: int) -> bytes:
        return b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE

    def field(size: int, count: int = 1) -> bytes:
        fields = (b"X-A: " + b"a" * size + b"\r\n") * count
        return b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + CLOSE

    assert answered(site, line(400))[0] == 200
    assert answered(site, line(900))[0] == 200
    assert answered(site, line(1100))[0] == 414
    assert answered(site, field(900))[0] == 200
    assert answered(site, field(1100))[0] == 400
    assert answered(site, field(800, 3))[0] == 400
    _, body = answered(site, field(1100))
    assert "<h1>400 Bad Request</h1>" in body
    assert "Request Header Or Cookie Too Large" in body
    site.wait_for_log(r"\[info\] .*client sent too long URI while reading client request line")
    site.wait_for_log(r'\[info\] .*client sent too long header line: "X-A: a+\.\.\." while reading')


def test_limits_have_pages(nginx: Nginx) -> None:
    nginx("""
        large_client_header_buffers 1 1k;
        error_page 494 =431 /431;
        error_page 414 /414;
        location = /431 { return 200 431; }
        location = /414 { return 200 414; }
        """)
    nginx.exchange(f"> GET /\n> X: {'x' * 2000}\n< 431\n<\n< 431")
    nginx.exchange(f"> GET /{'x' * 2000}\n< 414\n<\n< 414")


def test_max_headers(nginx: Nginx) -> None:
    nginx("max_headers 5; return 200;")
    few = [f"X-{n}: {n}" for n in range(3)]
    assert nginx.request("GET /", *few).status == 200
    assert nginx.request("GET /", *few, "X-More: 1").status == 400


# The request body.


@pytest.mark.parametrize("path", ["/up", "/stream"])
@pytest.mark.parametrize(
    "body, status, told",
    [
        (b"3\r\nabc\r\n0\r\n\r\n", 200, "3"),
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, "5"),
        (b"0\r\n\r\n", 200, None),
        (b"A\r\n0123456789\r\n0\r\n\r\n", 200, "10"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", 200, "10"),
        (b"0003\r\nabc\r\n000\r\n\r\n", 200, "3"),
        (b"3;ext=1\r\nabc\r\n0;x\r\n\r\n", 200, "3"),
        (b"3 \r\nabc\r\n0\r\n\r\n", 200, "3"),
        (b"3\nabc\n0\n\n", 400, None),
        (b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, "3"),
        (b"x\r\nabc\r\n0\r\n\r\n", 400, None),
        (b"\r\nabc\r\n0\r\n\r\n", 400, None),
        (b"-1\r\nabc\r\n0\r\n\r\n", 400, None),
        (b"+3\r\nabc\r\n0\r\n\r\n", 400, None),
        (b"0x3\r\nabc\r\n0\r\n\r\n", 400, None),
        (b" 3\r\nabc\r\n0\r\n\r\n", 400, None),
        (b"3\r\nabcd\r\n0\r\n\r\n", 400, None),
        (b"3\r\nabcXX0\r\n\r\n", 400, None),
        (b"fffffffffffffffff\r\nabc", 400, None),
        (b"7fffffffffffffff\r\nabc", 400, None),
    ],
)
def test_chunked_body(site: Nginx, path: str, body: bytes, status: int, told: str | None) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    got, text = answered(site, head.encode() + CLOSE + body)
    if path == "/stream" and status == 400:
        assert got in (400, 502)
    else:
        assert got == status
    if told is not None and got == 200:
        assert text == told


def test_expect_continue(site: Nginx) -> None:
    with site.connect() as client:
        client.wire.send(
            b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.wire.until(b"\r\n\r\n", 3) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.wire.send(b"abc")
        answer = client.wire.answer()
        assert answer
        assert answer.text == "3"


@pytest.mark.parametrize(
    "request_head",
    [
        b"POST /up HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: other\r\n"
        b"Connection: close\r\n\r\nabc",
    ],
)
def test_nothing_to_continue(site: Nginx, request_head: bytes) -> None:
    assert b"100 Continue" not in site.raw(request_head)


def test_expect_continue_refused(site: Nginx) -> None:
    """A body too big is refused before it is asked for."""
    with site.connect() as client:
        client.wire.send(
            b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        answer = client.wire.answer()
        assert answer
        assert (answer.status, answer.interim) == (413, ())


def test_body_is_discarded(nginx: Nginx) -> None:
    """A body nobody wants is read, however big, and the connection stays."""
    nginx("client_max_body_size 0; return 200 x;")
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n")
        first = client.wire.answer()
        client.wire.send(b"x" * 3_000_000 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        second = client.wire.answer()
        assert first and second
        assert second.status == 200


@pytest.mark.parametrize("path", ["/return", "/file", "/refused"])
def test_a_body_that_came_with_its_head_does_not_stop_the_next_request(
    nginx: Nginx, path: str
) -> None:
    """It is more than is kept for those who might read it, and nobody does."""
    nginx(
        """
        client_max_body_size 0; keepalive_requests 1000;
        location /return { return 200; }
        location /file { root html; }
        location /refused { deny all; }
        """,
        files={"html/file": ""},
    )
    body = b"x" * 150_000
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with nginx.connect() as client:
        for _ in range(40):
            client.wire.send(head % (path.encode(), len(body)) + body)
            assert client.wire.answer()


def test_a_large_body_behind_other_requests(nginx: Nginx) -> None:
    """What comes while a request is served is held back, but not from the next one."""
    nginx(
        """
        client_max_body_size 0; client_body_timeout 2s;
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """,
        servers=["listen 127.0.0.1:%%PORT_b%%; client_max_body_size 0; return 200;"],
    )
    body = b"x" * 400_000
    framings = (
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    )
    for framing in framings:
        with nginx.connect() as client:
            request = b"POST / HTTP/1.1\r\nHost: x\r\n" + framing
            sender = threading.Thread(target=client.wire.send, args=(request * 5,))
            sender.start()
            for _ in range(5):
                answer = client.wire.answer()
                assert answer and answer.status == 200
            sender.join()


def test_a_worker_that_quits_waits_for_the_rest_of_a_body_only(nginx: Nginx) -> None:
    nginx("client_max_body_size 0; return 200 old;")
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert client.wire.answer()
        nginx.reload("return 200 new;")
        assert client.wire.silent(0.2)
        client.wire.send(b"x" * 100_000)
        assert client.wire.closed()


# Time.


def test_header_timeout(nginx: Nginx) -> None:
    nginx("client_header_timeout 200ms; return 200;")
    with nginx.connect() as client:
        client.wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert client.wire.rest() == b""
    with nginx.connect() as client:
        assert client.wire.rest() == b""
    with nginx.connect() as client:
        client.wire.send(b"\r\n")  # with the connection, most likely; it is no head
        assert client.wire.rest() == b""
    nginx.wait_for_log(
        r"\[info\] .*client timed out \(110: [\w ]+\) while reading client request head"
    )


def test_body_timeout(nginx: Nginx) -> None:
    nginx(
        """
        client_body_timeout 200ms;
        access_log logs/access.log status;
        location / { proxy_pass http://127.0.0.1:%%PORT_none%%; }
        """,
        http="log_format status $status;",
    )
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
        assert client.wire.rest() == b""
    assert nginx.access_log(1) == ["408"]


def test_send_timeout(nginx: Nginx) -> None:
    """A client that does not read loses its connection."""
    nginx("send_timeout 200ms;", files={"html/big": b"x" * 20_000_000})
    with nginx.connect() as client:
        client.wire.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        nginx.wait_for_log(
            r"\[info\] .*client timed out \(110: [\w ]+\) while sending response to cli"
        )
        assert len(client.wire.rest()) < 20_000_000


def test_slow_reader(nginx: Nginx) -> None:
    nginx("", files={"html/big": bytes(range(256)) * 20_000})
    with nginx.connect() as client:
        client.wire.send(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            client.wire.exactly(20_000)
            time.sleep(0.005)
        assert client.wire.rest().endswith(bytes(range(256)))


def test_lingering_close(nginx: Nginx) -> None:
    """The refusal arrives though the client goes on sending."""
    nginx("client_max_body_size 10; location / { proxy_pass http://127.0.0.1:%%PORT_none%%; }")
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        for _ in range(50):
            client.wire.send(b"x" * 10_000)
        answer = client.wire.answer()
        assert answer
        assert answer.status == 413


def test_reset_timedout_connection(nginx: Nginx) -> None:
    nginx("""
        location /444 { reset_timedout_connection on; return 444; }
        location / { return 444; }
        """)
    for path, reset in (("/444", True), ("/", False)):
        with nginx.connect() as client:
            client.wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.wire.rest() == b""
            assert client.wire.was_reset == reset


# The answer.


def test_chunked_answer(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 200 OK\r\n\r\nunknown length")
    nginx("""
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /off { chunked_transfer_encoding off; proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < Transfer-Encoding: chunked
        < !Content-Length
        <
        < unknown length

        > HEAD /
        < 200
        < !Content-Length
        <

        > GET / HTTP/1.0
        < 200
        < !Transfer-Encoding
        < Connection: close
        <
        < unknown length

        > GET / HTTP/1.0
        > Connection: keep-alive
        < 200
        < !Transfer-Encoding
        < Connection: close
        <
        < unknown length

        > GET /off
        < 200
        < !Transfer-Encoding
        < Connection: close
        <
        < unknown length
        """)
    with nginx.connect() as client:
        client.exchange("> GET /off\n< 200\n< Connection: close")


def test_answers_keep_their_order(nginx: Nginx) -> None:
    """A slow answer is not overtaken by a quick one."""

    def slow(peer: Peer) -> None:
        peer.request()
        assert peer.silent(0.2)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")

    nginx.backend("b", slow)
    nginx("""
        location / { return 200 quick; }
        location /slow { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    with nginx.connect() as client:
        client.wire.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [client.wire.answer(), client.wire.answer()]
        assert [a and a.text for a in answers] == ["slow", "quick"]


def test_repeated_heads_are_told_apart(nginx: Nginx) -> None:
    """A client that repeats itself, nearly: each request of a connection counts for itself."""
    nginx('return 200 "$uri $args [$http_x_a] [$http_authorization] $host";')
    lines = "Host: a\r\nX-A: 1\r\nAuthorization: Bearer one\r\n\r\n"
    requests = [
        ("GET /a?b HTTP/1.1\r\n", lines, "/a b [1] [Bearer one] a"),
        ("GET /a?b HTTP/1.1\r\n", lines, "/a b [1] [Bearer one] a"),
        ("GET /c%20d HTTP/1.1\r\n", lines, "/c d  [1] [Bearer one] a"),
        ("GET /c HTTP/1.1\r\n", lines.replace("one", "two"), "/c  [1] [Bearer two] a"),
        ("GET /c HTTP/1.1\r\n", lines, "/c  [1] [Bearer one] a"),
        ("GET http://b/c HTTP/1.1\r\n", lines, "/c  [1] [Bearer one] b"),
        ("GET /c HTTP/1.1\r\n", lines, "/c  [1] [Bearer one] a"),
        ("GET /c HTTP/1.1\r\n", "Host: a\r\n\r\n", "/c  [] [] a"),
        ("GET /d HTTP/1.1\r\n", "Host: a\r\n\r\n", "/d  [] [] a"),
    ]
    with nginx.connect() as client:
        for line, rest, body in requests:
            client.wire.send((line + rest).encode())
            answer = client.wire.answer()
            assert answer and answer.body.decode() == body


# What an attacker sends.


OK_AND_CLOSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
REFUSED = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("empty", [b"", b"\r\n", b"\n", b"\r\n" * 14, b"\n\r\r\n"])
def test_empty_lines_before_a_request_shift_nothing(nginx: Nginx, empty: bytes) -> None:
    """The body begins behind its head, and the next request behind the body."""
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    upstream = nginx.backend("b", OK_AND_CLOSE)
    post = b"POST /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
    last = (
        b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Line: GET /hidden HTTP/1.0\r\n\r\n"
    )
    got = nginx.raw(empty + post % b"a" + empty + post % b"b" + empty + last)
    assert got.count(b"HTTP/1.1 200 OK") == 3 == got.count(b"HTTP/1.1")
    first, second, third = upstream.connections(3)
    assert first.startswith("POST /a ") and first.endswith("\r\n\r\n0123456789")
    assert second.startswith("POST /b ") and second.endswith("\r\n\r\n0123456789")
    assert third.startswith("GET /c ") and third.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    "refused", [REFUSED, b"TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n"]
)
def test_an_error_page_announces_no_body_it_does_not_send(nginx: Nginx, refused: bytes) -> None:
    """Otherwise the next request on the upstream's connection would be read as that body."""
    nginx("""
        error_page 400 405 @errors;
        location @errors { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    upstream = nginx.backend("b", OK_AND_CLOSE)
    nginx.raw(refused + b"0123456")
    head, _, body = upstream.connections(1)[0].partition("\r\n\r\n")
    assert ("Content-Length: 7" in head) == bool(body)


def test_an_error_page_gets_no_body_that_is_too_large(nginx: Nginx) -> None:
    nginx("""
        client_max_body_size 3;
        error_page 413 /too-large;
        location = /too-large { return 200 "sorry"; }
        """)
    got = nginx.raw(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n1234567")
    assert got.startswith(b"HTTP/1.1 413 ") and got.endswith(b"sorry")


def test_the_empty_body_of_a_repeated_request_is_announced(nginx: Nginx) -> None:
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    upstream = nginx.backend("b", OK_AND_CLOSE)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    with nginx.connect() as client:
        for _ in range(3):
            client.wire.send(post)
            assert client.wire.answer("POST")
    assert [asked.count("Content-Length: 0\r\n") for asked in upstream.connections(3)] == [1] * 3


def test_many_pipelined_requests(nginx: Nginx) -> None:
    """Their cost does not grow with what is in the buffer behind them."""
    nginx("keepalive_requests 100000; location / { return 200 $uri; }")
    requests = [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(20_000)]
    requests.append(b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with nginx.connect() as client:
        sender = threading.Thread(target=client.wire.send, args=(b"".join(requests),))
        sender.start()
        got = client.wire.rest(60)
        sender.join()
    assert got.count(b"HTTP/1.1 200 OK") == 20_001 and got.endswith(b"/last")


def test_many_requests_with_bodies_in_one_piece(nginx: Nginx) -> None:
    nginx("""
        keepalive_requests 100000;
        location / { return 200 $content_length; }
        """)
    plain = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with nginx.connect() as client:
        data = (plain + chunked) * 3000 + last
        sender = threading.Thread(target=client.wire.send, args=(data,))
        sender.start()
        got = client.wire.rest(60)
        sender.join()
    assert got.count(b"HTTP/1.1 200 OK") == 6001


def test_a_head_that_comes_byte_by_byte(nginx: Nginx) -> None:
    nginx("large_client_header_buffers 4 8k; return 200 $http_x_last;")
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"v" * 200) for n in range(20))
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"X-Last: end\r\nConnection: close\r\n\r\n"
    with nginx.connect() as client:
        client.wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head:
            client.wire.send(bytes([byte]))
        answer = client.wire.answer()
    assert answer and answer.body == b"end"


def test_pipelined_answers_wait_for_the_client(nginx: Nginx) -> None:
    """Requests are not served while their predecessors' answers are not taken."""
    nginx(
        "access_log logs/access.log; keepalive_requests 100000; location / { return 200 %s; }"
        % ("x" * 3000)
    )
    with nginx.connect() as client:
        client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.wire.socket.setblocking(False)
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        sent, stalled = 0, 0
        while stalled < 10:  # until neither side takes any more
            try:
                sent += client.wire.socket.send(request)
                stalled = 0
            except BlockingIOError:
                stalled += 1
                time.sleep(0.05)
        served = len(nginx.access_log())
        assert served * 3000 < 30_000_000  # the buffers of the kernel, at the most
        assert served < sent // 28


def test_send_timeout_of_an_answer_that_fits_the_buffers(nginx: Nginx) -> None:
    """A client that takes nothing loses its connection, however small the answer."""
    nginx(
        "send_timeout 200ms; keepalive_timeout 60s;",
        files={"html/some": b"x" * 60_000},
        listen="127.0.0.1:%%PORT%% sndbuf=4k",
    )
    with nginx.connect() as client:
        client.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.wire.send(b"GET /some HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
        nginx.wait_for_log(
            r"\[info\] .*client timed out \(110: [\w ]+\) while sending response to cli"
        )


def test_a_refused_body_is_read_for_a_limited_time(nginx: Nginx) -> None:
    """A client that drips it does not keep the connection for ever."""
    nginx("""
        lingering_time 1s; lingering_timeout 500ms; client_max_body_size 0;
        location / { return 403; }
        """)
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert client.wire.answer("POST")
        with pytest.raises(ConnectionError):
            for _ in range(100):
                client.wire.send(b"x")
                time.sleep(0.1)


@pytest.mark.nginx_differs("it announces the seven bytes and sends none")
def test_a_body_that_was_found_wrong_is_announced_nowhere(nginx: Nginx) -> None:
    nginx("""
        error_page 400 @errors;
        location / { proxy_pass http://127.0.0.1:%%PORT_none%%; }
        location @errors { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        """)
    upstream = nginx.backend("b", OK_AND_CLOSE)
    nginx.raw(
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nGET /p/\r\nxx\r\n"
    )
    head, _, body = upstream.connections(1)[0].partition("\r\n\r\n")
    assert "Content-Length: 7" not in head and not body


def test_no_chunks_are_announced_to_head(nginx: Nginx) -> None:
    nginx.backend("b", b"HTTP/1.1 200 OK\r\n\r\n")
    nginx("location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.exchange("> HEAD /\n< 200\n< !Transfer-Encoding")
