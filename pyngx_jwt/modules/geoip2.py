"""Creates variables from MaxMind's GeoIP2 databases (".mmdb").

The directives are those of leev/ngx_http_geoip2_module.  They need the package maxminddb:
`pip install 'pyngx-jwt[geoip2]'`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..conf.directive import Conf, directive, flag
from ..conf.parse import Statement
from ..conf.scope import located
from ..conf.values import parse_sec
from ..errors import ConfError
from ..extras import GEOIP2, load
from ..http.cidr import Network, Networks
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.session import Session
from ..http.template import Template, TextOf
from ..http.variables import Get, R, VariableTable, unsettled, variable_name
from ..log import Severity, fault_text
from ..stream.contexts import STREAM
from ..stream.module import StreamModule
from .addresses import declared_network, reported_address

METADATA = ("build_epoch", "last_check", "last_change")
_INDEX = re.compile(r"-?[0-9]+\Z")


class Geoip2Database:
    """One database, which is read again when its file changes."""

    def __init__(self, path: str, open_database: Callable[[str], Any]) -> None:
        self._path, self._open = path, open_database
        self.interval = 0  # seconds between looks at the file; 0 is never
        self.last_check = int(time.time())
        self.reader = open_database(path)
        self.last_change = int(os.stat(path).st_mtime)

    def get(self, address: str, keys: tuple[str, ...]) -> Any:
        """The value for an address, None if there is none."""
        try:
            value = self.reader.get(address)
        except ValueError:  # not an address, or one of IPv6 in a database of IPv4
            return None
        for key in keys:
            value = _member(value, key)
        return value

    def refresh(self, r: Session) -> None:
        """Reads the file again if it is time and it has changed."""
        now = int(time.time())
        if not self.interval or now < self.last_check + self.interval:
            return
        self.last_check = now
        try:
            changed = int(os.stat(self._path).st_mtime)
            if changed != self.last_change:
                self.reader, self.last_change = self._open(self._path), changed
                r.log(Severity.INFO, f'Reload MMDB "{self._path}"')
        except (OSError, ValueError) as error:
            r.log(Severity.ERR, f'MMDB_open("{self._path}") failed to reload - {fault_text(error)}')


def _member(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and _INDEX.match(key):
        try:
            return value[int(key)]
        except IndexError:
            return None
    return None


def _shown(value: Any) -> str | None:
    """The text of a value; None for what has none."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.5f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8").decode("latin-1")
    return bytes(value).decode("latin-1") if isinstance(value, (bytes, bytearray)) else None


class Geoip2Databases:
    """The names of the databases of a configuration."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: set[str] = set()


class Geoip2Variable(NamedTuple):
    """One entry of a "geoip2" block."""

    database: Geoip2Database
    keys: tuple[str, ...]
    default: str
    source: Template | None

    def build(self, variables: VariableTable[R]) -> Get[R]:
        before = variables.unsettled_uses
        address_of: TextOf[R] = self.source.bind(variables) if self.source else _client
        database, keys, default = self.database, self.keys, self.default or None

        def get(r: R) -> str | None:
            database.refresh(r)
            return _shown(database.get(address_of(r), keys)) or default

        return unsettled(get) if variables.unsettled_uses > before else get


class Geoip2Conf(Conf):
    proxies: tuple[Network, ...] = ()

    @directive(HTTP | STREAM, raw=True, syntax="geoip2 file { ... }")
    def geoip2(self, file: str, *, entries: Iterable[Statement]) -> None:
        """Opens a database, and creates variables, each with a line "$variable [default=text]
        [source=$variable] key ...;" or "$variable metadata build_epoch | last_check |
        last_change;".  "auto_reload time;" reads the file again when it has changed."""
        path = self.scope.full_name(file)
        names = self.level.shared(Geoip2Databases).names
        if path in names:
            raise ConfError(f"Duplicate GeoIP2 mmdb - {path}")
        names.add(path)
        database = _opened(path)
        for entry in entries:
            with located(entry):
                self._add(database, entry)

    def _add(self, database: Geoip2Database, entry: Statement) -> None:
        if entry.name == "auto_reload":
            database.interval = _interval(entry.args)
            return
        if not entry.name.startswith("$"):
            raise ConfError(f'invalid setting "{entry.name}"')
        name = variable_name(entry.name)
        variables: VariableTable[Any] = self.level.variables
        if entry.args[:1] == ("metadata",):
            variables.define(name, _metadata(database, entry.args[1:]))
            return
        variable = _variable(database, name, entry.args)
        variables.define_built(name, variable.build, self.scope.statement)

    @directive(HTTP | STREAM, syntax="geoip2_proxy address | CIDR")
    def geoip2_proxy(self, address: str) -> None:
        """Trusts an address or network: for requests from it, the address in X-Forwarded-For is
        looked up."""
        network = declared_network(self.scope, address)
        self.proxies = (*vars(self).get("proxies", ()), network)

    geoip2_proxy_recursive = flag(
        False,
        HTTP | STREAM,
        "Uses the last address of X-Forwarded-For that is not trusted. If off, the last one.",
    )


geoip2 = Module("geoip2", Geoip2Conf)
stream_geoip2 = StreamModule("stream_geoip2", Geoip2Conf)


def _opened(path: str) -> Geoip2Database:
    library = load('the "geoip2" directive', GEOIP2)
    try:
        return Geoip2Database(path, library.open_database)
    except (OSError, ValueError, library.InvalidDatabaseError) as error:
        raise ConfError(f'MMDB_open("{path}") failed - {fault_text(error)}') from None


def _interval(args: tuple[str, ...]) -> int:
    if len(args) != 1:
        raise ConfError("invalid number of arguments for auto_reload")
    try:
        seconds = parse_sec(args[0])
    except ValueError:
        seconds = 0
    if not seconds:
        raise ConfError(f'invalid interval for auto_reload "{args[0]}"')
    return seconds


def _metadata(database: Geoip2Database, args: tuple[str, ...]) -> Callable[[Session], str | None]:
    if len(args) != 1 or args[0] not in METADATA:
        raise ConfError(f'invalid metadata "{" ".join(args)}"')
    values: dict[str, Callable[[], int]] = {
        "build_epoch": lambda: int(database.reader.metadata().build_epoch),
        "last_check": lambda: database.last_check,
        "last_change": lambda: database.last_change,
    }
    value = values[args[0]]

    def get(r: Session) -> str:
        database.refresh(r)
        return str(value())

    return get


def _variable(database: Geoip2Database, name: str, args: tuple[str, ...]) -> Geoip2Variable:
    default, source, keys = "", None, list(args)
    while keys and "=" in keys[0]:
        option, _, value = keys.pop(0).partition("=")
        if option == "default":
            default = value
        elif option == "source":
            if not value.startswith("$"):
                raise ConfError(f'invalid source variable name "{value}"')
            source = Template(value)
        else:
            raise ConfError(f'invalid setting "{option}={value}" for "${name}"')
    return Geoip2Variable(database, tuple(keys), default, source)


def _client(r: Session) -> str:
    """The client's address, or the one that a trusted proxy reports."""
    conf = r.conf(Geoip2Conf)
    packed = r.connection.binary_remote_addr
    if not (conf.proxies and packed):
        return r.connection.remote_addr
    recursive = conf.geoip2_proxy_recursive
    return _text(reported_address(r, packed, Networks(conf.proxies), recursive=recursive))


def _text(packed: bytes) -> str:
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed)
