"""Key sets that were fetched, for the other workers, and for those after a reload.

What is found is as old as it says: a worker that begins while the issuer is down goes on with
the keys that others have, as long as these may be used.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time

from ...gateway.conf import gateway_of
from ...http.request import Location, Server
from ...zones.store import DictEntry, SharedDict

# No directive can refer to a zone of this name.
ZONE, ZONE_SIZE, ZONE_TAG = "jwks:", 2 << 20, "jwks"
_TIMES = struct.Struct("<dd")  # when it was asked for, when it came
_CLAIM = b"?"


class KeyShelf:
    """Texts of key sets in a zone, and who is fetching which."""

    def __init__(self) -> None:
        self.store: SharedDict | None = None  # until it is known that there are fetches

    def get(self, name: bytes) -> tuple[float, float, bytes] | None:
        """When it was asked for, when it came, in seconds since the epoch, and the text."""
        if self.store is None:
            return None
        now = _milliseconds()
        entry = self.store.get(name, now)
        if entry is None or entry.has_expired(now):
            return None
        asked, came = _TIMES.unpack_from(entry.value)
        text = entry.value[_TIMES.size :]
        return (asked, came, text) if text else None

    def put(self, name: bytes, text: bytes, lasts: float, asked: float) -> None:
        """Keeps a text that was asked for at that time and has come now, if there is room for
        it, unless another worker asked later and had its answer earlier."""
        if self.store is None:
            return
        now = time.time()
        entry = DictEntry(_TIMES.pack(asked, now) + text, 0, _milliseconds(lasts))

        def change(old: DictEntry | None) -> DictEntry:
            is_newer = old is not None and asked < _TIMES.unpack_from(old.value)[0] <= now
            return old if old is not None and is_newer else entry

        self.store.update(name, _milliseconds(), change)

    def drop(self, name: bytes, lasts: float, asked: float) -> None:
        """The issuer has withdrawn the keys, as was found out when it was asked at that time.
        It is kept in mind for so many seconds, for answers that are on their way."""
        self.put(name, b"", lasts, asked)

    def claim(self, name: bytes, lasts: float) -> bool:
        """Takes the right to fetch for so many seconds, unless another has it."""
        if self.store is None:
            return True
        now, mine = _milliseconds(), DictEntry(_holder(), 0, _milliseconds(lasts))
        taken = False

        def change(old: DictEntry | None) -> DictEntry:
            nonlocal taken
            taken = old is None or old.has_expired(now)
            return mine if old is None or taken else old

        done = self.store.update(_CLAIM + name, now, change).done
        return taken or not done

    def release(self, name: bytes) -> None:
        """Gives the right back, unless it was lost to another that did not want to wait."""
        if self.store is not None:
            mine = _holder()
            self.store.update(
                _CLAIM + name,
                _milliseconds(),
                lambda old: None if old is None or old.value == mine else old,
            )


def _holder() -> bytes:
    """Who holds a claim: a worker fetches a set once at a time."""
    return b"%d" % os.getpid()


def _milliseconds(later: float = 0.0) -> int:
    return int((time.time() + later) * 1000)


def name_of_issuer(*words: str) -> bytes:
    """The name of the keys of an issuer."""
    return hashlib.sha256(repr(("issuer", *words)).encode("latin-1", "replace")).digest()


def name_of(number: int, server: Server, location: Location, key: tuple[str, str]) -> bytes:
    """What fetches have in common that bring the same: the server and its number in the
    configuration, the URI and form, and what is asked where."""
    conf = gateway_of(location.core.level)
    assert conf is not None and conf.target is not None and conf.target.url is not None
    sent = [None if text is None else text.text for text in conf.sent]
    names = repr((number, server.name, *key, conf.target.url.text, location.name, sent))
    return hashlib.sha256(names.encode("latin-1", "replace")).digest()
