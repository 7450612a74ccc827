"""What "stream" listens with."""

from __future__ import annotations

from dataclasses import dataclass

from ..http.ports import AddressOf, PortOf
from .level import StreamLevel
from .session import StreamServer


@dataclass(slots=True)
class StreamPort(PortOf[AddressOf[StreamServer]]):
    """A socket of "stream"."""


class StreamBuilt:
    """The compiled stream block; empty if there is none."""

    __slots__ = ("ports", "servers")

    def __init__(self) -> None:
        self.servers: list[tuple[StreamLevel, StreamServer]] = []
        self.ports: dict[str, StreamPort] = {}
