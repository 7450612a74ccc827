"""What "stream" listens with."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..http.ports import AddressOf, PortOf
from .level import StreamLevel
from .session import StreamServer


@dataclass(slots=True)
class StreamPort(PortOf[AddressOf[StreamServer]]):
    """A socket of "stream"."""


@dataclass(slots=True)
class StreamBuilt:
    """The compiled stream block; empty if there is none."""

    servers: list[tuple[StreamLevel, StreamServer]] = field(default_factory=list)
    ports: dict[str, StreamPort] = field(default_factory=dict)
