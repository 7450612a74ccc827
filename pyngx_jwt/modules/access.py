"""Limits access by client address."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..conf.directive import Conf, directive
from ..http.cidr import UNIX, Network, plain
from ..http.contexts import EVERYWHERE, LIMIT_EXCEPT
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import OK, Handler, Status
from ..http.session import Session
from ..log import Severity
from ..stream.contexts import IN_STREAM
from ..stream.level import StreamLevel
from ..stream.module import StreamModule
from ..stream.session import StreamHandler, StreamPhase
from .addresses import declared_network
from .core import CoreConf

HERE = EVERYWHERE | LIMIT_EXCEPT | IN_STREAM
ALL = (Network(4), Network(16), UNIX)


class AccessRule(NamedTuple):
    network: Network
    deny: bool


class AccessConf(Conf):
    rules: tuple[AccessRule, ...] = ()

    @directive(HERE, syntax="allow address | CIDR | unix: | all")
    def allow(self, address: str) -> None:
        """Permits an address or network.  Rules are checked in their order, and the first one that
        matches applies.  Inherited if and only if the level has none of its own."""
        self._add(address, deny=False)

    @directive(HERE, syntax="deny address | CIDR | unix: | all")
    def deny(self, address: str) -> None:
        """Denies an address or network, with code 403; in
        "stream", the connection is closed.  Rules are checked in their order, and the
        first one that matches applies."""
        self._add(address, deny=True)

    def _add(self, text: str, *, deny: bool) -> None:
        rules = tuple(AccessRule(network, deny) for network in self._networks(text))
        self.rules = (*vars(self).get("rules", ()), *rules)

    def _networks(self, text: str) -> tuple[Network, ...]:
        if text == "all":
            return ALL
        if text == "unix:":
            return (UNIX,)
        return (declared_network(self.scope, text, "invalid parameter"),)


access = Module("access", AccessConf)


@access.handler(Phase.ACCESS)
def limit_access(conf: AccessConf, level: Level) -> Handler | None:
    if not conf.rules:
        return None
    return _handler(conf, log_denied=level[CoreConf].satisfy == "all")


def _handler(conf: AccessConf, *, log_denied: bool) -> Callable[[Session], Status | None] | None:
    if not conf.rules:
        return None
    tables = {
        size: [
            (rule.network.mask, rule.network.address, rule.deny)
            for rule in conf.rules
            if rule.network.size == size
        ]
        for size in (0, 4, 16)
    }

    def handle(r: Session) -> Status | None:
        packed = r.connection.binary_remote_addr
        if tables[4]:
            packed = plain(packed)
        value = int.from_bytes(packed)
        for mask, address, deny in tables[len(packed)]:
            if value & mask == address:
                if not deny:
                    return OK
                if log_denied:
                    r.log(Severity.ERR, "access forbidden by rule")
                return 403
        return None

    return handle


stream_access = StreamModule("stream_access", AccessConf)


@stream_access.handler(StreamPhase.ACCESS)
def limit_connections(conf: AccessConf, level: StreamLevel) -> StreamHandler | None:
    return _handler(conf, log_denied=True)
