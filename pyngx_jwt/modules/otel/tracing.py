"""What a configuration has of tracing, for all of its locations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...http.request import Location
from ...http.template import Text
from .exporter import Exporter


@dataclass(slots=True)
class Collector:
    """Where spans are sent to, and when: the block "otel_exporter"."""

    endpoint: str = ""
    has_tls: bool = False
    certificates: bytes | None = None  # PEM; None: those that gRPC has
    headers: list[tuple[str, str | bytes]] = field(default_factory=list)
    interval: float = 5.0  # seconds
    batch_size: int = 512
    batch_count: int = 4
    given: set[str] = field(default_factory=set)


class Description(NamedTuple):
    """How the spans of a location are called, and what else they say."""

    name: Text | None
    attributes: tuple[tuple[str, Text], ...]


@dataclass(slots=True)
class Tracing:
    collector: Collector | None = None
    library: Any = None  # the messages of OTLP
    service: str = ""
    resource: dict[str, str] = field(default_factory=dict)
    descriptions: dict[Location, Description] = field(default_factory=dict)
    exporter: Exporter | None = None  # of a worker

    def all_of_resource(self) -> dict[str, str]:
        """The attributes of the server, with its name."""
        if self.service:
            return {**self.resource, "service.name": self.service}
        return {"service.name": "unknown_service:nginx", **self.resource}
