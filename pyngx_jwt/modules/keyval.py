"""Creates variables whose values are in a key-value database, which all workers share.

The directives are those of NGINX Plus and of kjdev/nginx-keyval: values are set with "set", and
read from the file of "state".
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ..conf.directive import Conf, directive
from ..conf.scope import Scope
from ..conf.values import parse_sec
from ..core.module import User
from ..core.state_file import read_state, replace_state
from ..core.user import acting_as
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.cidr import Network, parse_network
from ..http.contexts import HTTP
from ..http.failure import Unavailable
from ..http.module import Module
from ..http.session import Session
from ..http.template import Template
from ..http.variables import Get, R, VariableTable, unsettled, variable_name
from ..log import Severity, fault_text
from ..stream.contexts import IN_STREAM, STREAM
from ..stream.module import StreamModule
from ..zones import Zone, Zones, ZoneStore, tried
from ..zones.sharing import forget_copy, split_sync
from ..zones.store import KeyVal
from .limits import parse_zone

TYPES = ("string", "ip", "prefix")
LONGEST_PREFIX = 1024  # characters of a key that are tried with "type=prefix"
INTERVAL = 0.2  # seconds between a change and its storage in the state file


@dataclass(slots=True)
class KeyvalZone:
    """One "keyval_zone"."""

    zone: Zone
    type: str = "string"
    timeout: int = 0  # seconds; 0 is none
    state: str = ""
    is_stream: bool = False  # declared in "stream"
    changed: bool = False  # since the state file was written
    store: KeyVal | None = None
    copies: ZoneStore | None = None  # of which it is a copy, if the zone is shared

    def use(self) -> KeyVal:
        if self.store is None:
            self.store = self.zone.keyval()
        return self.store

    def find(self, key: str) -> str | None:
        """The value of the key, or of the longest prefix or smallest network with it."""
        store, now = self.use(), time.time()
        for candidate in self._candidates(key):
            value = store.get(candidate.encode("latin-1"), now)
            if value is not None:
                return value.decode("latin-1")
        return None

    def name_of(self, key: str) -> str:
        """What a value is stored under, "" if the key is not of the zone's type."""
        return _network(key) if self.type == "ip" else key

    def remove(self, key: str) -> bool:
        """Whether there was a value under this very key."""
        name = self.name_of(key)
        done = bool(name) and self.use().delete(name.encode("latin-1"))
        self.changed = self.changed or done
        if name and self.copies:
            self.copies.publish(self.zone.name, name.encode("latin-1"), None)
        return done

    def put(self, key: str, value: str, lasts: float = 0.0) -> bool:
        """False if there is no room, or the key is not of the zone's type.  It lasts for so many
        seconds, or for the time of the zone (0)."""
        name = self.name_of(key)
        if not name:
            return False
        lasts = lasts or self.timeout
        expires = time.time() + lasts if lasts else 0.0
        raw_key, raw_value = name.encode("latin-1"), value.encode("latin-1")
        done = self.use().set(raw_key, raw_value, expires)
        self.changed = self.changed or done
        if done and self.copies:
            self.copies.publish(self.zone.name, raw_key, raw_value, expires)
        return done

    def restore(self, pairs: Sequence[tuple[str, str]]) -> bool:
        """Puts what the state file has; False if there is no room for all, and then puts none."""
        expires = time.time() + self.timeout if self.timeout else 0.0
        values = [
            (self.name_of(key).encode("latin-1"), value.encode("latin-1")) for key, value in pairs
        ]
        if not self.use().restore(values, expires):
            return False
        if self.copies:
            for key, value in values:
                self.copies.publish(self.zone.name, key, value, expires)
        return True

    def apply(self, key: bytes, value: bytes | None, expires: float) -> bool:
        """A change that some machine has made; None: the value was removed.  False if there is no
        room for it."""
        if value is None:
            self.changed = self.use().delete(key) or self.changed
            return True
        if 0 < expires <= time.time():
            return True
        done = self.use().set(key, value, expires)
        self.changed = self.changed or done
        return done

    def share(self, store: ZoneStore) -> None:
        self.copies = store
        store.copies(self.zone.name, self.apply, self._values, self.use())

    @property
    def refuses(self) -> bool:
        """Whether the values are not to be relied on, as they may lack some of the store's."""
        return self.copies is not None and self.copies.refuses(self.zone.name)

    def _values(self) -> Iterator[tuple[bytes, bytes, float]]:
        """What another machine may not have; a lifetime starts again."""
        now = time.time()
        expires = now + self.timeout if self.timeout else 0.0
        for key, value in self.use().items(now):
            yield key, value, expires

    def _candidates(self, key: str) -> Iterator[str]:
        if self.type == "string":
            yield key
        elif self.type == "prefix":
            for length in range(min(len(key), LONGEST_PREFIX), 0, -1):
                yield key[:length]
        else:
            yield from _networks(key)


