"""Values of zones, which only a running server has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..conf.scope import Scope
from ..modules.keyval import KeyvalZones

REMARK = "the values of keyval zones are not known, they are taken for empty"


class OwnValues:
    """What the followed requests themselves store."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes, now: float) -> bytes | None:
        return self._values.get(key)

    def set(self, key: bytes, value: bytes, expires: float = 0.0) -> bool:
        self._values[key] = value
        return True

    def restore(self, values: Sequence[tuple[bytes, bytes]], expires: float = 0.0) -> bool:
        self._values |= dict(values)
        return True

    def delete(self, key: bytes) -> bool:
        return self._values.pop(key, None) is not None

    def expire(self, now: float) -> int:
        return 0

    def items(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._values.items())

    def note(self, name: bytes, text: bytes) -> None:
        """Nobody asks."""

    def noted(self, name: bytes) -> bytes:
        return b""


def replace_values(scope: Scope) -> list[str]:
    """Puts values of our own in the place of those of a server; what is to be said of it."""
    zones = scope.shared(KeyvalZones).by_name.values()
    for zone in zones:
        zone.store, zone.copies = OwnValues(), None
    return [REMARK] if zones else []
