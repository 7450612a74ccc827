"""Reports statistics as metrics for Prometheus."""

from __future__ import annotations

from ...conf.directive import UNLIMITED, Conf, directive, own
from ...errors import ConfError
from ...http.contexts import LOCATION, SERVER
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from ...metrics import Tallies


class MetricsConf(Conf):
    _names: tuple[str, ...] = own(())

    @directive(
        SERVER | LOCATION,
        syntax="pyngx_metrics [nginx | plus | vts | pyngx] ...;",
        arity=(0, UNLIMITED),
    )
    def pyngx_metrics(self, *names: str) -> None:
        """Returns the statistics of all workers as metrics for Prometheus, or as OpenMetrics if the
        client asks for it.  The names are those of nginx-prometheus-exporter for nginx ("nginx")
        and for NGINX Plus ("plus"), of nginx-module-vts ("vts"), and of pyngx itself; by default,
        all of them.  Any worker answers for all; the numbers of others can be one second old.
        Restrict access to it.  An addition of pyngx."""
        from .vocabularies import VOCABULARIES  # which takes time to import

        for name in names:
            if name not in VOCABULARIES:
                raise ConfError(f'invalid parameter "{name}"')
        self.once("_names", "pyngx_metrics")
        self._names = names or tuple(VOCABULARIES)
        self.scope.shared(Tallies).wanted = True


metrics = Module("metrics", MetricsConf)


@metrics.content
def send_metrics(conf: MetricsConf, level: Level) -> Handler | None:
    if not conf._names:
        return None
    from .exposition import OPEN_METRICS, TEXT, Exposition, wants_open_metrics
    from .snapshot import Snapshot
    from .vocabularies import VOCABULARIES

    writers = [write for name in conf._names for write in VOCABULARIES[name]]
    scope = level.scope

    def handle(r: Request) -> Status:
        if r.method not in ("GET", "HEAD"):
            return 405
        is_open = wants_open_metrics(r)
        exposition, snapshot = Exposition(is_open=is_open), Snapshot(scope)
        for write in writers:
            write(exposition, snapshot)
        text = exposition.text().encode("utf-8")
        return r.respond(200, text, OPEN_METRICS if is_open else TEXT)

    return handle
