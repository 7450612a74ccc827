"""Dictionaries that all workers share ("ngx.shared")."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

from ...zones import Zone
from ...zones.store import DictEntry, SharedDict, Stored
from .calls import Calls
from .state import LuaRun

calls = Calls()

Value = str | float | int | bool | None
# The first byte of a record says what follows.
_STRING, _NUMBER, _FALSE, _TRUE, _LIST = b"s", b"n", b"f", b"t", b"l"
_DOUBLE = struct.Struct(">d")
_ITEM = struct.Struct(">cI")
NO_MEMORY, NOT_FOUND = "no memory", "not found"
NOT_A_LIST = "value not a list"


class Dictionary:
    """One dictionary; what is in it is packed here."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._store: SharedDict | None = None

    @property
    def store(self) -> SharedDict:
        if self._store is None:
            self._store = self.zone.dictionary()
        return self._store


def _now() -> int:
    return int(time.time() * 1000)


def _packed(value: Value) -> bytes:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, (int, float)):
        return _NUMBER + _DOUBLE.pack(value)
    return _STRING + str(value).encode("latin-1")


def _unpacked(data: bytes) -> Any:
    kind = data[:1]
    if kind == _STRING:
        return data[1:]
    if kind == _NUMBER:
        return _DOUBLE.unpack_from(data, 1)[0]
    return kind == _TRUE


def _deadline(now: int, seconds: float) -> int:
    return now + int(seconds * 1000) if seconds > 0 else 0


def _live(entry: DictEntry | None, now: int) -> DictEntry | None:
    return None if entry is None or entry.has_expired(now) else entry


# -- values ---------------------------------------------------------------------------------


@calls
def dict_get(dictionary: Dictionary, key: str) -> Any:
    """Whether there is one, the value, its flags."""
    now = _now()
    entry = _live(dictionary.store.get(key.encode("latin-1"), now), now)
    if entry is None:
        return None
    if entry.value[:1] == _LIST:
        return None, "value is a list"
    return True, _unpacked(entry.value), entry.flags


@calls
def dict_get_stale(dictionary: Dictionary, key: str) -> Any:
    """As dict_get(), of an expired value too, and whether it has expired."""
    now = _now()
    entry = dictionary.store.get(key.encode("latin-1"), now)
    if entry is None:
        return None
    if entry.value[:1] == _LIST:
        return None, "value is a list"
    return True, _unpacked(entry.value), entry.flags, entry.has_expired(now)


@calls
def dict_store(
    dictionary: Dictionary, operation: str, key: str, value: Value, seconds: float, flags: int
) -> Any:
    """Success, an error, and whether others had to make room."""
    now, refusal = _now(), ""
    new = None
    if value is not None:
        new = DictEntry(_packed(value), int(flags) & 0xFFFFFFFF, _deadline(now, seconds))

    def change(old: DictEntry | None) -> DictEntry | None:
        nonlocal refusal
        refusal = ""
        live = _live(old, now)
        if operation.endswith("add") and live is not None:
            refusal = "exists"
            return old
        if operation == "replace" and live is None:
            refusal = NOT_FOUND
            return old
        return new

    stored = _changed(dictionary, key, now, change, evicts=not operation.startswith("safe"))
    if refusal:
        return False, refusal, False
    if not stored.done and new is not None:
        return False, NO_MEMORY, stored.evicted
    return True, None, stored.evicted


def _changed(
    dictionary: Dictionary,
    key: str,
    now: int,
    change: Callable[[DictEntry | None], DictEntry | None],
    *,
    evicts: bool = True,
) -> Stored:
    return dictionary.store.update(key.encode("latin-1"), now, change, evicts=evicts)


@calls
def dict_increase(
    dictionary: Dictionary, key: str, step: float, initial: float | None, seconds: float
) -> Any:
    """The new number, an error, and whether others had to make room."""
    now, refusal, result = _now(), "", 0.0

    def change(old: DictEntry | None) -> DictEntry | None:
        nonlocal refusal, result
        refusal = ""
        live = _live(old, now)
        if live is None:
            if initial is None:
                refusal = NOT_FOUND
                return old
            result = initial + step
            return DictEntry(_packed(result), 0, _deadline(now, seconds))
        if live.value[:1] != _NUMBER:
            refusal = "not a number"
            return old
        result = _unpacked(live.value) + step
        return live._replace(value=_packed(float(result)))

    stored = _changed(dictionary, key, now, change)
    if refusal:
        return None, refusal
    if not stored.done:
        return None, NO_MEMORY, stored.evicted
    return result, None, (stored.evicted if initial is not None else None)


