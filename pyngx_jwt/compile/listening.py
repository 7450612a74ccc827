"""Which socket serves which servers."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from ..conf.scope import Scope
from ..errors import ConfError
from ..http.level import Level
from ..http.listen import Listen
from ..http.location import ServerNames, is_server_name
from ..http.module import http_modules
from ..http.ports import Built, ListenAddress, Port
from ..http.request import Server
from ..modules.core import CoreConf
from .merging import place_of


def build_ports(http: Level, built: Built) -> None:
    """Which socket serves which servers, as ngx_http_optimize_servers."""
    addresses: dict[str, ListenAddress] = {}
    for level, server in built.servers:
        conf = level[CoreConf]
        for listen in conf.listens or _default_listen():
            try:
                _add_address(addresses, listen, level, server)
            except ConfError as error:
                http.scope.watch.failed(error, level)
    for address in addresses.values():
        try:
            _add_names(address, http.scope)
            for module in http_modules(http.scope):
                for listens in module.listens:
                    listens(address)
        except ConfError as error:
            http.scope.watch.failed(error, address.levels[0][0])
    built.ports = _group(addresses)


def _default_listen() -> tuple[Listen, ...]:
    return (Listen(socket.AF_INET, "0.0.0.0", 80 if os.geteuid() == 0 else 8000),)


def _add_address(
    addresses: dict[str, ListenAddress], listen: Listen, level: Level, server: Server
) -> None:
    address = addresses.get(listen.key)
    if address is None:
        address = addresses[listen.key] = ListenAddress(listen, ServerNames(server))
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
    return replace(
        listen,
        ssl=listen.ssl or other.ssl,
        http2=listen.http2 or other.http2,
        proxy_protocol=listen.proxy_protocol or other.proxy_protocol,
    )


def _add_names(address: ListenAddress, scope: Scope) -> None:
    """A single server needs no names, unless its expressions capture."""
    if len(address.levels) == 1:
        regexes = tuple(address.levels[0][0][CoreConf].name_regexes.values())
        if not regexes or not regexes[-1].groups:
            return
    for level, server in address.levels:
        for name in level[CoreConf].server_names or ("",):
            if name.startswith("~"):
                address.names.add_regex(level[CoreConf].name_regexes[name], server)
                continue
            shown = f'"{name}" on {address.listen.text}'
            if not is_server_name(name):
                raise ConfError(f"invalid server name or wildcard {shown}").nowhere()
            if not address.names.add(name, server):
                scope.statement = level.statement
                scope.warn_at(f"conflicting server name {shown}, ignored")


def _group(addresses: dict[str, ListenAddress]) -> dict[str, Port]:
    """A wildcard's socket takes in the other addresses of its port, unless they bind."""
    wildcards = {
        (a.listen.family, a.listen.datagram, a.listen.port): Port(a.listen, a)
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
            ports[key] = Port(listen, address)
    return ports
