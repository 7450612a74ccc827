"""Which socket serves which servers."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ..conf.scope import Scope
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.level import Level
from ..http.listen import Listen
from ..http.location import ServerNames, is_server_name
from ..http.module import http_modules
from ..http.ports import AddressOf, Built, ListenAddress, Port, PortOf
from ..modules.core import CoreConf
from .merging import place_of

S = TypeVar("S")
A = TypeVar("A", bound=AddressOf[Any])
P = TypeVar("P", bound=PortOf[Any])


def build_ports(http: Level, built: Built) -> None:
    """The ports of HTTP."""

    def listens_of(level: SessionBlock) -> tuple[Listen, ...]:
        return level[CoreConf].listens or _default_listen()

    addresses = addresses_of(built.servers, listens_of, CoreConf, ListenAddress)
    run_hooks(addresses.values(), (m.listens for m in http_modules(http.scope)), http.scope)
    built.ports = grouped(addresses, Port)


def addresses_of(
    servers: Iterable[tuple[SessionBlock, S]],
    listens_of: Callable[[Any], tuple[Listen, ...]],
    kind: type[Any],
    make: Callable[[Listen, ServerNames[S]], A],
) -> dict[str, A]:
    """The addresses with their servers, as ngx_http_optimize_servers; `kind` is the conf with the
    names of a server."""
    addresses: dict[str, A] = {}
    for level, server in servers:
        for listen in listens_of(level):
            try:
                _add_address(addresses, listen, level, server, make)
            except ConfError as error:
                level.scope.watch.failed(error, level)
    for address in addresses.values():
        level = address.levels[0][0]
        try:
            _add_names(address, kind, level.scope)
        except ConfError as error:
            level.scope.watch.failed(error, level)
    return addresses


def run_hooks(
    addresses: Iterable[A], hooks: Iterable[Iterable[Callable[[A], None]]], scope: Scope
) -> None:
    """Shows the addresses to the modules."""
    acts = [act for hook in hooks for act in hook]
    for address in addresses:
        try:
            for act in acts:
                act(address)
        except ConfError as error:
            scope.watch.failed(error, address.levels[0][0])


def _default_listen() -> tuple[Listen, ...]:
    return (Listen(socket.AF_INET, "0.0.0.0", 80 if os.geteuid() == 0 else 8000),)


def _add_address(
    addresses: dict[str, A],
    listen: Listen,
    level: SessionBlock,
    server: S,
    make: Callable[[Listen, ServerNames[S]], A],
) -> None:
    address = addresses.get(listen.key)
    if address is None:
        address = addresses[listen.key] = make(listen, ServerNames(server))
    elif listen.options_set:
        if address.listen.options_set:
            raise ConfError(f"duplicate listen options for {listen.text}").at(*place_of(level))
        address.listen = _with_flags(listen, address.listen)
    else:
        address.listen = _with_flags(address.listen, listen)
    if listen.default_server:
        if address.default_given:
            raise ConfError(f"a duplicate default server for {listen.text}").at(*place_of(level))
        address.default_given, address.names.default = True, server
    address.levels.append((level, server))


def _with_flags(listen: Listen, other: Listen) -> Listen:
    return listen._replace(
        ssl=listen.ssl or other.ssl,
        http2=listen.http2 or other.http2,
        proxy_protocol=listen.proxy_protocol or other.proxy_protocol,
    )


def _add_names(address: AddressOf[Any], kind: type[Any], scope: Scope) -> None:
    """A single server needs no names, unless its expressions capture."""
    if len(address.levels) == 1:
        regexes = tuple(address.levels[0][0][kind].name_regexes.values())
        if not regexes or not regexes[-1].groups:
            return
    for level, server in address.levels:
        for name in level[kind].server_names or ("",):
            if name.startswith("~"):
                address.names.add_regex(level[kind].name_regexes[name], server)
                continue
            shown = f'"{name}" on {address.listen.text}'
            if not is_server_name(name):
                raise ConfError(f"invalid server name or wildcard {shown}").nowhere()
            if not address.names.add(name, server):
                scope.statement = level.statement
                scope.warn_at(f"conflicting server name {shown}, ignored")


def grouped(addresses: dict[str, A], make: Callable[[Listen, A], P]) -> dict[str, P]:
    """A wildcard's socket takes in the other addresses of its port, unless they bind."""
    wildcards = {
        (a.listen.family, a.listen.datagram, a.listen.port): make(a.listen, a)
        for a in addresses.values()
        if a.listen.wildcard
    }
    ports = {port.listen.key: port for port in wildcards.values()}
    for key, address in addresses.items():
        listen = address.listen
        wildcard = wildcards.get((listen.family, listen.datagram, listen.port))
        if listen.wildcard:
            continue
        if wildcard and not listen.bind and listen.family != socket.AF_UNIX:
            wildcard.others[listen.host] = address
        else:
            ports[key] = make(listen, address)
    return ports
