"""Sends spans to a collector, from the event loop of a worker.

gRPC reads, writes and resolves names in threads of its own, and the loop hears of the outcome.
Spans that are not sent are kept in a number of batches that is limited: a request never waits for
the collector, and whatever there is no room for is dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ... import NGINX_VERSION
from ...log import Severity

Attribute = tuple[str, str | int | list[str]]
Report = Callable[[Severity, str], None]
SERVER = 2  # SPAN_KIND_SERVER
ERROR = 2  # STATUS_CODE_ERROR
METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PATIENCE = 10.0  # seconds for an export, as in OpenTelemetry's own exporters
FAREWELL = 1.0  # seconds for the last ones, when a worker ends
# A collector that is back is found within seconds; gRPC would wait for up to two minutes.
OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
)
# Places in `Exporter.counts`.
EXPORTED, FAILED, DROPPED = range(3)


class Span(NamedTuple):
    """A request that is over.  Times are nanoseconds since the epoch."""

    name: str
    trace: bytes
    id: bytes
    parent: bytes
    state: str
    start: int
    end: int
    attributes: tuple[Attribute, ...]
    is_error: bool


class Target(NamedTuple):
    """The collector as an exporter needs it."""

    channel: Any  # gRPC's
    headers: tuple[tuple[str, str | bytes], ...]
    batch_size: int
    batch_count: int
    interval: float  # seconds


class Exporter:
    """One per worker, used on its event loop only."""

    def __init__(
        self, target: Target, library: Any, resource: dict[str, str], report: Report
    ) -> None:
        self.counts = [0, 0, 0]  # spans
        self._target, self._library, self._report = target, library, report
        self._resource = tuple(resource.items())
        self._export = target.channel.unary_unary(
            METHOD,
            response_deserializer=library.ExportTraceServiceResponse.FromString,
        )
        self._batch: Any = None  # that is being filled, and the list of its spans
        self._spans: Any = None
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._noted = 0  # the second in which drops were last reported

    @property
    def is_full(self) -> bool:
        """Whether another span cannot be taken."""
        return self._batch is None and len(self._on_their_way) >= self._target.batch_count

    def add(self, span: Span) -> None:
        """Takes a span, for which there is room."""
        if self._batch is None:
            self._begin()
        _write(self._spans.add(), span)
        if len(self._spans) >= self._target.batch_size:
            self.flush()

    def drop(self) -> None:
        """There is no room for a span."""
        self.counts[DROPPED] += 1
        if self._noted != (now := int(time.time())):
            self._noted = now
            self._report(Severity.NOTICE, f"OTel dropped records: {self.counts[DROPPED]}")

    def flush(self) -> None:
        """Sends what there is."""
        if self._batch is not None:
            # As bytes they take a fraction of the memory.
            batch, count = self._batch.SerializeToString(), len(self._spans)
            self._batch = self._spans = None
            task = asyncio.get_running_loop().create_task(self._send(batch, count))
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)

    async def run(self) -> None:
        """Sends regularly; once cancelled, what is left."""
        try:
            while True:
                await asyncio.sleep(self._target.interval)
                self.flush()
        finally:
            self.flush()
            if self._on_their_way:
                await asyncio.wait(self._on_their_way, timeout=FAREWELL)
            await self._target.channel.close()

    def _begin(self) -> None:
        self._batch = self._library.ExportTraceServiceRequest()
        spans = self._batch.resource_spans.add()
        for name, value in self._resource:
            spans.resource.attributes.add(key=_text(name)).value.string_value = _text(value)
        scope = spans.scope_spans.add()
        scope.scope.name, scope.scope.version = "nginx", NGINX_VERSION
        self._spans = scope.spans

    async def _send(self, batch: bytes, count: int) -> None:
        target, rejected = self._target, 0
        try:
            answer = await self._export(batch, timeout=PATIENCE, metadata=target.headers)
            if rejected := min(count, max(0, answer.partial_success.rejected_spans)):
                text = answer.partial_success.error_message
                self._report(Severity.ERR, f"OTel collector rejected {rejected} records: {text}")
        except asyncio.CancelledError:
            rejected = count
            raise
        except Exception as error:  # gRPC's, which has details, or whatever it may raise
            rejected = count
            self._report(Severity.ERR, f"OTel export failure: {_reason(error)}")
        finally:
            self.counts[FAILED] += rejected
            self.counts[EXPORTED] += count - rejected


def _reason(error: Exception) -> str:
    """A variable of the coroutine with a part of the error would be a circle, which keeps the
    batch: garbage is collected rarely."""
    details = getattr(error, "details", None)
    return str(details() if callable(details) else error)


def _write(message: Any, span: Span) -> None:
    message.name, message.kind = _text(span.name), SERVER
    message.trace_id, message.span_id = span.trace, span.id
    message.parent_span_id, message.trace_state = span.parent, _text(span.state)
    message.start_time_unix_nano, message.end_time_unix_nano = span.start, span.end
    add = message.attributes.add
    for name, value in span.attributes:
        attribute = add(key=_text(name)).value
        if isinstance(value, str):
            attribute.string_value = _text(value)
        elif isinstance(value, int):
            attribute.int_value = value
        else:
            _write_list(attribute.array_value.values, value)
    if span.is_error:
        message.status.code = ERROR


def _write_list(values: Any, texts: Sequence[str]) -> None:
    for text in texts:
        values.add().string_value = _text(text)


def _text(text: str) -> str:
    """A text of ours, one character per byte, as protobuf has it: collectors refuse a whole batch
    for a string that is not UTF-8."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")
