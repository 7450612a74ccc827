"""What a configuration has of tracing, for all of its locations."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...http.request import Location
from ...http.template import Text
from .exporter import Exporter


class Collector:
    """Where spans are sent to, and when: the block "otel_exporter"."""

    __slots__ = (
        "batch_count",
        "batch_size",
        "certificates",
        "endpoint",
        "given",
        "has_tls",
        "headers",
        "interval",
    )

    def __init__(self, endpoint: str = "", has_tls: bool = False) -> None:
        self.endpoint = endpoint
        self.has_tls = has_tls
        self.certificates: bytes | None = None  # PEM; None: those that gRPC has
        self.headers: list[tuple[str, str | bytes]] = []
        self.interval = 5.0  # seconds
        self.batch_size = 512
        self.batch_count = 4
        self.given: set[str] = set()


class Description(NamedTuple):
    """How the spans of a location are called, and what else they say."""

    name: Text | None
    attributes: tuple[tuple[str, Text], ...]


class Tracing:
    __slots__ = ("collector", "descriptions", "exporter", "library", "resource", "service")

    def __init__(self, collector: Collector | None = None) -> None:
        self.collector = collector
        self.library: Any = None  # the messages of OTLP
        self.service = ""
        self.resource: dict[str, str] = {}
        self.descriptions: dict[Location, Description] = {}
        self.exporter: Exporter | None = None  # of a worker

    def all_of_resource(self) -> dict[str, str]:
        """The attributes of the server, with its name."""
        if self.service:
            return {**self.resource, "service.name": self.service}
        return {"service.name": "unknown_service:nginx", **self.resource}
