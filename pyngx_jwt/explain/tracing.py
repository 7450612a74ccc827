"""What is sent to an OpenTelemetry collector about a request."""

from __future__ import annotations

from ..conf.scope import Scope
from ..http.level import Level
from ..http.request import Request
from ..modules.otel.conf import OtelConf
from ..modules.otel.context import KEY, Trace
from ..modules.otel.spans import NONE
from ..modules.otel.tracing import Collector, Tracing
from .lines import Result, shown
from .trip import Trip

NAME = "otel"


def report_tracing(scope: Scope, begun: Level | None, r: Request, trip: Trip) -> None:
    """Adds whether a request is traced, by its first location, and what its span says."""
    tracing = scope.shared(Tracing)
    if tracing.collector is None:
        return
    if begun is None:
        trip.add(Result.SKIPPED, NAME, "the request is not traced: it does not get to a location")
        return
    trace: Trace | None = (r.main.lasting or {}).get(KEY)
    statements = begun.set_by("otel_trace")
    wanted = begun[OtelConf].otel_trace
    why = "no otel_trace"
    if wanted is not None:
        why = f"otel_trace {shown(wanted.text)}"
        value = wanted.bind(begun.variables)(r)
        if value != wanted.text:
            why += f', which is "{shown(value)}"'
    if trace is None or not trace.sampled:
        trip.add(Result.SKIPPED, NAME, f"the request is not traced: {why}", *statements)
    else:
        trip.add(Result.NOTE, NAME, f"the request is traced: {why}", *statements)
        _report_span(tracing, tracing.collector, r, trip)
    _report_context(begun, trace, trip)


def _report_context(begun: Level, trace: Trace | None, trip: Trip) -> None:
    """The fields of requests."""
    mode = begun[OtelConf].otel_trace_context
    if trace is None or mode == "ignore":
        return
    parts = []
    if mode != "inject":
        client = f"the trace {trace.id.hex()} of the client is continued"
        parts.append(client if trace.parent_id else "the client names no trace")
    if mode != "extract":
        parts.append('upstreams get "traceparent"')
    text = ", ".join(parts)
    trip.add(Result.NOTE, NAME, text, *begun.set_by("otel_trace_context"))


def _report_span(tracing: Tracing, collector: Collector, r: Request, trip: Trip) -> None:
    """Where the span goes to; its name and attributes are those of the location that answers."""
    level: Level = r.location.core.level
    description = tracing.descriptions.get(r.location, NONE)
    name = description.name(r) if description.name is not None else r.location.name
    scheme = "https" if collector.has_tls else "http"
    service = tracing.all_of_resource()["service.name"]
    text = f'the span "{shown(name)}" of "{shown(service)}" goes to {scheme}://{collector.endpoint}'
    trip.add(Result.NOTE, NAME, text, *level.set_by("otel_span_name"))
    attributes = [f'{key}="{shown(value(r))}"' for key, value in description.attributes]
    if attributes:
        text = f"attributes: {', '.join(attributes)}"
        trip.add(Result.NOTE, NAME, text, *level.set_by("otel_span_attr"))
