"""Raw requests: any bytes that look like a request, or nearly so."""

from __future__ import annotations

from random import Random

from .case import Case, Setting
from .requests import METHODS, ODD_METHODS, ODD_VERSIONS, VERSIONS, chunked, mostly, split, target

PREFIXES = ["/"] * 6 + ["/p/", "/p/", "/s/", "/k/", "/u/", "/f/", "/f/a.txt", "/m/", "/r/"]
SERVER = """
location / {
    return 200 "$request_method|$request_uri|$uri|$args|$host|$http_host|\
$http_content_length|$content_type|$http_x_a|$http_cookie|$http_transfer_encoding|$http_connection|$server_protocol\\n";
}
location /end { return 200 end; }
location /p/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
location /u/ { proxy_pass http://127.0.0.1:%%PORT_up%%/v/; }
location /s/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_request_buffering off; proxy_http_version 1.1;
}
location /k/ { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; }
location /m/ { client_max_body_size 20; proxy_pass http://127.0.0.1:%%PORT_up%%; }
location /f/ { root html; }
location /r/ { return 302 /r$uri?$args; }
"""
REFUSALS = """
error_page 400 405 408 411 412 413 414 416 494 500 501 505 @refused;
location @refused {
    proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection "";
}
"""
HTTP = "upstream kept { server 127.0.0.1:%%PORT_up%%; keepalive 4; }"
NAMED = """
server_name *.c.d h;
ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;
large_client_header_buffers 4 1k; client_header_buffer_size 200;
location / { return 200 "named $host|$uri|$args|$http_x_a|$http_a_b"; }
location /end { return 200 end; }
location /p/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
location /k/ { chunked_transfer_encoding off; proxy_pass http://kept; }
"""

HOSTS = ["a"] * 8 + ["h", "x.c.d", "a:80", "A.B", "localhost"]
ODD_HOSTS = [
    "",
    ".c.d",
    "a b",
    "a/b",
    "..",
    "a..b",
    "a.",
    "a:",
    "a:x",
    "[::1]",
    "[::1",
    "a\0",
    "\xe9",
]
ODD_HOSTS += [
    "a,b",
    "a@b",
    "a:80:80",
    "h.",
    ".",
    "-",
    "a_b",
    "a%41",
    "[]",
    "[a]:80",
    "a\\b",
    "a:8a",
    "x.c.d.",
]
NAMES = ["X-A"] * 6 + ["Cookie", "User-Agent", "Accept", "Referer", "Range", "If-None-Match", "Via"]
ODD_NAMES = [
    "X_A",
    "X-A ",
    " X-A",
    "",
    "X A",
    "X\xe9",
    "X\0",
    "X\t",
    "X.A",
    "1",
    "-",
    "a(b)",
    "X-A\x01",
    "A_B",
]
VALUES = ["b", "", "a, b", "  b  ", "\tb\t", "b; c=d", '"b"', "\xe9", "bytes=0-1", "*", "x" * 300]
ODD_VALUES = [
    "b\0",
    "b\rc",
    "\x01",
    "b\r",
    "\x7f",
    "b\r\n c",
    "b\r\n\tc",
    "b\n c",
    ":",
    "b:c",
    "x" * 9000,
]
FIELDS = ["Connection: close", "Connection: keep-alive", "Connection: Close, x", "Connection: x"]
FIELDS += [
    "Expect: 100-continue",
    "Expect: 100-Continue",
    "Expect: x",
    "Keep-Alive: 1",
    "TE: trailers",
]
FIELDS += ["Upgrade: websocket", "X-Forwarded-For: 1.2.3.4", "Content-Type: a/b", "Depth: 0"]
FIELDS += [
    "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT",
    "If-Match: x",
    "Range: bytes=0-1,2-3",
]
FIELDS += ["Accept-Encoding: gzip", "Transfer-Encoding: identity", "Proxy-Connection: close"]
FIELDS += ["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT", "Authorization: Basic YTpi"]
LENGTHS = ["5", "0", "1", "20", "21", "100"]
ODD_LENGTHS = [
    "+5",
    "-5",
    "5 ",
    " 5",
    "0x5",
    "5,5",
    "5, 5",
    "",
    "05",
    "5a",
    "9223372036854775808",
    "5\t",
    "5.0",
]
ODD_LENGTHS += ["99999999999999999999", "9223372036854775807", "\x0b5", "5 5", "5;"]
CODINGS = ["chunked"] * 6 + ["Chunked", "CHUNKED"]
ODD_CODINGS = [
    "chunked, chunked",
    "gzip, chunked",
    "identity",
    "chunked ",
    "x",
    "",
    "chunked\t",
    "\x0bchunked",
]
ODD_CODINGS += ["chunked;a", "identity, chunked", "chunked,", '"chunked"', "chunke\xe4"]
BODIES = [
    b"01234",
    b"",
    b"0",
    b"x" * 20,
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\n",
    b"\0" * 30,
]
BODIES += [b"0\r\n\r\n", b"y" * 3000]
BEFORE = [
    b"\r\n",
    b"\n",
    b"\r\n" * 3,
    b"\n" * 20,
    b"\r",
    b" ",
    b"\r\r\n",
    b"\0",
    b"\r\n" * 15,
    b"\t",
]


