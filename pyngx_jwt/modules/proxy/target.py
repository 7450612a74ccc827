"""Where a request goes: the upstream of proxy_pass, known at load or told by variables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from ...conf.parse import Statement
from ...errors import ConfError
from ...http.level import Level
from ...http.request import Request, Status
from ...log import Level as LogLevel
from ...upstream.address import AddressError, Url, parse_url, resolve_host
from ...upstream.peer import Server
from ...upstream.upstream import Upstream, address_upstream
from ..core import CoreConf
from ..upstream import Upstreams
from .conf import ProxyConf, split_scheme
from .request import Outgoing, Vars
from .tls import Tls, compile_tls


@dataclass(slots=True)  # one a request: frozen would cost a microsecond
class Found:
    """The upstream for a request; `tag` is what its connections must have in common."""

    upstream: Upstream
    out: Outgoing
    tls: Tls | None
    tag: Hashable


FindTarget = Callable[[Request], "Found | Status | Awaitable[Found | Status]"]
DEFAULT_PORTS = {"http": "80", "https": "443"}


def compile_target(conf: ProxyConf, level: Level) -> FindTarget:
    """A function that finds the upstream; raises ConfError if a fixed one cannot be had."""
    target = conf._target
    assert target is not None
    if target.url is None:
        return _by_variables(conf, level)
    vars = vars_of(target.scheme, target.url, from_variables=False)
    upstream = level.scope.shared(Upstreams).of_url(target.url, target.statement)
    tls = compile_tls(conf, level) if target.scheme == "https" else None
    tag = _tag(upstream, conf, tls)
    return lambda r: Found(upstream, Outgoing(vars), tls, tag)


def _tag(upstream: Upstream, conf: ProxyConf, tls: Tls | None) -> Hashable:
    """What the load knows of a location's connections that tells them from others'."""
    if upstream.pool is None:
        return None
    return upstream.pool.keepalive.tag(id(conf), None if tls is None else id(tls))


def vars_of(scheme: str, url: Url, *, from_variables: bool) -> Vars:
    """The parts that $proxy_host, $proxy_port and the request line tell."""
    port = DEFAULT_PORTS[scheme]
    if url.text.startswith("unix:"):
        key_host = f"unix:{url.host}:"
        return Vars(scheme, "localhost", "", url.uri, from_variables, key_host)
    uri = url.uri
    if uri.startswith("?"):
        uri = "/" + uri
    if url.no_port or str(url.port) == port:
        return Vars(scheme, url.host, port, uri, from_variables, url.host)
    host = f"{url.host}:{url.port}"
    return Vars(scheme, host, str(url.port), uri, from_variables, host)


class Warned(set[Statement]):
    """The "resolver" directives of which a warning has told."""


def warn_of_resolver(conf: ProxyConf, level: Level) -> None:
    """A warning where names will be looked up, but not at the servers that are given."""
    scope, given = level.scope, level.set_by("resolver")
    if conf._target is None or conf._target.url is not None or not given:
        return
    warned, before = scope.shared(Warned), scope.statement
    if given[-1] not in warned:
        warned.add(given[-1])
        scope.statement = given[-1]
        scope.warn(
            'the servers of "resolver" are not asked, the system\'s resolver looks up what the '
            'variables of "proxy_pass" name'
        )
        scope.statement = before


def _by_variables(conf: ProxyConf, level: Level) -> FindTarget:
    target = conf._target
    assert target is not None
    text = target.text.bind(level.variables)
    groups = level.scope.shared(Upstreams)
    for name in groups.declared:
        groups.get(name)
    tls = compile_tls(conf, level)
    resolves = bool(level[CoreConf].resolver)
    known: dict[tuple[str, int], Upstream] = {}

    def find(r: Request) -> Found | Status | Awaitable[Found | Status]:
        value = text(r)
        try:
            scheme, address = split_scheme(value)
            if not address:
                raise ConfError("invalid URL prefix")
        except ConfError:
            r.log(LogLevel.ERR, f'invalid URL prefix in "{value}"')
            return 500
        try:
            url = parse_url(
                address, default_port=int(DEFAULT_PORTS[scheme]), uri_part=True, resolve=False
            )
        except AddressError as error:
            r.log(LogLevel.ERR, f'{error} in upstream "{address}"')
            return 500
        out, used = (
            Outgoing(vars_of(scheme, url, from_variables=True)),
            tls if scheme == "https" else None,
        )
        group = groups.find(url)
        if group is not None:
            return Found(group, out, used, _tag(group, conf, used))
        if url.addresses:
            key = (url.host, url.port)
            upstream = known.get(key)
            if upstream is None:
                upstream = address_upstream(url.host, Server(url.host, url.addresses))
                if len(known) < 1000:
                    known[key] = upstream
            return Found(upstream, out, used, None)
        if not resolves:
            r.log(LogLevel.ERR, f"no resolver defined to resolve {url.host}")
            return 502
        return _resolve(r, url, out, used)

    return find


async def _resolve(r: Request, url: Url, out: Outgoing, tls: Tls | None) -> Found | Status:
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.run_in_executor(None, resolve_host, url.host, url.port)
    except AddressError as error:
        r.log(LogLevel.ERR, f"{url.host} could not be resolved ({error})")
        return 502
    upstream = address_upstream(url.host, Server(url.host, addresses))
    return Found(upstream, out, tls, None)
