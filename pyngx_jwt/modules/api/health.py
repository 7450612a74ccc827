"""Reports whether the server is alive and ready, for load balancers and container platforms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from ...conf.directive import Conf, directive, own
from ...conf.scope import Scope
from ...core.readiness import Readiness
from ...core.worker import WorkerLife
from ...errors import ConfError
from ...gateway.groups import Upstreams
from ...http.contexts import LOCATION, SERVER
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from ...stream.level import stream_shared
from ...upstream.peer import CHECKING
from ...upstream.upstream import Upstream
from .text import shown

RETRY = "5"  # seconds


class HealthConf(Conf):
    _kind = own("")

    @directive(SERVER | LOCATION, syntax="pyngx_health [live | ready];")
    def pyngx_health(self, kind: str = "") -> None:
        """Answers health checks.  "live" returns 200 as long as the worker serves requests.
        "ready" returns 200 if it is ready for traffic, otherwise 503 with the reasons: the keys of
        all files and key requests are available, names and mandatory health checks of groups have
        had results, and the worker is not shutting down.  Without a parameter, the URI decides: it
        is "live" if it ends in "/live" or "/livez", else "ready".  "pyngx --check" asks for it.  An
        addition of pyngx."""
        if kind not in ("", "live", "ready"):
            raise ConfError(f'invalid parameter "{kind}"')
        self.once("_kind", "pyngx_health")
        self._kind = kind or "both"
        if kind != "live":
            self.scope.shared(Readiness).wanted = True


health = Module("health", HealthConf)


@health.worker_starts
def watch_groups(scope: Scope, life: WorkerLife) -> None:
    readiness = scope.shared(Readiness)
    readiness.is_leaving = lambda: life.is_quitting
    for groups in (scope.shared(Upstreams), stream_shared(scope, Upstreams)):
        readiness.add(partial(_unknown_groups, groups))


def _unknown_groups(groups: Upstreams) -> Iterator[str]:
    """Groups of whose servers nothing is known yet; servers that are down are known to be."""
    for name in groups.declared:
        group = groups.get(name)
        if group is None or group.shared is None:
            continue
        peers = group.shared.look()
        if not peers and _resolves(group):
            yield f'the names of upstream "{group.name}" are not resolved yet'
        elif peers and all(peer.down & CHECKING for peer in peers):
            yield f'the servers of upstream "{group.name}" are not checked yet'


def _resolves(group: Upstream) -> bool:
    return group.shared is not None and group.shared.resolves


@health.content
def answer_checks(conf: HealthConf, level: Level) -> Handler | None:
    if not conf._kind:
        return None
    kind, readiness = conf._kind, level.scope.shared(Readiness)

    def handle(r: Request) -> Status:
        if r.method not in ("GET", "HEAD"):
            return 405
        r.add_header("Cache-Control", "no-store")
        if kind == "live" or (kind == "both" and r.uri.endswith(("/live", "/livez"))):
            return _send(r, 200, {"status": "live"})
        missing = [shown(sentence) for sentence in readiness.missing()]
        if not missing:
            return _send(r, 200, {"status": "ready"})
        r.add_header("Retry-After", RETRY)
        return _send(r, 503, {"status": "unavailable", "reasons": missing})

    return handle


def _send(r: Request, status: int, value: dict[str, object]) -> Status:
    return r.respond(status, json.dumps(value).encode() + b"\n", "application/json")
