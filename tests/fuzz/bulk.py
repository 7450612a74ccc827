"""Large bodies both ways, through one and two proxies, with clients that take their time.

What comes in one piece with its head, what is never read and what does not fit buffers takes
other ways than small bodies do.
"""

from __future__ import annotations

from itertools import product
from random import Random

from .case import Case, Setting
from .requests import chunked, mostly, split

HTTP = """
upstream kept { server 127.0.0.1:%%PORT_up%%; keepalive 4; }
upstream own { server 127.0.0.1:%%PORT%%; keepalive 4; }
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_next_upstream off;
proxy_cache_path bulk keys_zone=b:1m max_size=20m;
client_max_body_size 400k; client_body_buffer_size 16k; keepalive_requests 10000;
types { text/plain txt; } gzip_types text/plain; gzip_min_length 100;
"""
SERVER = """
client_header_timeout 3s; client_body_timeout 3s; send_timeout 3s; keepalive_timeout 1s;
proxy_read_timeout 3s; proxy_send_timeout 3s; proxy_connect_timeout 3s;
location = /end { return 200 end; }
location /return { return 200 $request_method; }
location /file { alias html/small.txt; }
location /deny { deny all; }
location /limited { client_max_body_size 60k; return 200; }
location /kept/ { proxy_pass http://kept; }
location /streamed/ { proxy_pass http://kept; proxy_request_buffering off; }
location /memory/ { proxy_pass http://kept; client_body_buffer_size 512k; }
location /own/ { proxy_pass http://own/; }
location /ownstreamed/ { proxy_pass http://own/; proxy_request_buffering off; }
location /ownwhole/ { proxy_pass http://own/; proxy_buffering off; }
location /ownsmall/ {
    proxy_pass http://own/; proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k;
}
location /ownless/ {
    proxy_pass http://own/; proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k;
    proxy_max_temp_file_size 0;
}
location /ownclosing/ { proxy_pass http://own/; proxy_set_header Connection close; }
location /cached/ { proxy_pass http://own/; proxy_cache b; proxy_cache_valid any 1m; }
location /big/ { alias html/; }
location /packed/ { alias html/; gzip on; }
location /rated/ { alias html/; limit_rate 2m; }
location /pages/ { error_page 404 /big/small.txt; error_page 405 =200 @kept; alias html/; }
location @kept { proxy_pass http://kept; }
location /asked/ { auth_request /ask; proxy_pass http://kept; }
location = /ask { internal; proxy_pass http://own/return; proxy_pass_request_body off; }
location /copied/ { mirror /copy; proxy_pass http://kept; }
location = /copy { internal; proxy_pass http://own/return; }
"""
FILES = {
    "html/small.txt": "small " * 40,
    "html/big.txt": "".join(
        f"{a}{b}{c}{d} line\n" for a, b, c, d in product("abcdefghijklm", repeat=4)
    )[:320_000],
}
SIZES = [
    0,
    1,
    1000,
    8000,
    16_384,
    16_385,
    40_000,
    64_000,
    65_536,
    70_000,
    131_072,
    150_000,
    300_000,
]
ANSWERS = ["/return", "/file", "/deny", "/limited", "/pages/none", "/pages/small.txt"]
READERS = ["/kept/", "/streamed/", "/memory/", "/asked/", "/copied/"]
PROXIES = ["/own", "/ownstreamed", "/ownwhole", "/ownsmall", "/ownless", "/ownclosing"]
DOWN = ["/big/big.txt", "/packed/big.txt", "/rated/big.txt", "/big/small.txt"]


def setting(r: Random, batch: int) -> Setting:
    return Setting(HTTP, (SERVER,), FILES)


def case(r: Random, setting: Setting, number: int) -> Case:
    data = b"".join(_request(r) for _ in range(r.choice((1, 1, 2, 3, 5))))
    return Case(split(r, data), takes_its_time=r.random() < 0.3)


def _request(r: Random) -> bytes:
    if r.random() < 0.4:
        return _download(r)
    path = r.choice(ANSWERS + READERS)
    if r.random() < 0.5:
        path = r.choice(PROXIES) + path
    size = r.choice(SIZES)
    body = b"0123456789abcdef" * (size // 16) + b"." * (size % 16)
    lines = [f"{mostly(r, ['POST', 'PUT'], ['GET', 'DELETE', 'HEAD'])} {path} HTTP/1.1", "Host: a"]
    if r.random() < 0.3:
        lines.append("Transfer-Encoding: chunked")
        body = chunked(r, body, 0.0)
    else:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _download(r: Random) -> bytes:
    path = r.choice(DOWN)
    if r.random() < 0.6:
        path = r.choice([*PROXIES, "/cached"]) + path
    lines = [f"{mostly(r, ['GET'], ['HEAD'])} {path} HTTP/1.1", "Host: a"]
    if r.random() < 0.2:
        start = r.randrange(320_000)
        lines.append(f"Range: bytes={start}-{r.choice(('', start + 10, start + 100_000))}")
    if r.random() < 0.3:
        lines.append("Accept-Encoding: gzip")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
