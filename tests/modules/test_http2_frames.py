"""What the server says to single frames, right and wrong ones, frame by frame.

Each connection opens with the preface and an empty SETTINGS frame; what follows is sent in one
piece. Of what the server opens with nothing is shown. The end of the list is that of the
connection if it says so, otherwise two PING frames show that no more comes.
"""

from __future__ import annotations

import socket

import pytest

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import Field, write_block, write_field
from pyngx_jwt.http2.strings import written

from ..http2client import told
from ..nginx import Nginx

CONF = f"""
    http2 on;
    client_body_buffer_size 1k;
    client_max_body_size 2k;
    location / {{ return 200 "$request_method|$uri|$args|$host|$http_x"; }}
    location /empty {{ return 204; }}
    location /long {{ return 200 "{"0123456789" * 100}"; }}
    location /rest {{ return 200 "{"x" * 535}"; }}
    location /body {{ proxy_pass http://127.0.0.1:%%PORT_none%%; error_page 502 = @read; }}
    location @read {{ return 200 read; }}
    location /drop {{ return 444; }}
    """
OPENED = frames.PREFACE + frames.settings([])
ENOUGH = b"the end."


@pytest.fixture(scope="module")
def server(module_nginx: Nginx) -> Nginx:
    module_nginx(CONF)
    return module_nginx


def converse(server: Nginx, sent: bytes, lines: int) -> list[str]:
    """Sends bytes on a new connection; what comes, with "closed" at its end."""
    ping = frames.frame(frames.PING, 0, 0, ENOUGH)
    answer = frames.frame(frames.PING, frames.ACK, 0, ENOUGH)
    with socket.create_connection(("127.0.0.1", server.port("")), 10) as client:
        client.sendall(sent + ping)
        got, closed, pinged = b"", False, 1
        while not closed:
            found = got.count(answer)
            whole = [
                line for line in _safe(got) if "PING ACK" not in line or ENOUGH.hex() not in line
            ]
            if found == pinged and len(whole) >= lines:
                if pinged == 2:
                    break
                pinged = 2
                client.sendall(ping)
            try:
                data = client.recv(65536)
            except ConnectionResetError:
                data = b""
            closed = not data
            got += data
        shown = [line for line in told(got) if line != f"PING ACK {ENOUGH.hex()}"]
        return [line for line in shown if line] + ["closed"] * closed


def _safe(data: bytes) -> list[str]:
    """The whole frames of what has come so far."""
    at = 0
    while at + frames.HEADER_SIZE <= len(data):
        end = at + frames.HEADER_SIZE + (frames.header_at(data, at)[0] >> 8)
        if end > len(data):
            break
        at = end
    return told(data[:at])


def head(*fields: Field, method: str = "GET", path: str = "/", scheme: str = "http") -> bytes:
    """The block of a request with these fields besides the usual ones."""
    return write_block(
        [(":method", method), (":scheme", scheme), (":path", path), (":authority", "a"), *fields]
    )


def raw(*pairs: tuple[bytes, bytes]) -> bytes:
    """A block of literal fields with exactly these bytes."""
    return b"".join(
        b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value for name, value in pairs
    )


def get(number: int = 1, block: bytes = b"", flags: int = 0x5) -> bytes:
    """A HEADERS frame: END_HEADERS and END_STREAM unless the flags are others."""
    return frames.frame(frames.HEADERS, flags, number, block or head())


def data(number: int, body: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, number, body)


def without(*names: str) -> bytes:
    """The usual block without some of its fields."""
    usual = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    return write_block([field for field in usual if field[0] not in names])


