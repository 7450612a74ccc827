"""Requests over HTTP/2: what wires have in common that speak it to upstreams."""

from __future__ import annotations

from ..upstream.client import PeerConnection
from ..upstream.http2 import HTTP2, Http2Connection
from ..upstream.reader import ResponseReader
from .fields import join_lines
from .wire import Outgoing, SplitHead


def start_lines(method: str, scheme: str, path: str, authority: str) -> list[str]:
    """The pseudo-header fields; without an authority there is a field "Host"."""
    lines = [f":method: {method}\r\n", f":scheme: {scheme}\r\n", f":path: {path}\r\n"]
    return [*lines, f":authority: {authority}\r\n"] if authority else lines


def join_head(lines: list[str]) -> bytes:
    """The head of a request, as the connection takes it; raises SplitHead."""
    head = join_lines(lines)
    pseudo = sum(line.startswith(":") for line in lines[:4])
    if head.count(b"\n:") != pseudo - 1:  # a field of the client must not be one more
        raise SplitHead
    return head


class Http2Wire:
    """A wire that speaks HTTP/2."""

    whole_heads = False
    takes_body = True
    streams_unknown_length = True
    upgrades = False
    connection: type[PeerConnection]
    kept: ResponseReader

    def speak_http2(self) -> None:
        """What takes the place of what a wire has set for HTTP/1."""
        self.connection, self.kept = Http2Connection, HTTP2

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """The connection makes frames, as far as the windows of the server allow."""
        return data

    def lines(self, head: bytes) -> list[str]:
        """As they would be in HTTP/1."""
        lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[:-2]]
        start = {name: value for name, value in lines if name.startswith(":")}
        first = f"{start[':method']} {start[':path']} HTTP/2"
        host = [f"host: {start[':authority']}"] if ":authority" in start else []
        rest = (f"{name.lower()}: {value}" for name, value in lines if name not in start)
        return [first, *host, *rest, "", ""]