def setting(r: Random, batch: int) -> Setting:
    """Every other batch has refusals proxied, with the body that the head spoke of."""
    server = SERVER + (REFUSALS if batch % 2 else "")
    return Setting(HTTP, (server, NAMED), {"html/f/a.txt": "0123456789", "html/f/index.html": "i"})


def refusals(setting: Setting) -> str:
    """That part of the configuration, if the setting has it."""
    return REFUSALS if REFUSALS in setting.servers[0] else ""


def case(r: Random, setting: Setting, number: int) -> Case:
    data = b"".join(request(r) for _ in range(r.choice((1, 1, 1, 2))))
    if r.random() < 0.08:
        data = damaged(r, data)
    return Case(split(r, data), about=refusals(setting))


def request(r: Random, odd: float = 0.08) -> bytes:
    """One request, in which about every tenth part is odd."""
    before = b"" if r.random() > odd else r.choice(BEFORE)
    method = mostly(r, METHODS, ODD_METHODS, odd / 2)
    version = mostly(r, VERSIONS, ODD_VERSIONS, odd / 2)
    blanks = mostly(r, [" "], ["  ", "\t", "", " \t "], odd / 4)
    line = f"{method}{blanks}{target(r, PREFIXES, odd)}{blanks if version else ''}{version}"
    lines = [line, *fields(r, odd)]
    body = b""
    if r.random() < 0.3:
        declared, body = framed(r, odd)
        for field in declared:
            lines.insert(r.randrange(1, len(lines) + 1), field)
    end = mostly(r, ["\r\n"], ["\n", "\r\r\n", "\r", "\n\r\n"], odd / 2)
    ends = [end if r.random() < 0.7 else "\r\n" for _ in lines]
    head = "".join(a + b for a, b in zip(lines, ends, strict=True))
    return before + (head + mostly(r, ["\r\n"], ["\n", "\r\r\n"], odd / 4)).encode("latin-1") + body


def fields(r: Random, odd: float) -> list[str]:
    lines = [f"Host: {mostly(r, HOSTS, ODD_HOSTS, odd)}"] if r.random() > odd / 2 else []
    for _ in range(r.choice((0, 0, 1, 1, 2, 3))):
        if r.random() < 0.4:
            lines.append(r.choice(FIELDS))
        else:
            colon = mostly(r, [": "], [":", " : ", "", "\t:", ":\t"], odd)
            name, value = mostly(r, NAMES, ODD_NAMES, odd), mostly(r, VALUES, ODD_VALUES, odd)
            lines.append(f"{name}{colon}{value}")
    if lines and r.random() < odd:
        lines.append(r.choice(lines))
    if r.random() < 0.01:
        lines += ["X-B: c"] * r.choice((50, 200, 1500))
    r.shuffle(lines)
    return lines


def framed(r: Random, odd: float) -> tuple[list[str], bytes]:
    """The fields that announce a body, and what follows."""
    body = r.choice(BODIES)
    how = r.random()
    if how < 0.45:
        length = str(len(body)) if r.random() < 0.8 else mostly(r, LENGTHS, ODD_LENGTHS, 0.5)
        lines = [f"Content-Length: {length}"]
        if r.random() < odd:
            lines.append(f"Content-Length: {r.choice([length, *LENGTHS])}")
        return lines, body
    lines = [f"Transfer-Encoding: {mostly(r, CODINGS, ODD_CODINGS, odd)}"]
    if r.random() < odd:
        lines.append(r.choice([*lines, f"Content-Length: {r.choice(LENGTHS)}"]))
    return lines, chunked(r, body)


def damaged(r: Random, data: bytes) -> bytes:
    """One accident."""
    place = r.randrange(len(data) + 1)
    what = r.randrange(4)
    if what == 0:
        return data[:place] + bytes([r.randrange(256)]) + data[place + 1 :]
    if what == 1:
        return data[:place] + data[place + r.randrange(1, 9) :] or b"\r"
    if what == 2:
        return data[:place] + r.choice((b"\r", b"\n", b"\0", b":", b" ", b"\r\n")) + data[place:]
    return data[:place] or b"\n"
