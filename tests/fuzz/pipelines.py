"""Pipelines: several requests with and without bodies, in one packet or in many.

Both upstreams have to see the same sequence of requests and bodies, else one of the servers finds
other requests in the same bytes.
"""

from __future__ import annotations

from random import Random

from . import raw
from .case import Case, Setting
from .requests import chunked, mostly, split

PLACES = ["/p/", "/s/", "/k/", "/k/", "/u/", "/m/", "/", "/f/a.txt", "/missing/"]
BETWEEN = [b"", b"", b"", b"\r\n", b"\n", b"\r\n\r\n", b"\r\n" * 14, b"\r\n" * 15]
SMUGGLED = [
    b"GET /p/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /k/smuggled HTTP/1.1\r\nHost: a\r\nX: ",
    b"\r\nGET /s/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"0\r\n\r\nGET /p/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    b"5\r\n01234\r\n0\r\n\r\n",
]


def setting(r: Random, batch: int) -> Setting:
    return raw.setting(r, batch)


def case(r: Random, setting: Setting, number: int) -> Case:
    requests = [_request(r, n) for n in range(r.randrange(2, 6))]
    if r.random() < 0.2:  # a server may know requests again
        requests = [request for request in requests for _ in range(r.choice((1, 2, 3)))]
    return Case(split(r, b"".join(requests)), about=raw.refusals(setting))


def _request(r: Random, number: int) -> bytes:
    place = f"{r.choice(PLACES)}{number if r.random() < 0.6 else ''}"
    body = _body(r)
    method = r.choice(("POST", "PUT", "PATCH", "GET", "OPTIONS", "HEAD", "DELETE"))
    lines = [f"Host: {r.choice(('a', 'a', 'h'))}"]
    if body is not None or r.random() < 0.1:
        body = body or b""
        if r.random() < 0.5:
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
            body = chunked(r, body, 0.04)
        if r.random() < 0.06:
            lines.append(r.choice(_ambiguous(len(body))))
        if r.random() < 0.1:
            lines.append("Expect: 100-continue")
    if r.random() < 0.1:
        lines.append(r.choice(("X-A: GET /hidden HTTP/1.0", "Connection: keep-alive", "X_B: c")))
    r.shuffle(lines)
    version = mostly(r, ["HTTP/1.1"], ["HTTP/1.0", "HTTP/1.2"], 0.03)
    end = mostly(r, ["\r\n"], ["\n"], 0.05)
    head = f"{method} {place} {version}{end}" + "".join(line + end for line in lines) + end
    return r.choice(BETWEEN) + head.encode() + (body or b"")


def _body(r: Random) -> bytes | None:
    kind = r.random()
    if kind < 0.4:
        return None
    if kind < 0.5:
        return b""
    if kind < 0.7:
        return r.choice(SMUGGLED)
    return r.randbytes(r.choice((1, 5, 19, 20, 21, 500, 5000)))


def _ambiguous(size: int) -> list[str]:
    lines = [f"Content-Length: {size}", f"Content-Length: {size + 1}", "Content-Length: 0"]
    lines += [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer_Encoding: chunked",
    ]
    return [*lines, "Content_Length: 3", f"Content-Length:\t{size}", "Transfer-Encoding : chunked"]
