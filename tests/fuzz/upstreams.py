"""Answers of an upstream: any bytes, to a proxy, a cache, and to auth_request."""

from __future__ import annotations

from random import Random

from .case import Case, Script, Setting
from .requests import chunked, mostly

HTTP = """
proxy_cache_path cache keys_zone=c:4m;
upstream kept { server 127.0.0.1:%%PORT_up%%; keepalive 4; }
proxy_buffer_size 1k; proxy_buffers 4 1k; proxy_busy_buffers_size 2k;
proxy_cache_key $request_uri; proxy_cache_valid 200 301 404 1m; proxy_cache_valid any 10s;
"""
SERVER = """
set $s "";
add_header X-Cache $upstream_cache_status always;
add_header X-Status $upstream_status always;
add_header X-Found $s always;
location / { return 200 "open $uri"; }
location /end { return 200 end; }
location /p/ { proxy_pass http://127.0.0.1:%%PORT_up%%; }
location /k/ { proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection ""; }
location /b/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_buffering off; proxy_http_version 1.1;
}
location /c/ { proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_cache c; }
location /h/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_http_version 1.1; proxy_cache c;
    proxy_cache_use_stale error timeout invalid_header http_500;
    proxy_ignore_headers Cache-Control Expires;
}
location /i/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_intercept_errors on;
    error_page 400 401 403 404 500 502 503 504 = /intercepted; error_page 502 = @failed;
}
location /intercepted { return 200 "intercepted $uri"; }
location @failed { return 200 "failed $upstream_status"; }
location /a/ { auth_request /auth; auth_request_set $s $upstream_status; try_files /x/f.txt =404; }
location /af/ { auth_request /auth; error_page 401 403 = @denied; try_files /x/f.txt =404; }
location /ac/ { auth_request /cached; try_files /x/f.txt =404; }
location /ak/ { auth_request /keptauth; try_files /x/f.txt =404; }
location @denied { return 418 denied; }
location = /auth { internal; proxy_pass http://127.0.0.1:%%PORT_up%%; }
location = /keptauth {
    internal; proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_pass_request_body off; proxy_set_header Content-Length "";
}
location = /cached {
    internal; proxy_pass http://127.0.0.1:%%PORT_up%%/; proxy_cache c;
}
location /l/ {
    proxy_pass http://127.0.0.1:%%PORT_up%%/x/; proxy_redirect /a /b; proxy_cookie_path / /l;
}
location /x/ { internal; root html; }
"""
PLACES = [f"/{name}/" for name in (*"ppkbcchiaal", "af", "ac", "ak")]
CODES = ["200"] * 8 + ["201", "204", "206", "301", "302", "304", "307", "400", "401", "403", "404"]
CODES += ["418", "429", "500", "502", "503", "504", "599"] * 2 + ["100", "101", "103"]
ODD_CODES = [
    "000",
    "099",
    "20",
    "2000",
    "2x0",
    "-20",
    "600",
    "999",
    "",
    "0200",
    "+200",
    " 200",
    "200.1",
]
VERSIONS = ["HTTP/1.1"] * 8 + ["HTTP/1.0"] * 3
ODD_VERSIONS = [
    "HTTP/1.2",
    "HTTP/2",
    "HTTP/2.0",
    "http/1.1",
    "HTTP/0.9",
    "HTTP/1",
    "HTTP",
    "ICY",
    "HTTP/01.1",
]
ODD_VERSIONS += [
    "HTTP/11.1",
    "HTTP/1.1.1",
    "HTTP/1.",
    "HTTP/.1",
    "HTTP /1.1",
    " HTTP/1.1",
    "XHTTP/1.1",
    "HTTP/1.1a",
]
REASONS = [" OK"] * 5 + [
    "",
    " ",
    " Not Much",
    "  Two",
    "\tTab",
    "OK",
    " \xe9",
    ".1 Forbidden",
    " a\rb",
    "\0",
]
OTHER = [
    b"",
    b"garbage",
    b"\r\n",
    b"\n",
    b"\x15\x03\x03\x00\x02\x02\x46",
    b"SSH-2.0-x\r\n",
    b"<html>",
    b"\0",
]
OTHER += [
    b"H",
    b"HTTP/1.1",
    b"HTTP/1.1 ",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK\r\n",
    b"\r",
]
OTHER += [
    b"HTTP/1.1 200 OK\r\nA: b",
    b"x" * 5000,
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 2000,
    b"200 OK\r\n\r\n",
]
FIELDS = [
    "X-A: b",
    "X-A: b",
    "Set-Cookie: a=b; path=/",
    "Location: /a/x",
    'ETag: "x"',
    "Vary: X-B",
    "Vary: *",
]
FIELDS += [
    "Cache-Control: no-store",
    "Cache-Control: max-age=5",
    "Expires: 0",
    "Content-Type: text/plain",
]
FIELDS += [
    "Connection: close",
    "Connection: keep-alive",
    "Keep-Alive: x",
    "Server: s",
    "Date: x",
    "Status: 404",
]
FIELDS += [
    "X-Accel-Expires: 3",
    "X-Accel-Redirect: /x/f.txt",
    "X-Accel-Buffering: no",
    "Refresh: 1; url=/a",
]
FIELDS += [
    "WWW-Authenticate: Basic",
    "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT",
    "Accept-Ranges: bytes",
]
FIELDS += [
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip",
    "Content-Length: 3",
    "X-Accel-Limit-Rate: 99999999",
]
FIELDS += [
    "X-Accel-Charset: utf-8",
    "Age: 1",
    "Link: </a>",
    "Upgrade: x",
    "Trailer: A",
    "Content-Range: bytes 0-1/9",
]
ODD_FIELDS = [
    "X-A",
    "X-A : b",
    " X-A: b",
    ": b",
    "X A: b",
    "X\0: b",
    "X-A: b\0",
    "X-A: b\rc",
    "X(A): b",
    "X\xe9: b",
]
ODD_FIELDS += [
    "HTTP/1.1 200 OK",
    "\tfold",
    "X-A:",
    "X-A:b",
    "X_A: b",
    "",
    "X-A: \x01",
    "X" * 300 + ": b",
]
ODD_FIELDS += [
    "Content-Length: x",
    "Content-Length: -1",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "X-A\t: b",
]
ODD_FIELDS += [
    "Content-Length: 99999999999999999999",
    "Content-Length:",
    "Transfer-Encoding: identity",
]
ODD_FIELDS += [
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: x",
    "X-Accel-Redirect: /../x",
    "X-B: " + "c" * 900,
]
ODD_FIELDS += [
    "X-Accel-Expires: x",
    "X-Accel-Redirect: @failed",
    "X-Accel-Redirect: ",
    "Content-Length: 5 ",
]
BODIES = [
    b"01234",
    b"01234",
    b"",
    b"x",
    b"y" * 900,
    b"z" * 9000,
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"\0\r\n\r\n",
]