# -- lists ----------------------------------------------------------------------------------


def _items(data: bytes) -> list[bytes]:
    """The packed items of a list."""
    items, at = list[bytes](), 1
    while at < len(data):
        _, length = _ITEM.unpack_from(data, at)
        end = at + _ITEM.size + length
        items.append(data[at:end])
        at = end
    return items


def _item(value: Value) -> bytes:
    packed = _packed(value)
    return _ITEM.pack(packed[:1], len(packed) - 1) + packed[1:]


def _item_value(item: bytes) -> Any:
    return _unpacked(item[:1] + item[_ITEM.size :])


@calls
def dict_list(dictionary: Dictionary, operation: str, key: str, value: Value = None) -> Any:
    """One of "lpush", "rpush", "lpop", "rpop" and "llen"."""
    now, refusal = _now(), ""
    result: Any = None

    def change(old: DictEntry | None) -> DictEntry | None:
        nonlocal refusal, result
        refusal, result = "", None
        live = _live(old, now)
        if live is not None and live.value[:1] != _LIST:
            refusal = NOT_A_LIST
            return old
        items = _items(live.value) if live is not None else []
        if operation == "llen":
            result = len(items)
            return old
        if operation.endswith("pop"):
            if not items:
                return old
            result = _item_value(items.pop(0 if operation == "lpop" else -1))
        else:
            items.insert(0 if operation == "lpush" else len(items), _item(value))
            result = len(items)
        if not items:
            return None
        return DictEntry(_LIST + b"".join(items), 0, live.expires if live is not None else 0)

    if operation == "llen":
        change(dictionary.store.get(key.encode("latin-1"), now))
        return (None, refusal) if refusal else result
    stored = _changed(dictionary, key, now, change, evicts=False)
    if refusal:
        return None, refusal
    if not stored.done and operation.endswith("push"):
        return None, NO_MEMORY
    return result


# -- times and all of it --------------------------------------------------------------------


@calls
def dict_ttl(dictionary: Dictionary, key: str) -> Any:
    """Seconds, 0 for what does not expire."""
    now = _now()
    entry = _live(dictionary.store.get(key.encode("latin-1"), now), now)
    if entry is None:
        return None, NOT_FOUND
    return (entry.expires - now) / 1000 if entry.expires else 0


@calls
def dict_expire(dictionary: Dictionary, key: str, seconds: float) -> Any:
    now, found = _now(), False

    def change(old: DictEntry | None) -> DictEntry | None:
        nonlocal found
        live = _live(old, now)
        found = live is not None
        return old if live is None else live._replace(expires=_deadline(now, seconds))

    _changed(dictionary, key, now, change)
    return True if found else (None, NOT_FOUND)


@calls
def dict_flush_all(dictionary: Dictionary) -> None:
    """All values expire; they can still be had as stale ones."""
    now = _now()
    for key, _ in dictionary.store.entries():
        dictionary.store.update(key, now, _expired)


def _expired(old: DictEntry | None) -> DictEntry | None:
    return None if old is None else old._replace(expires=1)


@calls
def dict_flush_expired(dictionary: Dictionary, most: float) -> int:
    return dictionary.store.expire(_now(), int(most))


@calls
def dict_keys(run: LuaRun, dictionary: Dictionary, most: float) -> Any:
    now = _now()
    keys: list[bytes] = []
    for key, entry in dictionary.store.entries():
        if 0 < most <= len(keys):
            break
        if not entry.has_expired(now):
            keys.append(key)
    return run.machine.table(keys)


@calls
def dict_capacity(dictionary: Dictionary) -> int:
    return dictionary.zone.size


@calls
def dict_free_space(dictionary: Dictionary) -> int:
    return dictionary.store.free()
