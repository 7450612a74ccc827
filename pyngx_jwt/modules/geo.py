"""Creates variables whose values depend on the client address."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

from ..conf.directive import Conf, directive
from ..conf.parse import Statement
from ..conf.scope import Scope, located
from ..errors import ConfError
from ..http.cidr import (
    NONE,
    Network,
    Networks,
    parse_address,
    plain,
)
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.session import Session
from ..http.template import TextOf
from ..http.variables import Get, R, VariableTable, variable_name
from ..stream.contexts import STREAM
from ..stream.module import StreamModule
from .addresses import declared_network, reported_address

Find = Callable[[bytes], str]


class Trees:
    """Values by network: the longest prefix counts."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, int], dict[int, str]] = {}  # by size and prefix
        self._masks: dict[int, list[tuple[int, dict[int, str]]]] = {4: [], 16: []}

    def set(self, network: Network, value: str) -> str | None:
        """Returns the result of a lookup of the network's address if it had a value already."""
        key = (network.size, network.prefix)
        if key not in self._values:
            self._values[key] = {}
            self._sort(network.size)
        old = None
        if network.address in self._values[key]:
            old = self.find(network.address.to_bytes(network.size))
        self._values[key][network.address] = value
        return old

    def _sort(self, size: int) -> None:
        tables = sorted((k for k in self._values if k[0] == size), key=lambda k: -k[1])
        self._masks[size] = [(Network(size, 0, k[1]).mask, self._values[k]) for k in tables]

    def delete(self, network: Network) -> bool:
        table = self._values.get((network.size, network.prefix), {})
        return table.pop(network.address, None) is not None

    def find(self, packed: bytes) -> str:
        address = int.from_bytes(packed)
        for mask, table in self._masks[len(packed)]:
            value = table.get(address & mask)
            if value is not None:
                return value
        return ""


class Range:
    """Part of a range within one block of 65536 addresses."""

    __slots__ = ("end", "start", "value")

    def __init__(self, start: int, end: int, value: str) -> None:
        self.start = start
        self.end = end
        self.value = value


class Ranges:
    """Values by ranges of IPv4 addresses, stored by blocks: an error names a block's part."""

    def __init__(self) -> None:
        self.default: str | None = None
        self._blocks: dict[int, list[Range]] = {}

    def add(self, start: int, end: int, value: str) -> str | None:
        """Returns the old value of a range that was there; raises ConfError, with "%s" for
        the range as written, when it overlaps another (ngx_http_geo_add_range)."""
        old = None
        for high, low, last in _blocks(start, end):
            ranges = self._blocks.setdefault(high, [])
            previous = _insert(ranges, Range(low, last, value), high)
            old = previous if previous is not None else old
        return old

    def delete(self, start: int, end: int) -> bool:
        """False if one of the blocks has no such range."""
        complete = True
        for high, low, last in _blocks(start, end):
            ranges = self._blocks.get(high, [])
            same = [r for r in ranges if (r.start, r.end) == (low, last)]
            complete = complete and bool(same)
            for duplicate in same:
                ranges.remove(duplicate)
        return complete

    def find(self, packed: bytes) -> str:
        address = int.from_bytes(packed) if len(packed) == 4 else 0xFFFFFFFF
        ranges = self._blocks.get(address >> 16)
        if ranges:
            at = bisect_right(ranges, address & 0xFFFF, key=lambda part: part.start) - 1
            if at >= 0 and address & 0xFFFF <= ranges[at].end:
                return ranges[at].value
        return self.default or ""


def _blocks(start: int, end: int) -> Iterable[tuple[int, int, int]]:
    """Block, first and last address in it, for each block of a range."""
    for high in range(start >> 16, (end >> 16) + 1):
        low = start & 0xFFFF if high == start >> 16 else 0
        last = end & 0xFFFF if high == end >> 16 else 0xFFFF
        yield high, low, last


def _insert(ranges: list[Range], new: Range, high: int) -> str | None:
    """Puts a range between others or into one that holds all of it."""
    at = len(ranges)
    while at and new.end < ranges[at - 1].start:
        at -= 1
    if not at or new.start > ranges[at - 1].end:
        ranges.insert(at, new)
        return None
    old = ranges[at - 1]
    if (new.start, new.end) == (old.start, old.end):
        value, old.value = old.value, new.value
        return value
    if new.start < old.start or new.end > old.end:
        raise ConfError(f'range "%s" overlaps "{_text(high, old.start)}-{_text(high, old.end)}"')
    before = [Range(old.start, new.start - 1, old.value)] if new.start > old.start else []
    after = [Range(new.end + 1, old.end, old.value)] if new.end < old.end else []
    ranges[at - 1 : at] = [*before, new, *after]
    return None


def _text(high: int, low: int) -> str:
    return f"{high >> 8}.{high & 255}.{low >> 8}.{low & 255}"


