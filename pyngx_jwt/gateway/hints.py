"""Early hints of upstreams, on their way to the client (ngx_http_upstream_process_early_hints)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..http.level import Level
from ..http.request import Request
from ..http.template import Template
from ..log import Severity
from ..upstream.head import PeerResponse
from .conf import GatewayConf

PassHints = Callable[[PeerResponse], None]


def compile_hints(
    conf: GatewayConf, level: Level, values: Iterable[Template], hidden: frozenset[str]
) -> Callable[[Request], PassHints] | None:
    """A function that gives what passes the hints of one upstream on; None if they are not to
    be passed on, as the `values` of "early_hints" say."""
    predicates = [value.bind(level.variables) for value in values]
    hidden = (hidden | set(conf.hidden)) - set(conf.passed)
    if not predicates:
        return None

    def begin(r: Request) -> PassHints:
        size = 0

        def pass_on(response: PeerResponse) -> None:
            nonlocal size
            size += response.size
            if size > conf.buffer_size:
                r.log(Severity.INFO, "upstream sent too big early hints")
            elif r.parent is None and any(
                predicate(r) not in ("", "0") for predicate in predicates
            ):
                fields = zip(response.names, response.headers, strict=True)
                r.sink.hint([field for name, field in fields if name not in hidden])

        return pass_on

    return begin
