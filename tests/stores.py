"""The stores of zones/store.py in the memory of one process: what each means, in few words.

Tests of what uses a store need nothing else, and tests/zones/test_stores.py holds these and the
LMDB ones against each other.  ``full`` stores have no room for what is new.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from pyngx_jwt.zones.rules import capacity, pour
from pyngx_jwt.zones.store import (
    MAX_USES,
    MICRO,
    MOST_MASKS,
    Counts,
    IndexTotals,
    Masks,
    Node,
    NodeState,
    PeersChanged,
    PeerState,
    PeerStates,
    Visit,
    ZoneFull,
)

T = TypeVar("T")
ME = 1  # the only worker there is


class MemoryRates:
    def __init__(self, *, full: bool = False) -> None:
        self.buckets: dict[bytes, tuple[int, int]] = {}
        self.full = full

    def look(self, key: bytes, now: int, rate: int) -> int:
        return pour(*self.buckets[key], now, rate)[0] if key in self.buckets else 0

    def take(self, key: bytes, now: int, rate: int, burst: int) -> int | None:
        if key not in self.buckets:
            if self.full:
                return None
            self.buckets[key] = 0, now
            return 0
        excess, when = pour(*self.buckets[key], now, rate)
        if excess <= burst:
            self.buckets[key] = excess, when
        return excess


class MemoryConnections:
    def __init__(self, *, full: bool = False) -> None:
        self.counts: Counter[bytes] = Counter()
        self.full = full

    def enter(self, key: bytes, limit: int) -> bool | None:
        if self.full and not self.counts[key]:
            return None
        if self.counts[key] >= limit:
            return False
        self.counts[key] += 1
        return True

    def leave(self, key: bytes) -> None:
        self.counts[key] = max(self.counts[key] - 1, 0)


class MemoryPeers:
    def __init__(self, *, full: bool = False) -> None:
        self.known: tuple[PeerState, ...] | None = None
        self.full = full
        self.now = 0, b""

    def transact(
        self, decide: Callable[[PeerStates | None], tuple[T, PeerStates]], version: int = 0
    ) -> T:
        if version != self.version():
            raise PeersChanged
        answer, states = decide(self.known)
        if not self.full:
            self.known = tuple(states)
        return answer

    def states(self, version: int = 0) -> PeerStates | None:
        if version != self.version():
            raise PeersChanged
        return self.known

    def version(self) -> int:
        return self.now[0]

    def roster(self) -> tuple[int, bytes]:
        return self.now

    def change(
        self, decide: Callable[[PeerStates | None], PeerStates], version: int, roster: bytes
    ) -> int:
        if version != self.version():
            raise PeersChanged
        if self.full:
            raise ZoneFull("memory")
        self.known = tuple(decide(self.known))
        self.now = version + 1, roster
        return version + 1

    def note(self, roster: bytes, version: int) -> None:
        if version != self.version():
            raise PeersChanged
        self.now = version, roster


class MemorySessions:
    def __init__(self) -> None:
        self.sessions: dict[bytes, tuple[float, str]] = {}

    def find(self, key: bytes, since: float) -> str:
        last, sid = self.sessions.get(key, (0.0, ""))
        return sid if last >= since else ""

    def note(self, key: bytes, sid: str, now: float, *, create: bool) -> bool:
        if create or key in self.sessions:
            self.sessions[key] = now, sid
        return True

    def expire(self, before: float) -> int:
        old = [key for key, (last, _) in self.sessions.items() if last < before]
        for key in old:
            del self.sessions[key]
        return len(old)


class MemoryCounters:
    def __init__(self) -> None:
        self.own = Counts()

    def report(self, own: Counts) -> None:
        self.own = own

    def total(self, own: Counts) -> Counts:
        self.own = own
        return own


class MemorySums:
    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.rows: dict[bytes, tuple[int, ...]] = {}
        self.own: dict[bytes, tuple[int, ...]] = {}

    def add(self, changes: Iterable[tuple[bytes, tuple[int, ...]]]) -> bool:
        has_all = True
        for key, numbers in changes:
            old = self.rows.get(key, (0,) * len(numbers))
            both = tuple(map(sum, zip(old, numbers, strict=True)))
            has_all = self.put(key, both) and has_all
        return has_all

    def put(self, key: bytes, numbers: tuple[int, ...]) -> bool:
        if self.full and key not in self.rows:
            return False
        self.rows[key] = numbers
        return True

    def report(self, own: Iterable[tuple[bytes, tuple[int, ...]]]) -> bool:
        rows = dict(own)
        self.own = {key: row for key, row in rows.items() if not self.full or key in self.own}
        return len(self.own) == len(rows)

    def totals(self, prefix: bytes) -> dict[bytes, tuple[int, ...]]:
        return {key: row for key, row in sorted(self.rows.items()) if key.startswith(prefix)}

    def reports(self, prefix: bytes) -> list[tuple[int, bytes, tuple[int, ...]]]:
        found = sorted(self.own.items())
        return [(os.getpid(), key, row) for key, row in found if key.startswith(prefix)]

    def forget(self, prefix: bytes) -> None:
        self.rows = {key: row for key, row in self.rows.items() if not key.startswith(prefix)}

    def remove(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            self.rows.pop(key, None)


class MemoryCacheIndex:
    """Entries in the order of their last use."""

    def __init__(self, size: int) -> None:
        self.capacity = capacity(size)
        self.nodes: dict[bytes, Node] = {}
        self.watermark, self.cold, self.loading = -1, 1, 0
        self.changes, self.prefixes = 0, dict[bytes, int]()

    def visit(self, md5: bytes, now: float, min_uses: int, *, again: bool) -> Visit:
        node = self.nodes.get(md5)
        if node is None:
            if not self._has_room():
                return Visit(NodeState.FULL, Node())
            return Visit(NodeState.NEW, self._use(md5, Node(uses=1), now), bool(self.cold))
        if not again:
            node = node._replace(uses=min(node.uses + 1, MAX_USES))
        if node.error and node.valid_sec < int(now):
            node = Node(
                uses=node.uses, owner=node.owner, lock_time=node.lock_time, purged=node.purged
            )
            return Visit(NodeState.NEW, self._use(md5, node, now), bool(self.cold))
        known = node.error or node.exists or node.uses >= min_uses
        state = NodeState.KNOWN if known else NodeState.SCARCE
        return Visit(state, self._use(md5, node, now), bool(self.cold))

    def note_file(self, md5: bytes, body_start: int, uniq: int, fs_size: int) -> None:
        node = self.nodes.get(md5)
        if node is not None and not node.exists:
            self.nodes[md5] = node._replace(
                uses=1, body_start=body_start, exists=1, uniq=uniq, fs_size=fs_size
            )

    def lock(self, md5: bytes, now: int, age: int) -> int | None:
        if md5 not in self.nodes or self.is_locked(md5, now):
            return None
        self.nodes[md5] = self.nodes[md5]._replace(owner=ME, lock_time=now + age)
        return now + age

    def is_locked(self, md5: bytes, now: int) -> bool:
        node = self.nodes.get(md5, Node())
        return bool(node.owner) and node.lock_time > now

    def claim(self, md5: bytes) -> int | None:
        node = self.nodes.get(md5)
        if node is None or node.owner:
            return None
        self.nodes[md5] = node._replace(owner=ME)
        return node.lock_time

    def commit(self, md5: bytes, now: float, stored: tuple[int, int] | None, start: int) -> None:
        if md5 not in self.nodes:
            self._use(md5, Node(uses=1), now)
        uniq, fs_size = stored or (0, 0)
        node = self.nodes[md5]._replace(uniq=uniq, fs_size=fs_size, body_start=start)
        exists = 1 if stored else node.exists
        self.nodes[md5] = node._replace(exists=exists, error=0, owner=0)

    def release(self, md5: bytes, lock_time: int | None) -> None:
        node = self.nodes.get(md5)
        if node is not None and node.lock_time == lock_time:
            self.nodes[md5] = node._replace(owner=0)

    def remember(self, md5: bytes, lock_time: int | None, error: int, valid_sec: int) -> None:
        self.release(md5, lock_time)
        node = self.nodes.get(md5)
        if node is not None:
            until = valid_sec or node.valid_sec
            self.nodes[md5] = node._replace(error=error, valid_sec=until)

    def forsake(self, md5: bytes, lock_time: int | None) -> None:
        self.release(md5, lock_time)
        node = self.nodes.get(md5)
        if node is not None and not (node.exists or node.error or node.owner or node.purged):
            del self.nodes[md5]

    def add(self, md5: bytes, now: float, fs_size: int) -> bool:
        if md5 not in self.nodes and not self._has_room():
            return False
        self._use(md5, self.nodes.get(md5, Node(uses=1, exists=1, fs_size=fs_size)), now)
        return True

    def oldest(self) -> tuple[bytes, Node] | None:
        order = sorted(self.nodes.items(), key=lambda item: (item[1].access, item[0]))
        return order[0] if order else None

    def requeue(self, md5: bytes, now: float) -> None:
        if md5 in self.nodes:
            self._use(md5, self.nodes[md5], now)

    def get(self, md5: bytes) -> Node | None:
        return self.nodes.get(md5)

    def remove(self, md5: bytes, uniq: int) -> None:
        if md5 in self.nodes and self.nodes[md5].uniq == uniq:
            del self.nodes[md5]

    def purge(self, md5: bytes, now: float) -> None:
        node = self.nodes.get(md5, Node())._replace(purged=int(now), exists=0, fs_size=0, error=0)
        self._use(md5, node, now)

    def add_mask(self, prefix: bytes, now: float, since: float) -> bool:
        self.prefixes.pop(prefix, None)
        self.prefixes = {mask: time for mask, time in self.prefixes.items() if time >= since}
        if len(self.prefixes) >= MOST_MASKS:
            return False
        self.prefixes[prefix] = int(now)
        self.changes += 1
        return True

    def masks(self, version: int) -> tuple[int, Masks] | None:
        return None if version == self.changes else (self.changes, tuple(self.prefixes.items()))

    def head(self) -> IndexTotals:
        size = sum(node.fs_size for node in self.nodes.values())
        return IndexTotals(size, len(self.nodes), self.watermark, self.cold, self.loading)

    def start_loading(self) -> bool:
        if not self.cold or self.loading:
            return False
        self.loading = ME
        return True

    def end_loading(self, complete: bool) -> None:
        self.loading, self.cold = 0, 0 if complete else self.cold

    def _has_room(self) -> bool:
        count = len(self.nodes)
        if count >= self.capacity:
            self.watermark = count - count // 8
        return count < self.capacity

    def _use(self, md5: bytes, node: Node, now: float) -> Node:
        self.nodes[md5] = node = node._replace(access=int(now * MICRO))
        return node


class MemoryKeyVal:
    def __init__(self, *, full: bool = False) -> None:
        self.values: dict[bytes, tuple[bytes, float]] = {}
        self.notes: dict[bytes, bytes] = {}
        self.full = full

    def get(self, key: bytes, now: float) -> bytes | None:
        return dict(self.items(now)).get(key)

    def set(self, key: bytes, value: bytes, expires: float = 0.0) -> bool:
        if self.full and key not in self.values:
            return False
        self.values[key] = value, expires
        return True

    def restore(self, values: Sequence[tuple[bytes, bytes]], expires: float = 0.0) -> bool:
        if self.full:
            return False
        self.values |= {key: (value, expires) for key, value in values}
        return True

    def delete(self, key: bytes) -> bool:
        return self.values.pop(key, None) is not None

    def expire(self, now: float) -> int:
        old = [key for key, (_, expires) in self.values.items() if 0 < expires <= now]
        return sum(self.delete(key) for key in old)

    def items(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        for key, (value, expires) in list(self.values.items()):
            if not 0 < expires <= now:
                yield key, value

    def note(self, name: bytes, text: bytes) -> None:
        self.notes[name] = text

    def noted(self, name: bytes) -> bytes:
        return self.notes.get(name, b"")