class Base:
    """A "geo" block as it is read."""

    __slots__ = (
        "has_networks",
        "proxies",
        "ranges",
        "recursive",
        "scope",
        "trees",
        "trusts",
        "volatile",
    )

    def __init__(self, scope: Scope, trusts: bool) -> None:
        self.scope = scope
        self.trusts = trusts  # proxies can be named
        self.trees = Trees()
        self.ranges: Ranges | None = None
        self.proxies: list[Network] = []
        self.recursive = False
        self.volatile = False
        self.has_networks = False

    def add(self, entry: Statement) -> None:
        if not entry.args and self._switch(entry.name):
            return
        if len(entry.args) != 1:
            raise ConfError("invalid number of the geo parameters")
        key, value = entry.name, entry.args[0]
        if key == "proxy" and self.trusts:
            self.proxies.append(self._network(value))
        elif self.ranges is not None:
            self._add_range(self.ranges, key, value)
        else:
            self._add_network(key, value)

    def _switch(self, name: str) -> bool:
        if name == "ranges":
            if self.has_networks:
                raise ConfError(
                    'the "ranges" directive must be the first directive inside "geo" block'
                )
            self.ranges = self.ranges or Ranges()
        elif name == "proxy_recursive" and self.trusts:
            self.recursive = True
        elif name == "volatile":
            self.volatile = True
        else:
            return False
        return True

    def _network(self, text: str) -> Network:
        if text == "255.255.255.255":
            return Network(4, 0xFFFFFFFF, 32)
        return declared_network(self.scope, text)

    def _add_network(self, key: str, value: str) -> None:
        self.has_networks = True
        if key == "default":
            for size in (4, 16):
                self._set(Network(size), value, key)
        elif key == "delete":
            if not self.trees.delete(self._network(value)):
                self.scope.warn(f'no network "{value}" to delete')
        else:
            self._set(self._network(key), value, key)

    def _set(self, network: Network, value: str, text: str) -> None:
        old = self.trees.set(network, value)
        if old is not None:
            self.scope.warn(f'duplicate network "{text}", value: "{value}", old value: "{old}"')

    def _add_range(self, ranges: Ranges, key: str, value: str) -> None:
        warn = self.scope.warn
        if key == "default":
            if ranges.default is not None:
                old = ranges.default
                warn(f'duplicate default geo range value: "{value}", old value: "{old}"')
            ranges.default = value
        elif key == "delete":
            if not ranges.delete(*_parse_range(value)):
                warn(f'no address range "{value}" to delete')
        else:
            previous = self._put_range(ranges, key, value)
            if previous is not None:
                warn(f'duplicate range "{key}", value: "{value}", old value: "{previous}"')

    @staticmethod
    def _put_range(ranges: Ranges, key: str, value: str) -> str | None:
        start, end = _parse_range(key)
        try:
            return ranges.add(start, end, value)
        except ConfError as error:
            raise ConfError(error.args[0].replace("%s", key)) from None

    @property
    def find(self) -> Find:
        return self.ranges.find if self.ranges is not None else self.trees.find


def _parse_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    start, end = parse_address(first), parse_address(last)
    if not dash or not start or not end or len(start) != 4 or len(end) != 4 or start > end:
        raise ConfError(f'invalid range "{text}"')
    return int.from_bytes(start), int.from_bytes(end)


class GeoConf(Conf):
    @directive(HTTP | STREAM, raw=True, syntax="geo [$address] $variable { ... }")
    def geo(
        self, address: str, variable: str | None = None, *, entries: Iterable[Statement]
    ) -> None:
        """Creates a variable that depends on the client address, or on the address in another
        variable: networks, or address ranges after "ranges".  The most specific network applies.
        Other parameters: "default", "delete", "volatile", "include", and in "http" "proxy" and
        "proxy_recursive" for addresses in X-Forwarded-For."""
        name, source = variable_name(address), None
        if variable is not None:
            name, source = variable_name(variable), name
        base = Base(self.scope, trusts=bool(self.level.context & HTTP))

        def make(variables: VariableTable[R]) -> TextOf[R]:
            return _lookup(base, source, variables)

        statement = self.scope.statement
        self.level.variables.define_remembered(name, make, lambda: base.volatile, statement)
        for entry in entries:
            with located(entry):
                base.add(entry)


geo = Module("geo", GeoConf)
stream_geo = StreamModule("stream_geo", GeoConf)


def _lookup(base: Base, source: str | None, variables: VariableTable[R]) -> TextOf[R]:
    address_of: Callable[[R], bytes | None]
    address_of = _address_in(variables.resolve(source)) if source else _client_address
    proxies = Networks(base.proxies)
    find, recursive, trusts = base.find, base.recursive, bool(base.proxies)

    def look_up(r: R) -> str:
        address = address_of(r)
        if address is None:
            return find(NONE)
        if trusts:
            address = reported_address(r, address, proxies, recursive=recursive)
        return find(plain(address) or NONE)

    return look_up


def _client_address(r: Session) -> bytes:
    return r.connection.binary_remote_addr


def _address_in(get: Get[R]) -> Callable[[R], bytes | None]:
    return lambda r: parse_address(get(r) or "")
