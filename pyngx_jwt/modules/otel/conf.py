"""Traces requests, and sends the spans to an OpenTelemetry collector (OTLP over gRPC).

Directives and variables are those of nginxinc/nginx-otel.  It needs the packages
opentelemetry-proto and grpcio: `pip install 'pyngx-jwt[otel]'`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ...conf.directive import Conf, directive, enum
from ...conf.parse import Statement
from ...conf.scope import located
from ...conf.values import parse_msec, parse_size
from ...errors import ConfError
from ...extras import OTEL, load
from ...http.contexts import EVERYWHERE, HTTP
from ...http.template import Template, template
from ...log import errno_text
from .tracing import Collector, Tracing

MODES = ("ignore", "extract", "inject", "propagate")
BLOCK = "otel_exporter"
_HEADER = re.compile(r"[a-z0-9_.-]+\Z")
_VALUE = re.compile(r"[\x20-\x7e]*\Z")


class OtelConf(Conf):
    @directive(HTTP, raw=True, syntax="otel_exporter { ... }")
    def otel_exporter(self, *, entries: Iterable[Statement]) -> None:
        """Sets where spans are sent to.  "endpoint [(http|https)://]host:port;" is the collector;
        certificates are verified with those of "trusted_certificate file;".  "header name value;"
        adds a header to each export, such as a credential.  Spans are sent every
        "interval time;" (5s), and when there are "batch_size number;" of them (512).
        "batch_count number;" (4) limits the batches that each worker keeps, those on their way
        included; spans beyond are dropped and counted."""
        tracing = self.scope.shared(Tracing)
        if tracing.collector is not None:
            raise ConfError(f'"{BLOCK}" directive is duplicate')
        tracing.library = load(f'the "{BLOCK}" directive', OTEL)
        collector = Collector()
        for entry in entries:
            with located(entry):
                _set(collector, entry, self.scope.conf_name)
        if not collector.endpoint:
            raise ConfError(f'"{BLOCK}" requires "endpoint"')
        tracing.collector = collector

    @directive(HTTP, default="unknown_service:nginx")
    def otel_service_name(self, name: str) -> None:
        """Sets the resource attribute "service.name"."""
        tracing = self.scope.shared(Tracing)
        if tracing.service:
            raise ConfError('"otel_service_name" directive is duplicate')
        tracing.service = name

    @directive(HTTP)
    def otel_resource_attr(self, name: str, value: str) -> None:
        """Sets a resource attribute, which describes the server."""
        self.scope.shared(Tracing).resource[name] = value

    otel_trace = template(
        None,
        EVERYWHERE,
        'Traces requests for which the value is "on" or "1", by default none.  It is evaluated '
        "once for a request, in its first location.  A variable of split_clients can choose a "
        "share of all requests, and $otel_parent_sampled those that the client traces.",
        syntax="on | off | $variable",
    )
    otel_trace_context = enum(
        "ignore",
        MODES,
        EVERYWHERE,
        'Sets what happens to the headers "traceparent" and "tracestate": "extract" continues the '
        'trace of the client, "inject" sends the trace to upstreams in their place, and '
        '"propagate" does both.',
    )
    otel_span_name = template(
        None, EVERYWHERE, "Sets the name of spans, which is that of the location by default."
    )
    attributes: tuple[tuple[str, Template], ...] = ()

    @directive(EVERYWHERE)
    def otel_span_attr(self, name: str, value: str) -> None:
        """Adds an attribute to spans.  The value is found when the request is over."""
        self.attributes = (*vars(self).get("attributes", ()), (name, Template(value)))


def _set(collector: Collector, entry: Statement, full_name: Callable[[str], str]) -> None:
    """One entry of the block, with the checks of nginx-otel in its words."""
    setters: dict[str, tuple[int, Callable[..., Any]]] = {
        "endpoint": (1, _set_endpoint),
        "trusted_certificate": (1, lambda at, path: _set_certificates(at, full_name(path))),
        "header": (2, _add_header),
        "interval": (1, _number("interval", lambda text: parse_msec(text) / 1000)),
        "batch_size": (1, _number("batch_size", parse_size)),
        "batch_count": (1, _number("batch_count", parse_size, least=0)),
    }
    if entry.name not in setters:
        raise ConfError(f'unknown directive "{entry.name}" in "{BLOCK}"')
    count, set_value = setters[entry.name]
    if len(entry.args) != count:
        raise ConfError(f'invalid number of arguments in "{entry.name}" directive of "{BLOCK}"')
    set_value(collector, *entry.args)


def _wrong(name: str, text: str) -> ConfError:
    return ConfError(f'"{name}" directive of "{BLOCK}" {text}')


def _set_endpoint(collector: Collector, text: str) -> None:
    if collector.endpoint:
        raise _wrong("endpoint", "is duplicate")
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        collector.has_tls, text = scheme.lower() == "https", rest
    collector.endpoint = text


def _set_certificates(collector: Collector, path: str) -> None:
    try:
        with open(path.encode("latin-1"), "rb") as file:
            collector.certificates = file.read()
    except OSError as error:
        raise ConfError(f'failed to open "{path}" {errno_text(error)}') from None


def _add_header(collector: Collector, name: str, value: str) -> None:
    name = name.lower()
    if not _HEADER.match(name):
        raise _wrong("header", "has invalid header name")
    if not _VALUE.match(value):
        raise _wrong("header", "has invalid header value")
    is_binary = name.endswith("-bin")
    collector.headers.append((name, value.encode("latin-1") if is_binary else value))


def _number(
    name: str, parse: Callable[[str], float], *, least: float = 0.001
) -> Callable[[Collector, str], None]:
    def set_number(collector: Collector, text: str) -> None:
        if name in collector.given:
            raise _wrong(name, "is duplicate")
        try:
            value = parse(text)
        except ValueError:
            value = -1
        if value < least:
            raise _wrong(name, "invalid value")
        collector.given.add(name)
        setattr(collector, name, value)

    return set_number