GET = raw((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"))
POST = head(method="POST", path="/body")

CASES: dict[str, tuple[bytes, str]] = {
    # -- requests that are right ----------------------------------------------------------
    "a request": (get(), "HEADERS 1 200 | DATA 1 9 END"),
    "HEAD": (get(1, head(method="HEAD")), "HEADERS 1 200 END"),
    "no body": (get(1, head(path="/empty")), "HEADERS 1 204 END"),
    "a request after another": (
        get(1) + get(3),
        "HEADERS 1 200 | DATA 1 9 END | HEADERS 3 200 | DATA 3 9 END",
    ),
    "a stream is left out": (
        get(1) + get(7),
        "HEADERS 1 200 | DATA 1 9 END | HEADERS 7 200 | DATA 7 9 END",
    ),
    "padding": (get(1, b"\4" + head() + bytes(4), 0xD), "HEADERS 1 200 | DATA 1 9 END"),
    "padding with a priority": (
        get(1, b"\4\0\0\0\0\x10" + head() + bytes(4), 0x2D),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "padding of length 0": (get(1, b"\0" + head(), 0xD), "HEADERS 1 200 | DATA 1 9 END"),
    "a priority": (get(1, b"\0\0\0\0\x10" + head(), 0x25), "HEADERS 1 200 | DATA 1 9 END"),
    "a priority that depends on a stream that is not there": (
        get(1, b"\0\0\0\7\x10" + head(), 0x25),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "continued": (
        get(1, head()[:4], 1) + frames.frame(frames.CONTINUATION, 4, 1, head()[4:]),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "continued with nothing": (
        get(1, head(), 1) + frames.frame(frames.CONTINUATION, 4, 1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "continued byte by byte": (
        get(1, head()[:1], 1)
        + b"".join(
            frames.frame(frames.CONTINUATION, 0, 1, head()[n : n + 1])
            for n in range(1, len(head()))
        )
        + frames.frame(frames.CONTINUATION, 4, 1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "padded and continued": (
        get(1, b"\3" + head()[:4] + bytes(3), 9)
        + frames.frame(frames.CONTINUATION, 4, 1, head()[4:]),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "the reserved bit of the stream": (
        frames.frame(frames.HEADERS, 5, 0x80000001, head()),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "flags that mean nothing": (get(1, head(), 0xD7 & ~0x8 | 0x5), "HEADERS 1 200 | DATA 1 9 END"),
    "a table size update within a block": (
        get(1, b"\x20" + head() + b"\x3f\xe1\x1f"),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "query": (get(1, head(path="/a%20b/../c?x=1#y")), "HEADERS 1 200 | DATA 1 13 END"),
    "options": (get(1, head(method="OPTIONS")), "HEADERS 1 200 | DATA 1 13 END"),
    "a method of one's own": (get(1, head(method="BREW")), "HEADERS 1 200 | DATA 1 10 END"),
    "te: trailers": (get(1, head(("te", "trailers"))), "HEADERS 1 200 | DATA 1 9 END"),
    "te: Trailers": (get(1, head(("te", "Trailers"))), "HEADERS 1 200 | DATA 1 9 END"),
    "host like the authority": (get(1, head(("host", "a"))), "HEADERS 1 200 | DATA 1 9 END"),
    "host alone": (
        get(1, without(":authority") + write_field("host", "b")),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "authority with a port": (
        get(1, without(":authority") + write_field(":authority", "b:80")),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "cookies are one": (
        get(1, head(("cookie", "a=1"), ("cookie", "b=2"))),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "an underscore in a name": (get(1, head(("x_y", "1"))), "HEADERS 1 200 | DATA 1 9 END"),
    "an odd character in a name": (get(1, head(("x!", "1"))), "HEADERS 1 200 | DATA 1 9 END"),
    "a value with a tab": (get(1, head(("x", "a\tb"))), "HEADERS 1 200 | DATA 1 12 END"),
    "a value with bytes above 0x7f": (get(1, head(("x", "\xe4"))), "HEADERS 1 200 | DATA 1 10 END"),
    "expect": (get(1, head(("expect", "100-continue"))), "HEADERS 1 200 | DATA 1 9 END"),
    "a scheme of one's own": (get(1, head(scheme="ftp")), "HEADERS 1 200 | DATA 1 9 END"),
    "priority header": (get(1, head(("priority", "u=3, i"))), "HEADERS 1 200 | DATA 1 9 END"),
    "fields with Huffman padding of a byte more": (
        get(1, bytes.fromhex("828684 41 87 a0e41d139d09ff".replace(" ", ""))),
        "HEADERS 1 200 | DATA 1 17 END",
    ),
    "444": (get(1, head(path="/drop")), "RST_STREAM 1 PROTOCOL_ERROR"),
    # -- bodies ----------------------------------------------------------------------------
    "a body": (
        get(1, POST, 4) + data(1, b"abc", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "an empty body": (
        get(1, POST, 4) + data(1, b"", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a padded body": (
        get(1, POST, 4) + data(1, b"\2abc\0\0", 9),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a body of padding alone": (
        get(1, POST, 4) + data(1, b"\2\0\0", 9),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a body in pieces": (
        get(1, POST, 4) + data(1, b"abc") + data(1, b"") + data(1, b"d", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a body as long as announced": (
        get(1, head(("content-length", "3"), method="POST", path="/body"), 4) + data(1, b"abc", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a body shorter than announced": (
        get(1, head(("content-length", "4"), method="POST", path="/body"), 4) + data(1, b"abc", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 400 | DATA 1 157 END",
    ),
    "a body longer than announced": (
        get(1, head(("content-length", "2"), method="POST", path="/body"), 4) + data(1, b"abc", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 400 | DATA 1 157 END",
    ),
    "a body is announced, and the stream ends": (
        get(1, head(("content-length", "2"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "length 0 and no body": (get(1, head(("content-length", "0"))), "HEADERS 1 200 | DATA 1 9 END"),
    "length 0 and an empty body": (
        get(1, head(("content-length", "0"), path="/body"), 4) + data(1, b"", 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 200 | DATA 1 4 END",
    ),
    "a body that is too large is announced": (
        get(1, head(("content-length", "3000"), path="/body"), 4),
        "HEADERS 1 413 | DATA 1 183 END | RST_STREAM 1 NO_ERROR",
    ),
    "a body that is too large comes": (
        get(1, POST, 4) + data(1, bytes(3000), 1),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 413 | DATA 1 183 END",
    ),
    "a body that is not read": (
        get(1, head(), 4) + data(1, b"abc"),
        "HEADERS 1 200 | DATA 1 9 END | RST_STREAM 1 NO_ERROR",
    ),
    "a body that is not read, whole": (
        get(1, head(), 4) + data(1, b"abc", 1),
        "HEADERS 1 200 | DATA 1 9 END | RST_STREAM 1 NO_ERROR",
    ),
    "DATA for a stream that is over": (get(1) + data(1, b"abc"), "HEADERS 1 200 | DATA 1 9 END"),
    "DATA for a half-closed stream": (
        get(1, POST, 4) + data(1, b"", 0) + data(3, b"x"),
        "WINDOW_UPDATE 1 2147418111",
    ),
    "DATA for a stream that never was": (data(1, b"abc"), ""),
    "DATA for an even stream": (data(2, b"abc"), ""),
    "DATA for the connection": (data(0, b"abc"), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "DATA padded more than it is long": (
        get(1, POST, 4) + data(1, b"\3ab", 8),
        "WINDOW_UPDATE 1 2147418111 | GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "DATA of padding without its length": (
        get(1, POST, 4) + data(1, b"", 8),
        "WINDOW_UPDATE 1 2147418111 | GOAWAY 1 FRAME_SIZE_ERROR | closed",
    ),
    "DATA larger than the window of the stream": (
        get(1, POST, 4) + data(1, bytes(65537)),
        "WINDOW_UPDATE 1 2147418111 | HEADERS 1 413 | DATA 1 183 END | RST_STREAM 1 NO_ERROR",
    ),
    # -- heads that are wrong ----------------------------------------------------------------
    "no method": (get(1, without(":method")), "HEADERS 1 400 | DATA 1 157 END"),
    "no scheme": (get(1, without(":scheme")), "HEADERS 1 400 | DATA 1 157 END"),
    "no path": (get(1, without(":path")), "HEADERS 1 400 | DATA 1 157 END"),
    "no authority": (get(1, without(":authority")), "HEADERS 1 400 | DATA 1 157 END"),
    "nothing but a field": (get(1, write_field("x", "1")), "HEADERS 1 400 | DATA 1 157 END"),
    "two methods": (get(1, GET + raw((b":method", b"GET"))), "HEADERS 1 400 | DATA 1 157 END"),
    "two schemes": (get(1, GET + raw((b":scheme", b"http"))), "HEADERS 1 400 | DATA 1 157 END"),
    "two paths": (get(1, GET + raw((b":path", b"/"))), "HEADERS 1 400 | DATA 1 157 END"),
    "two authorities": (get(1, GET + raw((b":authority", b"a"))), "HEADERS 1 400 | DATA 1 157 END"),
    "an empty method": (
        get(1, without(":method") + raw((b":method", b""))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "an empty scheme": (
        get(1, without(":scheme") + raw((b":scheme", b""))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "an empty path": (
        get(1, without(":path") + raw((b":path", b""))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "an empty authority": (
        get(1, without(":authority") + raw((b":authority", b""))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a method in lower case": (get(1, head(method="get")), "HEADERS 1 400 | DATA 1 157 END"),
    "a path without a slash": (get(1, head(path="x")), "HEADERS 1 400 | DATA 1 157 END"),
    "a path of an asterisk": (
        get(1, head(method="OPTIONS", path="*")),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a path with a blank": (get(1, head(path="/a b")), "HEADERS 1 400 | DATA 1 157 END"),
    "a path with a control character": (
        get(1, head(path="/a\x01")),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a path with %00": (get(1, head(path="/%00")), "HEADERS 1 400 | DATA 1 157 END"),
    "a path above the root": (get(1, head(path="/../x")), "HEADERS 1 400 | DATA 1 157 END"),
    "a path that is a URL": (get(1, head(path="http://a/")), "HEADERS 1 400 | DATA 1 157 END"),
    "a scheme with a blank": (get(1, head(scheme="ht tp")), "HEADERS 1 400 | DATA 1 157 END"),
    "a scheme that begins with a digit": (
        get(1, head(scheme="1http")),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "an authority with a blank": (
        get(1, without(":authority") + raw((b":authority", b"a b"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "an authority with a user": (
        get(1, without(":authority") + raw((b":authority", b"u@a"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "another host than the authority": (
        get(1, head(("host", "b"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "two hosts": (get(1, head(("host", "a"), ("host", "a"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a host with a blank": (get(1, head(("host", "a b"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a pseudo-header after a field": (
        get(1, write_field(":method", "GET") + write_field("x", "1") + write_field(":path", "/")),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a pseudo-header that is unknown": (
        get(1, raw((b":protocol", b"x")) + GET),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a pseudo-header of responses": (
        get(1, raw((b":status", b"200")) + GET),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a name in upper case": (get(1, GET + raw((b"X", b"1"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a name with a blank": (get(1, GET + raw((b"x ", b"1"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a name with a colon": (get(1, GET + raw((b"x:", b"1"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a colon alone": (get(1, GET + raw((b":", b"1"))), "HEADERS 1 400 | DATA 1 157 END"),
    "a name with a control character": (
        get(1, GET + raw((b"x\x01", b"1"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a value with a line feed": (
        get(1, GET + raw((b"x", b"a\nb"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a value with a carriage return": (
        get(1, GET + raw((b"x", b"a\rb"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "a value with a null": (get(1, GET + raw((b"x", b"a\0b"))), "HEADERS 1 400 | DATA 1 157 END"),
    "connection": (get(1, head(("connection", "close"))), "HEADERS 1 400 | DATA 1 157 END"),
    "keep-alive": (get(1, head(("keep-alive", "1"))), "HEADERS 1 400 | DATA 1 157 END"),
    "proxy-connection": (
        get(1, head(("proxy-connection", "close"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "transfer-encoding": (
        get(1, head(("transfer-encoding", "chunked"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "upgrade": (get(1, head(("upgrade", "h2c"))), "HEADERS 1 400 | DATA 1 157 END"),
    "te: gzip": (get(1, head(("te", "gzip"))), "HEADERS 1 400 | DATA 1 157 END"),
    "te twice": (
        get(1, head(("te", "trailers"), ("te", "trailers"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "content-length that is no number": (
        get(1, head(("content-length", "x"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "content-length twice": (
        get(1, head(("content-length", "0"), ("content-length", "0"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "CONNECT": (get(1, head(method="CONNECT")), "HEADERS 1 405 | DATA 1 157 END"),
    "CONNECT without scheme and path": (
        get(1, write_block([(":method", "CONNECT"), (":authority", "a:1")])),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    "TRACE": (get(1, head(method="TRACE")), "HEADERS 1 405 | DATA 1 157 END"),
    "authorization twice": (
        get(1, head(("authorization", "a"), ("authorization", "b"))),
        "HEADERS 1 400 | DATA 1 157 END",
    ),
    # -- HEADERS that are wrong ----------------------------------------------------------------
    "HEADERS without a block": (get(1, b"\0", 0xD), "GOAWAY 0 FRAME_SIZE_ERROR | closed"),
    "HEADERS of length 0": (
        frames.frame(frames.HEADERS, 5, 1),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "HEADERS shorter than its priority": (
        get(1, b"\0\0", 0x25),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "HEADERS padded more than it is long": (
        get(1, b"\xff" + head(), 0xD),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "HEADERS for the connection": (get(0), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "HEADERS for an even stream": (get(2), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "HEADERS for an old stream": (
        get(5) + get(3),
        "HEADERS 5 200 | DATA 5 9 END | GOAWAY 5 PROTOCOL_ERROR | closed",
    ),
    "HEADERS again": (
        get(1) + get(1),
        "HEADERS 1 200 | DATA 1 9 END | GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "trailers": (
        get(1, POST, 4) + data(1, b"abc") + get(1, write_field("x", "1")),
        "WINDOW_UPDATE 1 2147418111 | GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "a stream that depends on itself": (
        get(1, b"\0\0\0\1\x10" + head(), 0x25),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "CONTINUATION alone": (
        frames.frame(frames.CONTINUATION, 4, 1, head()),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "CONTINUATION of another stream": (
        get(1, head()[:4], 1) + frames.frame(frames.CONTINUATION, 4, 3, head()[4:]),
        "GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "another frame in the middle of a block": (
        get(1, head()[:4], 1) + frames.frame(frames.PING, 0, 0, b"12345678"),
        "GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "an unknown frame in the middle of a block": (
        get(1, head()[:4], 1) + frames.frame(77, 0, 0),
        "GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "DATA in the middle of a block": (
        get(1, head()[:4], 0) + data(1, b"x"),
        "GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    # -- header compression --------------------------------------------------------------------
    "index 0": (get(1, b"\x80"), "GOAWAY 1 COMPRESSION_ERROR | closed"),
    "an index that is not in the table": (
        get(1, head() + b"\xbe"),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "a name that is not in the table": (
        get(1, head() + b"\x7f\x80\x01\x01x"),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "an index that is too long": (
        get(1, head() + b"\xff\xff\xff\xff\x01"),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "a table that is too large": (
        get(1, b"\x3f\xe2\x1f" + head()),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "a name of length 0": (get(1, head() + b"\0\0\1x"), "GOAWAY 1 PROTOCOL_ERROR | closed"),
    "a length that is too long": (
        get(1, head() + b"\0\x7f\xff\xff\xff\x01"),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "a name that is too long": (
        get(1, head() + b"\0\x7f\x82\x40" + b"x" * 8321),
        "GOAWAY 1 ENHANCE_YOUR_CALM | closed",
    ),
    "a block that ends in a name": (
        get(1, head() + b"\0\5ab"),
        "GOAWAY 1 FRAME_SIZE_ERROR | closed",
    ),
    "a block that ends in a value": (
        get(1, head() + b"\0\1a\5b"),
        "GOAWAY 1 FRAME_SIZE_ERROR | closed",
    ),
    "a block that ends before a value": (
        get(1, head() + b"\0\1a"),
        "GOAWAY 1 FRAME_SIZE_ERROR | closed",
    ),
    "a block that ends in a number": (
        get(1, head() + b"\xff"),
        "GOAWAY 1 FRAME_SIZE_ERROR | closed",
    ),
    "Huffman code that is wrong": (
        get(1, head() + b"\0\1a\x84\xff\xff\xff\xff"),
        "GOAWAY 1 COMPRESSION_ERROR | closed",
    ),
    "the table is too small for a field": (
        get(1, b"\x20" + head() + b"\x40\1a\1b"),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    # -- other frames ----------------------------------------------------------------------------
    "RST_STREAM of a stream that is over": (
        get(1) + frames.rst_stream(1, 8),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "RST_STREAM of a stream that never was": (frames.rst_stream(9, 8), ""),
    "RST_STREAM of an open stream": (
        get(1, POST, 4) + frames.rst_stream(1, 8),
        "WINDOW_UPDATE 1 2147418111",
    ),
    "RST_STREAM for the connection": (frames.rst_stream(0, 8), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "RST_STREAM too short": (
        frames.frame(frames.RST_STREAM, 0, 1, b"\0\0\0"),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "RST_STREAM too long": (
        frames.frame(frames.RST_STREAM, 0, 1, b"\0\0\0\0\0"),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "PRIORITY": (frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0"), ""),
    "PRIORITY for the connection": (
        frames.frame(frames.PRIORITY, 0, 0, b"\0\0\0\3\0"),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "PRIORITY of a stream that depends on itself": (
        frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\0"),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "PRIORITY too short": (
        frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3"),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "PRIORITY too often": (
        frames.frame(frames.PRIORITY, 0, 1, b"\0\0\0\3\0") * 128,
        "GOAWAY 0 ENHANCE_YOUR_CALM | closed",
    ),
    "SETTINGS": (
        frames.settings([(1, 100), (3, 5), (4, 70000), (5, 20000), (6, 1), (99, 1)]),
        "SETTINGS ACK",
    ),
    "SETTINGS acknowledged": (frames.frame(frames.SETTINGS, 1, 0), ""),
    "SETTINGS acknowledged with values": (
        frames.frame(frames.SETTINGS, 1, 0, bytes(6)),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "SETTINGS of a stream": (
        frames.frame(frames.SETTINGS, 0, 1),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "SETTINGS of a wrong length": (
        frames.frame(frames.SETTINGS, 0, 0, bytes(5)),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "SETTINGS with a window that is too large": (
        frames.settings([(4, 1 << 31)]),
        "GOAWAY 0 FLOW_CONTROL_ERROR | closed",
    ),
    "SETTINGS with frames that are too small": (
        frames.settings([(5, 16383)]),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "SETTINGS with frames that are too large": (
        frames.settings([(5, 1 << 24)]),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "SETTINGS with ENABLE_PUSH 2": (frames.settings([(2, 2)]), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "SETTINGS with ENABLE_PUSH 0": (frames.settings([(2, 0)]), "SETTINGS ACK"),
    "PUSH_PROMISE": (
        frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + head()),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "PING": (frames.frame(frames.PING, 0, 0, b"12345678"), "PING ACK 3132333435363738"),
    "PING acknowledged": (frames.frame(frames.PING, 1, 0, b"12345678"), ""),
    "PING of a stream": (
        frames.frame(frames.PING, 0, 1, b"12345678"),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "PING too short": (
        frames.frame(frames.PING, 0, 0, b"1234567"),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "GOAWAY": (frames.goaway(0, 0) + get(1), "HEADERS 1 200 | DATA 1 9 END"),
    "GOAWAY of a stream": (
        frames.frame(frames.GOAWAY, 0, 1, bytes(8)),
        "GOAWAY 0 PROTOCOL_ERROR | closed",
    ),
    "GOAWAY too short": (
        frames.frame(frames.GOAWAY, 0, 0, bytes(7)),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "GOAWAY with debug data": (
        frames.frame(frames.GOAWAY, 0, 0, bytes(8) + b"why") + get(1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "WINDOW_UPDATE of 0": (frames.window_update(0, 0), "GOAWAY 0 PROTOCOL_ERROR | closed"),
    "WINDOW_UPDATE of 0 for a stream": (
        get(1, POST, 4) + frames.window_update(1, 0),
        "WINDOW_UPDATE 1 2147418111 | GOAWAY 1 PROTOCOL_ERROR | closed",
    ),
    "WINDOW_UPDATE beyond the largest": (
        frames.window_update(0, (1 << 31) - 1),
        "GOAWAY 0 FLOW_CONTROL_ERROR | closed",
    ),
    "WINDOW_UPDATE beyond the largest for a stream": (
        get(1, POST, 4) + frames.window_update(1, (1 << 31) - 1),
        "WINDOW_UPDATE 1 2147418111 | RST_STREAM 1 FLOW_CONTROL_ERROR",
    ),
    "WINDOW_UPDATE of a stream that is over": (
        get(1) + frames.window_update(1, 1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "WINDOW_UPDATE of a stream that never was": (frames.window_update(9, 1), ""),
    "WINDOW_UPDATE too short": (
        frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\1"),
        "GOAWAY 0 FRAME_SIZE_ERROR | closed",
    ),
    "a frame of an unknown type": (
        frames.frame(77, 0xFF, 9, b"unknown") + get(1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    "ALTSVC and ORIGIN": (
        frames.frame(10, 0, 0, b"\0\0x") + frames.frame(12, 0, 0, b"") + get(1),
        "HEADERS 1 200 | DATA 1 9 END",
    ),
    # -- flow control ------------------------------------------------------------------------------
    "a window of 0": (
        frames.settings([(4, 0)]) + get(1, head(path="/long")),
        "SETTINGS ACK | HEADERS 1 200",
    ),
    "a window of 100": (
        frames.settings([(4, 100)]) + get(1, head(path="/long")),
        "SETTINGS ACK | HEADERS 1 200 | DATA 1 100",
    ),
    "a window that is opened": (
        frames.settings([(4, 100)])
        + get(1, head(path="/long"))
        + frames.window_update(1, 50)
        + frames.settings([(4, 200)]),
        "SETTINGS ACK | HEADERS 1 200 | DATA 1 100 | DATA 1 50 | SETTINGS ACK | DATA 1 100",
    ),
    "a window that overflows by a setting": (
        get(1, POST, 4)
        + frames.window_update(1, (1 << 31) - 1 - 65535)
        + frames.settings([(4, 65536)]),
        "WINDOW_UPDATE 1 2147418111 | SETTINGS ACK | RST_STREAM 1 FLOW_CONTROL_ERROR",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_frames(server: Nginx, name: str) -> None:
    sent, expected = CASES[name]
    wanted = ["SETTINGS ACK", *filter(None, expected.split(" | "))]
    count = len([line for line in wanted if line != "closed"])
    assert converse(server, OPENED + sent, count) == wanted


def priority(number: int, depends_on: int, weight: int, *, exclusive: bool = False) -> bytes:
    """A PRIORITY frame."""
    first = (depends_on | exclusive << 31).to_bytes(4)
    return frames.frame(frames.PRIORITY, 0, number, first + bytes((weight - 1,)))


# What a client says of three streams before they begin, and their order when there is a window.
A, B, C, OTHER = 301, 303, 305, 307
ORDERS: list[tuple[bytes, list[int]]] = [
    (b"", [A, B, C]),
    (priority(B, 0, 255) + priority(C, 0, 100), [B, C, A]),
    (priority(C, 0, 16) + priority(B, C, 16) + priority(A, B, 16), [C, B, A]),
    (priority(B, 0, 16) + priority(A, B, 1) + priority(C, B, 2), [B, C, A]),
    (priority(B, 0, 1) + priority(A, B, 1) + priority(C, A, 1) + priority(B, A, 1), [A, B, C]),
    (priority(B, 0, 9) + priority(A, 0, 8) + priority(C, 0, 1, exclusive=True), [C, B, A]),
    (priority(A, OTHER, 255, exclusive=True), [A, B, C]),  # which there is not
    (priority(A, OTHER, 15), [B, C, A]),
    (priority(OTHER, 0, 16) + priority(A, OTHER, 256), [B, C, A]),  # there is, as it was named
    (priority(A, 0, 9) + priority(B, A, 9) + priority(C, B, 9) + priority(A, C, 9), [C, A, B]),
]
# So much that the window of the connection is used up.
FULL = OPENED + b"".join([get(number, head(path="/long")) for number in range(101, 231, 2)])
FULL += get(231, head(path="/rest"))


def converse_when_full(server: Nginx, sent: bytes, number: int) -> list[int]:
    """The order of the so many streams that are sent when the window is opened."""
    opened = FULL + sent + frames.window_update(0, 1000)
    came = converse(server, opened, 1 + 66 * 2 + number * 2)
    return [int(line.split()[1]) for line in came if line.endswith(" 9 END")]


@pytest.mark.parametrize(("said", "order"), ORDERS)
def test_priorities(server: Nginx, said: bytes, order: list[int]) -> None:
    assert converse_when_full(server, said + get(A) + get(B) + get(C), 3) == order


def test_priorities_of_heads(server: Nginx) -> None:
    def first(depends_on: int, weight: int) -> bytes:
        return depends_on.to_bytes(4) + bytes((weight - 1,)) + head()

    requests = b"".join(
        [
            get(A, first(0, 16), 0x25),
            get(B, first(0, 2), 0x25),
            get(C, first(A, 256), 0x25),
            get(OTHER),
        ]
    )
    assert converse_when_full(server, requests, 4) == [A, OTHER, B, C]


PATHS = [
    ("/a", "GET|/a||a|"),
    ("/b?c=d", "GET|/b|c=d|a|"),
    ("/b?c=d", "GET|/b|c=d|a|"),
    ("/x/../%41?%41", "GET|/A|%41|a|"),
    ("x", ""),
    ("/a b", ""),
    ("/%00", ""),
    ("/..", ""),
    ("", ""),
    ("/a", "GET|/a||a|"),
]


@pytest.mark.parametrize("named", [b"\4", b"\x14", b"\0\x84\xb9\x58\xd3\x3f", b"\0\5:path"])
def test_requests_of_a_connection_that_are_alike_but_for_their_paths(
    server: Nginx, named: bytes
) -> None:
    blocks = [b"\x82\x86" + named + written(path) + b"\x01\x01a" for path, _ in PATHS]
    sent = [get(n * 2 + 1, block) for n, block in enumerate(blocks)]
    bodies = _bodies(server, OPENED + b"".join(sent), len(sent))
    for body, (_, wanted) in zip(bodies, PATHS, strict=True):
        assert body.decode() == wanted if wanted else b"400 Bad Request" in body


def test_requests_that_are_alike_but_for_the_end_of_their_streams(server: Nginx) -> None:
    block = b"\x82\x86\4" + written("/a") + b"\x01\x01a"
    length = write_field("content-length", "1")
    sent = [
        get(1, block),
        get(3, block, 0x4) + data(3, b"x", 1),
        get(5, block),
        get(7, block + length, 0x4) + data(7, b"x", 1),
        get(9, block + length),  # the body is missing
        get(11, block + length, 0x4) + data(11, b"x", 1),
    ]
    *good, last, after = _bodies(server, OPENED + b"".join(sent), 6)
    assert good == [b"GET|/a||a|"] * 4 and after == good[0]
    assert b"400 Bad Request" in last


def _bodies(server: Nginx, sent: bytes, count: int) -> list[bytes]:
    """The bodies of so many responses, by the numbers of their streams."""
    bodies, ended, got = dict[int, bytes](), 0, b""
    with socket.create_connection(("127.0.0.1", server.port("")), 10) as client:
        client.sendall(sent)
        while ended < count:
            received = client.recv(65536)
            assert received, bodies
            got += received
            while len(got) >= frames.HEADER_SIZE:
                word, flags, number = frames.header_at(got, 0)
                end = frames.HEADER_SIZE + (word >> 8)
                if len(got) < end:
                    break
                if word & 0xFF == frames.DATA:
                    bodies[number] = bodies.get(number, b"") + got[frames.HEADER_SIZE : end]
                    ended += flags & frames.END_STREAM
                got = got[end:]
    return [bodies[number] for number in sorted(bodies)]
