"""Host names with wildcards, as "map", "valid_referers" and their like look them up."""

from __future__ import annotations

from typing import Generic, TypeVar

from ..errors import ConfError

V = TypeVar("V")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def ascii_lower(text: str) -> str:
    """Lower case as nginx has it: bytes above 0x7f are left alone (ngx_strlow)."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


class WildcardTable(Generic[V]):
    """Values by text in any case, by "*.example.com", ".example.com" and "www.example.*".

    (ngx_hash_add_key, ngx_hash_find_combined)
    """

    __slots__ = ("_exact", "_heads", "_tails")

    def __init__(self) -> None:
        self._exact: dict[str, V] = {}
        self._heads: dict[str, V] = {}  # ".example.com"
        self._tails: dict[str, V] = {}  # "www.example"

    def add(self, key: str, value: V, *, wildcards: bool) -> None:
        """Raises ConfError in nginx's words."""
        low = ascii_lower(key)
        if wildcards and (low.count("*") > 1 or ".." in low or "\0" in low):
            raise _invalid(key)
        if wildcards and len(low) > 1 and low[0] == ".":
            _put(self._exact, low[1:], value, low)
            _put(self._heads, low, value, low)
        elif wildcards and "*" in low:
            self._add_wildcard(key, low, value)
        else:
            _put(self._exact, low, value, low)

    def add_plain(self, pairs: list[tuple[str, V]]) -> bool:
        """Adds ASCII keys that are no wildcards, all or none: False if one is there already."""
        values = {key.lower(): value for key, value in pairs}
        if len(values) < len(pairs) or not self._exact.keys().isdisjoint(values):
            return False
        self._exact.update(values)
        return True

    def _add_wildcard(self, key: str, low: str, value: V) -> None:
        if len(low) > 2 and low.startswith("*."):
            _put(self._heads, low[1:], value, low)
        elif len(low) > 2 and low.endswith(".*"):
            _put(self._tails, low[:-2], value, low)
        else:
            raise _invalid(key)

    @property
    def is_empty(self) -> bool:
        return not self._exact and not self.has_wildcards

    @property
    def has_wildcards(self) -> bool:
        return bool(self._heads or self._tails)

    def find(self, low: str) -> V | None:
        """The value for a text in lower case: exact, then by the longest end, then the
        longest beginning."""
        value = self._exact.get(low)
        if value is not None or not self.has_wildcards:
            return value
        at = low.find(".")
        while at >= 0:
            if (value := self._heads.get(low[at:])) is not None:
                return value
            at = low.find(".", at + 1)
        at = low.rfind(".")
        while at >= 0:
            if (value := self._tails.get(low[:at])) is not None:
                return value
            at = low.rfind(".", 0, at)
        return None


def _put(table: dict[str, V], key: str, value: V, shown: str) -> None:
    if key in table:
        raise ConfError(f'conflicting parameter "{shown}"')
    table[key] = value


def _invalid(key: str) -> ConfError:
    return ConfError(f'invalid hostname or wildcard "{key}"')
