"""Follows requests from their first location to their end."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ...conf.scope import Scope
from ...core.logs import Logs
from ...core.worker import WorkerLife
from ...errors import ConfError
from ...http.contexts import SERVER
from ...http.engine import log_failure
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import URI_CHANGES, Handler, Request, Status
from ...http.settle import noted
from ...log import Severity
from ...metrics import Tallies
from ...metrics.kinds import SPANS
from .conf import OtelConf
from .context import Trace, inject, trace_of
from .exporter import OPTIONS, Exporter, Target
from .spans import NONE, span_of
from .tracing import Collector, Description, Tracing

otel = Module("otel", OtelConf)


class Ending:
    """What is done when a traced request is over.  It lets go of the request, which has it."""

    __slots__ = ("r", "trace", "tracing")

    def __init__(self, r: Request, trace: Trace, tracing: Tracing) -> None:
        self.r: Request | None = r
        self.trace, self.tracing = trace, tracing

    def __call__(self) -> None:
        r, self.r = self.r, None
        exporter = self.tracing.exporter
        if r is None or exporter is None:
            return
        if exporter.is_full:
            exporter.drop()
            return
        try:
            description = self.tracing.descriptions.get(r.location, NONE)
            exporter.add(span_of(r, self.trace, description))
        except Exception as error:  # costs its own span only
            log_failure(r, error)


@otel.variable("otel_trace_id")
def otel_trace_id(r: Request) -> str:
    """Identifier of the trace, in hexadecimal."""
    return _trace(r).id.hex()


@otel.variable("otel_span_id")
def otel_span_id(r: Request) -> str:
    """Identifier of the span of this request, in hexadecimal."""
    return _trace(r).span_id.hex()


@otel.variable("otel_parent_id")
def otel_parent_id(r: Request) -> str | None:
    """Identifier of the span of the client, if its trace is continued."""
    return _trace(r).parent_id.hex() or None


@otel.variable("otel_parent_sampled")
def otel_parent_sampled(r: Request) -> str:
    """ "1" if the client traces the request and its trace is continued, otherwise "0"."""
    return "1" if _trace(r).parent_sampled else "0"


def _trace(r: Request) -> Trace:
    mode = r.location.conf(OtelConf).otel_trace_context
    return trace_of(r, extract=mode in ("extract", "propagate"))


@otel.after_merge
def check_collector(conf: OtelConf, level: Level) -> None:
    """Spans need a place to go to."""
    if conf.otel_trace is None or level.scope.shared(Tracing).collector is not None:
        return
    statement = level.set_by("otel_trace")[-1]
    error = ConfError('"otel_exporter" block is missing')
    raise error.at(statement.file, statement.line)


@otel.handler(Phase.REWRITE)
def begin_in_location(conf: OtelConf, level: Level) -> Handler | None:
    """Before all that a location does; its "return" is traced."""
    return None if level.context & SERVER else _begin(conf, level)


@otel.handler(Phase.PREACCESS)
def begin_without_location(conf: OtelConf, level: Level) -> Handler | None:
    """Where no location is found, the server's own level serves the request."""
    return _begin(conf, level) if level.context & SERVER else None


def _begin(conf: OtelConf, level: Level) -> Handler | None:
    mode, wanted = conf.otel_trace_context, conf.otel_trace
    if mode == "ignore" and (wanted is None or wanted.text == "off"):
        return None
    before = level.variables.unsettled_uses
    value = wanted.bind(level.variables) if wanted is not None else None
    waits = level.variables.unsettled_uses > before
    extracts, injects = mode in ("extract", "propagate"), mode in ("inject", "propagate")
    tracing = level.scope.shared(Tracing)

    def begin(r: Request) -> Status | None:
        if not _is_first(r):
            return None
        sampled = value is not None and value(r) in ("on", "1")
        if not sampled and mode == "ignore":
            return None
        trace = trace_of(r, extract=extracts)
        trace.sampled = sampled
        if sampled:
            r.cleanups += (Ending(r, trace, tracing),)
        if injects:
            inject(r, trace)
        return None

    async def begin_settled(r: Request) -> Status | None:
        """Variables such as claims need the token, if there is one."""
        if _is_first(r) and (rc := noted(r)) is not None:
            status = rc if isinstance(rc, int) else await rc
            if status:
                return status
        return begin(r)

    return begin_settled if waits else begin


def _is_first(r: Request) -> bool:
    """Whether this is the first location of a client's request: later ones decide nothing."""
    return r.parent is None and r.uri_changes == URI_CHANGES


@otel.looks_around  # it leaves something for each location
@otel.log
def describe(conf: OtelConf, level: Level) -> Callable[[Request], None] | None:
    """Only requests that are traced look for what this leaves; others run nothing."""
    if level.location is not None and (conf.otel_span_name or conf.attributes):
        variables = level.variables
        level.scope.shared(Tracing).descriptions[level.location] = Description(
            conf.otel_span_name.bind(variables) if conf.otel_span_name else None,
            tuple((name, value.bind(variables)) for name, value in conf.attributes),
        )
    return None


@otel.worker_starts
def start(scope: Scope, life: WorkerLife) -> None:
    tracing, log = scope.shared(Tracing), scope.shared(Logs).main
    collector = tracing.collector
    if collector is None:
        return

    def report(level: Severity, text: str) -> None:
        log.write(level, text)

    target = Target(
        _channel(collector),
        tuple(collector.headers),
        collector.batch_size,
        collector.batch_count,
        collector.interval,
    )
    exporter = Exporter(target, tracing.library, tracing.all_of_resource(), report)
    tracing.exporter = exporter
    tallies = scope.shared(Tallies)
    if tallies.wanted:
        row = tallies.row(SPANS)
        row.changed()  # counters begin with 0
        tallies.follow(row, lambda: exporter.counts)
    life.until_end(exporter.run())


def _channel(collector: Collector) -> Any:
    grpc: Any = import_module("grpc")
    if not collector.has_tls:
        return grpc.aio.insecure_channel(collector.endpoint, options=OPTIONS)
    credentials = grpc.ssl_channel_credentials(collector.certificates)
    return grpc.aio.secure_channel(collector.endpoint, credentials, options=OPTIONS)


@otel.worker_ends
def end(scope: Scope) -> None:
    scope.shared(Tracing).exporter = None
