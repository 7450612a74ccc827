"""The key-value databases, as the API shows and changes them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..keyval import KeyvalZone
from .answers import Answer, ApiError, Value, method_disabled, not_found, parsed
from .text import hidden, shown

LONGEST = 10**13  # milliseconds after which a value can expire


def contents(zone: KeyvalZone) -> dict[str, Value]:
    """All pairs."""
    items = zone.use().items(time.time())
    return {shown(key.decode("latin-1")): shown(value.decode("latin-1")) for key, value in items}


def answer(zone: KeyvalZone, method: str, key: str | None, body: bytes, here: str) -> Answer:
    """Reads or changes a database; `key` is that of the query, `here` the path.  Raises
    ApiError."""
    if method in ("GET", "HEAD"):
        return Answer(200, _read(zone, key))
    if method == "POST":
        name, value, expire = _pair(body)
        if _get(zone, name) is not None:
            raise ApiError(409, "KeyvalKeyExists", f'key "{name}" already exists')
        if value is None:
            raise ApiError(400, "KeyvalFormatError", "null is not a value")
        _put(zone, name, value, expire)
        return Answer(201, None, here)
    if method == "PATCH":
        name, value, expire = _pair(body)
        if _get(zone, name) is None:
            raise _no_key(name)
        if value is None:
            _delete(zone, name)
        else:
            _put(zone, name, value, expire)
        return Answer(204)
    if method == "DELETE" and key is not None:  # NGINX Plus would empty the database
        if _get(zone, key) is None:
            raise _no_key(key)
        _delete(zone, key)
        return Answer(204)
    if method == "DELETE":
        for raw, _ in list(zone.use().items(time.time())):  # which may be no UTF-8
            zone.remove(raw.decode("latin-1"))
        return Answer(204)
    raise method_disabled(method)


def _read(zone: KeyvalZone, key: str | None) -> Value:
    if key is None:
        return contents(zone)
    value = _get(zone, key)
    if value is None:
        raise _no_key(key)
    return {key: value}


def _no_key(key: str) -> ApiError:
    return not_found("KeyvalKeyNotFound", f'key "{key}" not found')


def _get(zone: KeyvalZone, key: str) -> str | None:
    """The value under this very key."""
    value = zone.use().get(zone.name_of(hidden(key)).encode("latin-1"), time.time())
    return None if value is None else shown(value.decode("latin-1"))


def _put(zone: KeyvalZone, key: str, value: str, expire: float) -> None:
    if not zone.name_of(hidden(key)):
        raise ApiError(400, "KeyvalFormatError", f'invalid key "{key}"')
    if not zone.put(hidden(key), hidden(value), expire):
        raise ApiError(507, "KeyvalOutOfMemory", "no memory for the key-value pair")


def _delete(zone: KeyvalZone, key: str) -> None:
    zone.remove(hidden(key))


def _pair(body: bytes) -> tuple[str, str | None, float]:
    """The one pair of a body, and the seconds after which it expires (0: as the zone says)."""
    pairs = parsed(body)
    if not isinstance(pairs, dict):
        raise ApiError(400, "KeyvalFormatError", "object expected")
    if not pairs:
        raise ApiError(400, "KeyvalEmptyRequest", "empty request")
    if len(pairs) > 1:
        raise ApiError(400, "KeyvalFormatError", "only one key can be added or changed at a time")
    ((key, value),) = pairs.items()
    if not key:
        raise ApiError(400, "KeyvalFormatError", "a key must not be empty")
    expire = 0.0
    if isinstance(value, Mapping):
        milliseconds = value.get("expire", 0)
        is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
        if not is_number or not 0 <= milliseconds <= LONGEST:
            raise ApiError(400, "KeyvalFormatError", 'invalid "expire"')
        expire, value = milliseconds / 1000, value.get("value")
    if value is not None and not isinstance(value, str):
        raise ApiError(400, "KeyvalFormatError", "a value must be a string")
    return key, value, expire
