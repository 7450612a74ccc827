"""The content handler of the modules that pass requests on."""

from __future__ import annotations

from ...core.logs import Logs
from ...dns import Resolvers
from ...gateway.cache_conf import CachedConf
from ...gateway.cached import gateway_to
from ...gateway.conf import GatewayConf
from ...gateway.exchange import Gateway
from ...gateway.health import note_checks
from ...gateway.route import GatewayOptions
from ...gateway.target import Names
from ...gateway.wire import Wire
from ...http.level import Level
from ...http.request import Handler
from ..core import CoreConf


def pass_to(
    conf: GatewayConf, level: Level, wire: Wire, gateway: type[Gateway] = Gateway
) -> Handler:
    """The content handler of a location that passes its requests on; `gateway` is that of a
    protocol which has more to say of them, and no cache."""
    core = level[CoreConf]
    options = GatewayOptions(_names(conf, core), core.early_hints_of)
    note_checks(conf, level, wire, options)
    if isinstance(conf, CachedConf):
        return gateway_to(conf, level, wire, options)
    return gateway(conf, level, wire, options).pass_on


def _names(conf: GatewayConf, core: CoreConf) -> Names | None:
    """How a location resolves names, if its target can have some."""
    if core.resolver is None or conf.target is None or conf.target.url is not None:
        return None
    resolver = conf.scope.shared(Resolvers).of(core.resolver, conf.scope.shared(Logs).main)
    return Names(resolver, core.resolver_timeout)
