"""Where a request goes: an upstream known at load, or named by variables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from ..dns import ResolveError, Resolves
from ..errors import ConfError
from ..http.level import Level
from ..http.request import Request, Status
from ..http.session import Session
from ..log import Severity
from ..upstream.address import AddressError, Url, inet_address, parse_url
from ..upstream.peer import PeerServer
from ..upstream.upstream import Upstream, address_upstream
from .conf import GatewayConf
from .groups import Upstreams
from .scheme import split_scheme
from .tls import Tls, compile_tls
from .wire import Outgoing, Wire


class Destination:
    """The upstream for a request; `tag` is what its connections must have in common."""

    __slots__ = ("out", "tag", "tls", "upstream")

    def __init__(
        self, upstream: Upstream, out: Outgoing, tls: Tls[Request] | None, tag: Hashable
    ) -> None:
        self.upstream, self.out, self.tls, self.tag = upstream, out, tls, tag


FindDestination = Callable[[Request], "Destination | Status | Awaitable[Destination | Status]"]
MOST_KNOWN = 1000  # addresses named by variables that are remembered


class Names(NamedTuple):
    """How names that variables give are resolved."""

    resolver: Resolves
    timeout: float  # seconds


def compile_target(
    conf: GatewayConf, level: Level, wire: Wire, names: Names | None
) -> FindDestination:
    """A function that finds the upstream; raises ConfError if a fixed one cannot be had."""
    target = conf.target
    assert target is not None
    if target.url is None:
        return _by_variables(conf, level, wire, names)
    vars = wire.describe(target.scheme, target.url, from_variables=False)
    upstream = level.scope.shared(Upstreams).of_url(target.url, target.statement)
    tls = compile_tls(conf, level, wire) if wire.schemes[target.scheme].tls else None
    tag = _tag(upstream, conf, wire, tls)
    return lambda r: Destination(upstream, Outgoing(vars), tls, tag)


def _tag(upstream: Upstream, conf: GatewayConf, wire: Wire, tls: Tls[Request] | None) -> Hashable:
    """What the load knows of a location's connections that tells them from others'."""
    if upstream.pool is None:
        return None
    protocol = wire.connection, None if tls is None else id(tls)
    return upstream.pool.keepalive.tag(id(conf), protocol)


def _by_variables(
    conf: GatewayConf, level: Level, wire: Wire, names: Names | None
) -> FindDestination:
    target = conf.target
    assert target is not None
    text = target.text.bind(level.variables)
    groups = level.scope.shared(Upstreams)
    for name in groups.declared:
        groups.get(name)
    any_tls = any(scheme.tls for scheme in wire.schemes.values())
    tls_of_all = compile_tls(conf, level, wire) if any_tls else None
    known: dict[tuple[str, int], Upstream] = {}

    def find(r: Request) -> Destination | Status | Awaitable[Destination | Status]:
        value = text(r)
        try:
            scheme, address = split_scheme(value, wire.schemes)
            if scheme and not address:
                raise ConfError("invalid URL prefix")
        except ConfError:
            r.log(Severity.ERR, f'invalid URL prefix in "{value}"')
            return 500
        port = wire.schemes[scheme].port
        try:
            url = parse_url(address, default_port=port, uri_part=wire.uri_part, resolve=False)
        except AddressError as error:
            r.log(Severity.ERR, f'{error} in upstream "{address}"')
            return 500
        tls = tls_of_all if wire.schemes[scheme].tls else None
        out = Outgoing(wire.describe(scheme, url, from_variables=True))
        group = groups.find(url)
        if group is not None:
            return Destination(group, out, tls, _tag(group, conf, wire, tls))
        if not url.port and not url.text.startswith("unix:"):
            r.log(Severity.ERR, f'no port in upstream "{address}"')
            return 500
        if url.addresses:
            return Destination(remembered(known, url), out, tls, None)
        if names is None:
            r.log(Severity.ERR, f"no resolver defined to resolve {url.host}")
            return 502
        return _resolve(r, url, out, tls, names)

    return find


def remembered(known: dict[tuple[str, int], Upstream], url: Url) -> Upstream:
    """The upstream of an address, with the results of earlier requests to it."""
    key = (url.host, url.port)
    upstream = known.get(key)
    if upstream is None:
        upstream = address_upstream(url.host, PeerServer(url.host, url.addresses))
        if len(known) < MOST_KNOWN:
            known[key] = upstream
    return upstream


async def _resolve(
    r: Request, url: Url, out: Outgoing, tls: Tls[Request] | None, names: Names
) -> Destination | Status:
    upstream = await resolved(r, url, names)
    return 502 if upstream is None else Destination(upstream, out, tls, None)


async def resolved(r: Session, url: Url, names: Names) -> Upstream | None:
    """The upstream of a name that is asked for now; None after logging why there is none."""
    try:
        addresses = await names.resolver.resolve(url.host, names.timeout)
    except ResolveError as error:
        name = url.host.removesuffix(".").lower()
        r.log(Severity.ERR, f"{name} could not be resolved ({error})")
        return None
    found = tuple(inet_address(address, url.port) for address in addresses.found)
    return address_upstream(url.host, PeerServer(url.host, found))
