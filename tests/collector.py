"""An OpenTelemetry collector for a test: it takes spans over gRPC and shows them."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from .wire import DEADLINE


@dataclass(slots=True)
class ReceivedSpan:
    """A span with its attributes as they are read."""

    message: Any
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        name: str = self.message.name
        return name

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.message.attributes)


@dataclass(slots=True)
class Collector:
    """Listens on a port.  What it does with an export can be changed while it runs."""

    port: int
    certificate: tuple[bytes, bytes] | None = None  # key and certificate
    metadata: list[tuple[str, Any]] = field(default_factory=list)  # of the last export
    batches: list[int] = field(default_factory=list)  # the numbers of spans
    scope: tuple[str, str] = ("", "")
    rejects: int = 0  # so many spans of each batch
    waits: threading.Event | None = None  # before each answer
    _spans: queue.SimpleQueue[ReceivedSpan] = field(default_factory=queue.SimpleQueue)
    _server: Any = None

    def start(self) -> None:
        grpc: Any = pytest.importorskip("grpc", reason="a collector needs grpcio")
        stub: Any = pytest.importorskip(
            "opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc",
            reason="a collector needs opentelemetry-proto",
        )
        # Not shared with another server: the test holds the port as well.
        server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        stub.add_TraceServiceServicer_to_server(self, server)
        address = f"127.0.0.1:{self.port}"
        if self.certificate is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, grpc.ssl_server_credentials([self.certificate]))
        server.start()
        self._server = server

    def stop(self) -> None:
        if self.waits is not None:
            self.waits.set()
        server, self._server = self._server, None
        if server is not None:
            server.stop(0).wait(DEADLINE)

    def Export(self, request: Any, context: Any) -> Any:
        """What the service is called for; the name is that of the protocol."""
        if self.waits is not None:
            self.waits.wait(DEADLINE)
        self.metadata = list(context.invocation_metadata())
        answer = _messages().ExportTraceServiceResponse()
        if self.rejects:
            answer.partial_success.rejected_spans = self.rejects
            answer.partial_success.error_message = "too many"
        for group in request.resource_spans:
            resource = _values(group.resource.attributes)
            for scoped in group.scope_spans:
                self.scope = scoped.scope.name, scoped.scope.version
                self.batches.append(len(scoped.spans))
                for span in scoped.spans:
                    self._spans.put(ReceivedSpan(span, resource))
        return answer

    def span(self) -> ReceivedSpan:
        """The next span."""
        return self._spans.get(timeout=DEADLINE)

    @property
    def is_empty(self) -> bool:
        return self._spans.empty()


def _messages() -> Any:
    from importlib import import_module

    return import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


def _values(attributes: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)
