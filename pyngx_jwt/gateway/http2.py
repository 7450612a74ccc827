"""Requests over HTTP/2: what wires have in common that speak it to upstreams."""

from __future__ import annotations

from .fields import join_lines
from .wire import SplitHead


def start_lines(method: str, scheme: str, path: str, authority: str) -> list[str]:
    """The pseudo-header fields."""
    lines = [f":method: {method}", f":scheme: {scheme}", f":path: {path}"]
    return [*lines, f":authority: {authority}"]


def join_head(lines: list[str]) -> bytes:
    """The head of a request, as the connection takes it; raises SplitHead."""
    head = join_lines(lines)
    pseudo = sum(line.startswith(":") for line in lines[:4])
    if head.count(b"\n:") != pseudo - 1:  # a field of the client must not be one more
        raise SplitHead
    return head


def lines_of(head: bytes) -> list[str]:
    """The lines of a head as they would be in HTTP/1, for people."""
    lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[:-2]]
    start = {name: value for name, value in lines if name.startswith(":")}
    first = f"{start[':method']} {start[':path']} HTTP/2"
    host = f"host: {start[':authority']}"
    rest = (f"{name.lower()}: {value}" for name, value in lines if name not in start)
    return [first, host, *rest, "", ""]