def _network(text: str) -> str:
    """The form in which a network is stored, "" if it is none."""
    try:
        network, _ = parse_network(text)
    except ValueError:
        return ""
    return _form(network.size, network.address, network.prefix)


def _networks(text: str) -> Iterator[str]:
    """An address and all networks that it is in, the smallest first."""
    try:
        network, _ = parse_network(text)
    except ValueError:
        return
    for prefix in range(8 * network.size, -1, -1):
        mask = Network(network.size, 0, prefix).mask
        yield _form(network.size, network.address & mask, prefix)


def _form(size: int, address: int, prefix: int) -> str:
    family = socket.AF_INET if size == 4 else socket.AF_INET6
    return f"{socket.inet_ntop(family, address.to_bytes(size))}/{prefix}"


class KeyvalZones:
    """The zones of a configuration, by name."""

    __slots__ = ("by_name", "user")

    def __init__(self) -> None:
        self.by_name: dict[str, KeyvalZone] = {}
        self.user: User | None = None  # of the workers, if that is another


class KeyvalConf(Conf):
    @directive(HTTP | STREAM, syntax="keyval key $variable zone=name")
    def keyval(self, key: str, variable: str, zone: str) -> None:
        """Creates a variable whose value is that of the key in the zone.  "set" stores a value of
        the variable under the key."""
        if not zone.startswith("zone="):
            raise ConfError(f'invalid parameter "{zone}"')
        zones = self.scope.shared(KeyvalZones).by_name
        name = zone.removeprefix("zone=")
        if name not in zones:
            raise ConfError(f'zone "{name}" is unknown')
        entry = KeyvalVariable(zones[name], Template(key))
        variables: VariableTable[Any] = self.level.variables
        variable = variable_name(variable)
        variables.define_built(variable, entry.build, self.scope.statement)
        variables.setters[variable] = entry.set

    @directive(
        HTTP | STREAM,
        syntax="keyval_zone zone=name:size [state=file] [timeout=time] "
        "[type=string | ip | prefix] [sync] [fallback=local | deny]",
        arity=(1, 6),
    )
    def keyval_zone(self, *parameters: str) -> None:
        """Declares the zone of a key-value database.  "state" stores it in a JSON file: an object
        whose members are strings.  A file that is something else is an error.  "timeout"
        removes values after a time; "type" selects keys that match exactly, networks, or prefixes.
        With "sync", all machines that share the server of "pyngx_zone_store" have a copy;
        "fallback" says what happens to requests that need a value while the copy is not complete:
        the value is that of the copy ("local"), or they are answered 503 ("deny")."""
        zone, given = "", {}
        words, fallback = split_sync(parameters)
        for word in words:
            key, sign, value = word.partition("=")
            if key == "zone" and sign:
                zone = word
            elif key in ("state", "timeout", "type") and value:
                given[key] = value
            else:
                raise ConfError(f'invalid parameter "{word}"')
        if not zone:
            raise ConfError('"keyval_zone" must have "zone" parameter')
        name, size = parse_zone(zone)
        zones = self.scope.shared(KeyvalZones).by_name
        if name in zones:
            raise ConfError(f'zone "{name}" is duplicate')
        if given.get("type", "string") not in TYPES:
            raise ConfError(f'invalid parameter "type={given["type"]}"')
        declared = self.scope.shared(Zones).add(name, size, "keyval")
        state = self.scope.full_name(given["state"]) if "state" in given else ""
        kind, timeout = given.get("type", "string"), _timeout(given.get("timeout"))
        is_stream = bool(self.level.context & IN_STREAM)
        zones[name] = KeyvalZone(declared, kind, timeout, state, is_stream)
        _stored(zones[name])
        store = self.scope.shared(ZoneStore)
        if store.share(name, fallback, self.scope.statement):
            zones[name].share(store)


def _timeout(text: str | None) -> int:
    try:
        seconds = parse_sec(text) if text is not None else 0
    except ValueError:
        seconds = 0
    if text is not None and not seconds:
        raise ConfError(f'invalid parameter "timeout={text}"')
    return seconds


class KeyvalVariable:
    """One "keyval"."""

    def __init__(self, zone: KeyvalZone, key: Template) -> None:
        self.zone, self._key = zone, key
        self._text: Callable[[Any], str] | None = None

    def build(self, variables: VariableTable[R]) -> Get[R]:
        before = variables.unsettled_uses
        text = self._text = self._key.bind(variables)

        def get(r: R) -> str | None:
            if not r.logged and self.zone.refuses:  # the log has what there is
                self._refuse(r)
            return self.zone.find(text(r))

        return unsettled(get) if variables.unsettled_uses > before else get

    def _refuse(self, r: Session) -> NoReturn:
        name = self.zone.zone.name
        r.log(Severity.ERR, f'keyval_zone "{name}" lacks values of the zone store')
        raise Unavailable

    def set(self, r: Session, value: str) -> None:
        """Stores a value under the key of the request; an empty key has none."""
        key = self._text(r) if self._text else ""
        if key and not self.zone.put(key, value):
            name = self.zone.zone.name
            r.log(Severity.ERR, f'could not store the key "{key}" in keyval_zone "{name}"')