def setting(r: Random, batch: int) -> Setting:
    return Setting(HTTP, (SERVER,), {"html/x/f.txt": "file"})


def case(r: Random, setting: Setting, number: int) -> Case:
    """The same request twice on one connection, so that a cache may answer the second."""
    place, method = r.choice(PLACES), r.choice(("GET",) * 8 + ("HEAD", "POST"))
    lines = [f"{method} {place}%%RUN%% HTTP/1.1", "Host: a"]
    if method == "POST":
        lines.append("Content-Length: 0")
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return Case((request * 2,), Script(_pieces(r, _answer(r)), _end(r)))


def _end(r: Random) -> str:
    return r.choice(("close",) * 6 + ("open", "open", "reset"))


def _answer(r: Random, odd: float = 0.06) -> bytes:
    if r.random() < odd:
        return r.choice(OTHER)
    interim = b""
    while r.random() < odd:
        interim += r.choice(
            (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n")
        )
    code = mostly(r, CODES, ODD_CODES, odd)
    version = mostly(r, VERSIONS, ODD_VERSIONS, odd / 2)
    reason = mostly(r, REASONS[:5], REASONS, 2 * odd)
    fields = [mostly(r, FIELDS, ODD_FIELDS, odd) for _ in range(r.choice((0, 1, 1, 2, 3, 5)))]
    body = r.choice(BODIES)
    how = r.random()
    if how < 0.5:
        size = len(body) if r.random() > odd else max(0, len(body) + r.choice((-3, -1, 1, 5)))
        fields.append(f"Content-Length: {size}")
    elif how < 0.75:
        fields.append("Transfer-Encoding: chunked")
        body = chunked(r, body, odd)
    if r.random() < odd:
        body += r.choice((b"more", b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
    if r.random() < odd / 2:
        body = body[: r.randrange(len(body) + 1)]
    if r.random() < odd / 3:
        fields += [f"X-Flood-{n}: {'f' * 40}" for n in range(r.randrange(30))]
    r.shuffle(fields)
    end = mostly(r, ["\r\n"], ["\n", "\r\r\n"], odd)
    head = f"{version} {code}{reason}{end}" + "".join(field + end for field in fields) + end
    return interim + head.encode("latin-1") + body


def _pieces(r: Random, data: bytes) -> tuple[bytes, ...]:
    cuts = sorted(r.randrange(len(data) + 1) for _ in range(r.choice((0, 0, 0, 1, 3))))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return tuple(piece for piece in pieces if piece)
