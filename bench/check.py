"""Holds every answer against what its row is about, before anything is timed."""

from __future__ import annotations

import gzip
import socket
import ssl
import sys
from collections.abc import Sequence
from http.client import HTTPResponse
from typing import NamedTuple

import httpx

from .http3 import ask_once
from .requests import common_head, requests, targets
from .rows import Row
from .servers import Server

SAMPLES = 20  # requests that are tried, spread over all


def check(server: Server, row: Row, tokens: Sequence[str]) -> None:
    """Ends the program if the server does not do what the row is about."""
    try:
        if row.load == "http3":
            _check_http3(server, row, requests(row, tokens, varied=True))
        elif row.load == "h2load":
            _check_http2(server, row, targets(row, tokens, varied=True))
        else:
            _check_http1(server, row, requests(row, tokens, varied=True))
    except (OSError, ValueError, httpx.HTTPError) as error:
        sys.exit(f"{server.name}, {row.name}: {error}")


def _check_http1(server: Server, row: Row, texts: list[bytes]) -> None:
    if row.paths:
        for text in texts[: row.paths]:  # each of the keys is in the cache then
            _ask(server, row, text)
    for text in texts[:: len(texts) // SAMPLES]:
        answer = _ask(server, row, text)
        body = answer.body
        if row.gzips:
            if answer.encoding != "gzip" or len(body) > row.size / 2:
                raise ValueError(f"not compressed: {len(body)} bytes")
            body = gzip.decompress(body)
        if answer.cached != "HIT":
            raise ValueError(f"cache status {answer.cached}")
        _hold(row, answer.status, len(body))
    if row.tokens:
        _hold_refusal(_ask(server, row, _broken(texts[0])).status)


def _hold(row: Row, status: int, size: int) -> None:
    if status != 200 or size != row.size:
        raise ValueError(f"answers {status} with {size} bytes instead of {row.size}")


def _broken(text: bytes) -> bytes:
    """The request with a token that is damaged."""
    return text.replace(b"Authorization: Bearer ey", b"Authorization: Bearer ex")


def _hold_refusal(status: int) -> None:
    if status not in (401, 403):
        raise ValueError(f"answers {status} to a broken token")


class _Answer(NamedTuple):
    status: int
    encoding: str
    cached: str
    body: bytes


def _ask(server: Server, row: Row, text: bytes) -> _Answer:
    with socket.create_connection(("127.0.0.1", server.ports.of(row.way)), 10) as plain:
        sock = _context().wrap_socket(plain) if row.way == "tls" else plain
        with sock:
            sock.sendall(text)
            answer = HTTPResponse(sock, method=text.partition(b" ")[0].decode())
            answer.begin()
            encoding = answer.getheader("Content-Encoding", "")
            cached = answer.getheader("X-Cache", "HIT")
            return _Answer(answer.status, encoding, cached, answer.read())


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _check_http2(server: Server, row: Row, listed: list[str]) -> None:
    origin = f"https://127.0.0.1:{server.ports.tls}"
    with httpx.Client(http1=False, http2=True, verify=False, headers=common_head()) as client:
        for target in listed[:: len(listed) // SAMPLES]:
            answer = client.get(origin + target)
            if answer.http_version != "HTTP/2":
                raise ValueError(f"speaks {answer.http_version}")
            _hold(row, answer.status_code, len(answer.content))
        if row.tokens:
            broken = listed[0].replace("token=ey", "token=ex")
            _hold_refusal(client.get(origin + broken).status_code)


def _check_http3(server: Server, row: Row, texts: list[bytes]) -> None:
    for text in texts[:: len(texts) // SAMPLES]:
        status, body = ask_once(server.ports.tls, text)
        _hold(row, status, len(body))
    if row.tokens:
        _hold_refusal(ask_once(server.ports.tls, _broken(texts[0]))[0])