keyval = Module("keyval", KeyvalConf)
stream_keyval = StreamModule("stream_keyval", KeyvalConf)


# -- state files ----------------------------------------------------------------------------


@keyval.check_user
def note_user(scope: Scope, user: User) -> None:
    """Raises ConfError for a state file that the workers could not read."""
    zones = scope.shared(KeyvalZones)
    zones.user = user
    for zone in zones.by_name.values():
        _stored_as(zones.user, zone)


@keyval.after_read
def try_states(scope: Scope) -> None:
    """With "-t", which makes no zones: raises ConfError for what they would have no room for."""
    for zone in scope.shared(KeyvalZones).by_name.values() if scope.options.test else ():
        pairs = _stored(zone)
        try:
            if pairs and not _fits(zone, pairs):
                raise _too_much(zone)
        except OSError as error:
            raise ConfError(
                f'cannot make the zone "{zone.zone.name}": {fault_text(error)}'
            ) from None


def _fits(zone: KeyvalZone, pairs: Sequence[tuple[str, str]]) -> bool:
    with tried(zone.zone) as twin:
        return replace(zone, zone=twin, store=None, copies=None).restore(pairs)


@keyval.starts
def read_states(scope: Scope) -> None:
    """Reads state files into empty zones.  Raises ConfError: a part of the values would later
    take the place of all in the file."""
    zones = scope.shared(KeyvalZones)
    for zone in zones.by_name.values():
        if not zone.state or next(zone.use().items(time.time()), None) is not None:
            continue
        if not zone.restore(_stored_as(zones.user, zone)):
            raise _too_much(zone)


def _stored_as(user: User | None, zone: KeyvalZone) -> list[tuple[str, str]]:
    """With the rights of the workers, who may have made the name one of another file."""
    if user is None:
        return _stored(zone)
    with acting_as(user):
        return _stored(zone)


def _stored(zone: KeyvalZone) -> list[tuple[str, str]]:
    """What is in the state file, nothing if there is none.  Raises ConfError unless all of it can
    be understood."""
    try:
        raw = read_state(zone.state) if zone.state else None
        if raw is None:
            return []
        if not raw:
            raise ValueError("it is empty; remove it to begin without values")
        return _pairs(zone, json.loads(_text(raw), object_pairs_hook=_members))
    except OSError as error:
        raise _unusable(zone, f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise _unusable(zone, f"cannot be understood: {error}") from None


def _too_much(zone: KeyvalZone) -> ConfError:
    return _unusable(zone, f'has more than the zone "{zone.zone.name}" has room for')


def _unusable(zone: KeyvalZone, why: str) -> ConfError:
    return ConfError(f'the state file "{zone.state}" {why}')


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name is there twice")
    return members


def _pairs(zone: KeyvalZone, values: Any) -> list[tuple[str, str]]:
    """Raises ValueError for what is no value, and for text that has no form in UTF-8."""
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    pairs = []
    for key, value in values.items():
        text = value.get("value") if isinstance(value, dict) else value
        name = _octets(key).decode("latin-1")
        if not isinstance(text, str):
            raise ValueError(f'the value of "{name}" is no string')
        if not zone.name_of(name):
            raise ValueError(f'the key "{name}" is not of the type "{zone.type}"')
        pairs.append((name, _octets(text).decode("latin-1")))
    return pairs


@keyval.worker_starts
def keep_states(scope: Scope, life: WorkerLife) -> None:
    """Stores changes and removes what has expired."""
    zones = [*scope.shared(KeyvalZones).by_name.values()]
    for zone in zones:
        if zone.copies is None:
            forget_copy(zone.use())
    if any(zone.state or zone.timeout for zone in zones):
        life.until_end(_keep(scope, zones))


async def _keep(scope: Scope, zones: list[KeyvalZone]) -> None:
    try:
        while True:
            await asyncio.sleep(INTERVAL)
            _store_changes(scope, zones)
    finally:
        _store_changes(scope, zones)


def _store_changes(scope: Scope, zones: list[KeyvalZone]) -> None:
    for zone in zones:
        if zone.timeout:
            zone.use().expire(time.time())
        if zone.state and zone.changed:
            zone.changed = False
            _write_state(scope, zone)


def _write_state(scope: Scope, zone: KeyvalZone) -> None:
    items = zone.use().items(time.time())
    values = {_text(key): _text(value) for key, value in items}
    try:
        replace_state(zone.state, _octets(json.dumps(values, ensure_ascii=False)))
    except OSError as error:
        scope.warn(f'the state file "{zone.state}" cannot be written: {fault_text(error)}')


def _text(data: bytes) -> str:
    """As Unicode, from which _octets makes the same octets again, even if they are no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
