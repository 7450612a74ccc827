"""Key sets that were fetched, for the other workers, and for those after a reload.

What is found is as old as it says: a worker that begins while the issuer is down goes on with
the keys that others have, as long as these may be used.
"""

from __future__ import annotations

import hashlib
import struct
import time

from ...gateway.conf import gateway_of
from ...http.request import Location, Server
from ...zones.store import KeyVal

# No directive can refer to a zone of this name.
ZONE, ZONE_SIZE, ZONE_TAG = "jwks:", 2 << 20, "jwks"
_TIME = struct.Struct("<d")


class KeyShelf:
    """Texts of key sets in a zone."""

    def __init__(self) -> None:
        self.store: KeyVal | None = None  # until it is known that there are fetches

    def get(self, name: bytes) -> tuple[float, bytes] | None:
        """When it was fetched, in seconds since the epoch, and the text."""
        value = self.store.get(name, time.time()) if self.store is not None else None
        if value is None:
            return None
        (at,) = _TIME.unpack_from(value)
        return at, value[_TIME.size :]

    def put(self, name: bytes, text: bytes, lasts: float) -> None:
        """Keeps a text that was fetched now, if there is room for it."""
        if self.store is not None:
            now = time.time()
            self.store.set(name, _TIME.pack(now) + text, now + lasts)

    def drop(self, name: bytes) -> None:
        """The issuer has withdrawn the keys."""
        if self.store is not None:
            self.store.delete(name)


def name_of(number: int, server: Server, location: Location, key: tuple[str, str]) -> bytes:
    """What fetches have in common that bring the same: the server and its number in the
    configuration, the URI and form, and what is asked where."""
    conf = gateway_of(location.core.level)
    assert conf is not None and conf.target is not None and conf.target.url is not None
    sent = [None if text is None else text.text for text in conf.sent]
    names = repr((number, server.name, *key, conf.target.url.text, location.name, sent))
    return hashlib.sha256(names.encode("latin-1", "replace")).digest()
