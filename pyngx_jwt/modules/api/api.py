"""Provides an HTTP API for statistics and for changes of groups and key-value databases, as
ngx_http_api_module of NGINX Plus does."""

from __future__ import annotations

from collections.abc import Awaitable

from ...conf.directive import Conf, directive, own
from ...conf.scope import Scope
from ...errors import ConfError
from ...gateway.groups import Upstreams
from ...http.body import read_body
from ...http.contexts import LOCATION
from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request, Status
from ...metrics import Tallies
from ...stream.level import stream_shared


class ApiConf(Conf):
    _on = own(False)
    _writes = own(False)

    @directive(LOCATION, syntax="api [write=on | off];")
    def api(self, parameter: str = "write=off") -> None:
        """Provides the REST API of NGINX Plus, versions 1 to 9, below this location: statistics of
        all workers, and with "write=on" changes of the servers of groups with "zone" and of
        key-value databases.  A name that is added to a group is resolved by "resolver".  Restrict
        access to it."""
        if parameter not in ("write=on", "write=off"):
            raise ConfError(f'invalid parameter "{parameter}"')
        self.once("_on", "api")
        self._on, self._writes = True, parameter == "write=on"
        self.scope.shared(Tallies).wanted = True
        if self._writes:
            self.scope.shared(Writes).wanted = True


class Writes:
    """Whether a configuration has an API that can change it."""

    def __init__(self) -> None:
        self.wanted = False


api = Module("api", ApiConf)


@api.after_read
def follow_changes(scope: Scope) -> None:
    """Groups have to look whether another worker has changed them."""
    if not scope.shared(Writes).wanted:
        return
    for groups in (scope.shared(Upstreams), stream_shared(scope, Upstreams)):
        for name, conf in groups.declared.items():
            group = groups.get(name)
            assert group is not None
            conf.allow_changes(group)


@api.content
def serve_api(conf: ApiConf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    from .call import READS, answer_call  # which takes time to import

    scope, writes = level.scope, conf._writes

    def handle(r: Request) -> Awaitable[Status | None] | Status:
        if r.method in READS:
            return answer_call(r, scope, b"", writes=writes)
        return change(r)

    async def change(r: Request) -> Status:
        body = await read_body(r)
        data = b"".join(body.chunks())
        return answer_call(r, scope, data, writes=writes)

    return handle
