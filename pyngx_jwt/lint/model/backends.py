"""What requests are passed to: addresses, groups of servers, TLS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...errors import ConfError
from ...gateway.conf import TlsConf
from ...gateway.groups import Upstreams
from ...gateway.scheme import split_scheme
from ...modules.upstream import UpstreamConf
from ...stream.level import stream_shared
from ...upstream.address import AddressError, Url, parse_url
from .block import Block

CHOSEN = " (chosen by balancer_by_lua)"


def declared(block: Block, url: Url) -> UpstreamConf | None:
    """The "upstream" block that a URL means, None if it means an address."""
    if not url.no_port:
        return None
    group = block.level.scope.shared(Upstreams).declared.get(url.host.lower())
    return group if isinstance(group, UpstreamConf) else None


def groups(scope: Scope) -> Iterator[UpstreamConf]:
    """All "upstream" blocks of the http server."""
    yield from _declared(scope.shared(Upstreams))


def stream_groups(scope: Scope) -> Iterator[UpstreamConf]:
    """Those of "stream"."""
    yield from _declared(stream_shared(scope, Upstreams))


def _declared(groups: Upstreams) -> Iterator[UpstreamConf]:
    for group in groups.declared.values():
        if isinstance(group, UpstreamConf):
            yield group


def servers_of(group: UpstreamConf) -> Iterator[str]:
    """The addresses of a group, as they are written, with their ports; those that code chooses are
    not known, and what is written is never connected to."""
    if any(name.startswith("balancer_by_lua") for name in group.level.statements):
        return iter([group.name + CHOSEN])
    return (_server_address(server.name) for server in group.servers)


@lru_cache(maxsize=4096)
def _server_address(name: str) -> str:
    try:
        return address_of(parse_url(name, default_port=80, resolve=False))
    except AddressError:
        return name


def address_of(url: Url) -> str:
    """The address of a server by which it is told from others."""
    if url.text.startswith("unix:"):
        return f"unix:{url.host}"
    return f"{url.host.lower()}:{url.port}"


def passing(block: Block) -> Statement:
    """What passes the requests of a block on: proxy_pass or its like."""
    return block.set_by(block.named("pass"))


def servers_behind(block: Block, text: str) -> list[str]:
    """The hosts that a URL without variables leads to, as they are written."""
    try:
        url = parse_url(split_scheme(text, block.gateway.schemes)[1], uri_part=True, resolve=False)
    except (AddressError, ConfError):
        return []
    group = declared(block, url)
    if group is None:
        return [url.host]
    return [server.name for server in group.servers]


def speaks_tls(block: Block) -> bool:
    """Whether requests are passed to the upstream over TLS, as far as the text says."""
    target, schemes = block.target, block.gateway.schemes
    if target is None:
        return False
    try:
        return schemes[split_scheme(target.text.text, schemes)[0]].tls
    except ConfError:
        return False


def verifies(block: Block) -> bool:
    """Whether the certificate of the upstream is checked."""
    conf = block.gateway
    return isinstance(conf, TlsConf) and conf.ssl_verify


def is_local(name: str) -> bool:
    """Whether a host, with or without a port, is this machine itself."""
    if name[:5].lower() == "unix:" or name.startswith("/"):
        return True
    try:
        host = parse_url(name, default_port=80, resolve=False).host.strip("[]").lower()
    except AddressError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
