"""The index of a cache in LMDB.

An entry is a node under its digest and a place in a queue by the time of its last use; the head
holds the sums.  Every method is one transaction, so that a killed process leaves no
half of a change.  A node names the process that is fetching its response: one that has ended
holds nothing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from .lmdb_table import LmdbTable, Transaction, first
from .processes import is_alive
from .rules import capacity
from .store import MAX_USES, MICRO, MOST_MASKS, IndexTotals, Masks, Node, NodeState, Visit

_NODE = struct.Struct("<QQqQQIIHHBQ")
_HEAD = struct.Struct("<qqqBI")
_MASK = struct.Struct("<QH")  # the second and the length of the prefix that follows
_VERSION = struct.Struct("<Q")
_HEAD_KEY, _NODE_PREFIX, _QUEUE_PREFIX = b"h", b"k", b"q"
_VERSION_KEY, _MASKS_KEY = b"v", b"m"


class LmdbCacheIndex:
    """Nodes by digest, as many as nginx has room for in a zone of ``size`` bytes."""

    __slots__ = ("_table", "capacity")

    def __init__(self, table: LmdbTable, size: int) -> None:
        self._table = table
        self.capacity = capacity(size)

    # -- requests --------------------------------------------------------------------------

    def visit(self, md5: bytes, now: float, min_uses: int, *, again: bool) -> Visit:
        # One with a file that was used within the same second is left as it is: most hits
        # only read.
        raw = self._table.get(_NODE_PREFIX + md5)
        if raw is not None:
            node = Node._make(_NODE.unpack(raw))
            if node.exists and not node.error and node.access // MICRO == int(now):
                return Visit(NodeState.KNOWN, node)
        return self._table.write(lambda t: self._visit(t, md5, now, min_uses, again))

    def _visit(self, t: Transaction, md5: bytes, now: float, min_uses: int, again: bool) -> Visit:
        node, head = _node(t, md5), _head(t)
        if node is None:
            if head.entries >= self.capacity:
                _put_head(t, head._replace(watermark=head.entries - head.entries // 8))
                return Visit(NodeState.FULL, Node())
            node = Node(uses=1)
            _put_head(t, head._replace(entries=head.entries + 1))
            return Visit(NodeState.NEW, _touch(t, md5, node, now), bool(head.cold))
        if not again:
            node = node._replace(uses=min(node.uses + 1, MAX_USES))
        if node.error and node.valid_sec < int(now):
            _put_head(t, head._replace(size=head.size - node.fs_size))
            node = Node(
                node.access,
                uses=node.uses,
                owner=node.owner,
                lock_time=node.lock_time,
                purged=node.purged,
            )
            return Visit(NodeState.NEW, _touch(t, md5, node, now), bool(head.cold))
        known = node.error or node.exists or node.uses >= min_uses
        state = NodeState.KNOWN if known else NodeState.SCARCE
        return Visit(state, _touch(t, md5, node, now), bool(head.cold))

    def note_file(self, md5: bytes, body_start: int, uniq: int, fs_size: int) -> None:
        def change(t: Transaction, node: Node) -> Node:
            if node.exists:
                return node
            _add_size(t, fs_size)
            return node._replace(
                uses=1, body_start=body_start, exists=1, uniq=uniq, fs_size=fs_size
            )

        self._change(md5, change)

    # -- the right to fetch ----------------------------------------------------------------

    def lock(self, md5: bytes, now: int, age: int) -> int | None:
        taken: int | None = None

        def change(t: Transaction, node: Node) -> Node:
            nonlocal taken
            taken = None
            if _is_locked(node, now):
                return node
            taken = now + age
            return node._replace(owner=os.getpid(), lock_time=taken)

        self._change(md5, change)
        return taken

    def is_locked(self, md5: bytes, now: int) -> bool:
        raw = self._table.get(_NODE_PREFIX + md5)
        return raw is not None and _is_locked(Node._make(_NODE.unpack(raw)), now)

    def claim(self, md5: bytes) -> int | None:
        taken: int | None = None

        def change(t: Transaction, node: Node) -> Node:
            nonlocal taken
            taken = None
            if node.owner and is_alive(node.owner):
                return node
            taken = node.lock_time
            return node._replace(owner=os.getpid())

        self._change(md5, change)
        return taken

    # -- the end of a request --------------------------------------------------------------

    def commit(self, md5: bytes, now: float, stored: tuple[int, int] | None, start: int) -> None:
        uniq, fs_size = stored or (0, 0)

        def change(t: Transaction) -> None:
            node, head = _node(t, md5), _head(t)
            if node is None:  # evicted while it was fetched
                head = head._replace(entries=head.entries + 1)
                node = _touch(t, md5, Node(uses=1), now)
            _put_head(t, head._replace(size=head.size + fs_size - node.fs_size))
            exists = 1 if stored else node.exists
            node = node._replace(uniq=uniq, fs_size=fs_size, body_start=start, exists=exists)
            _put(t, md5, node._replace(error=0, owner=0))

        self._table.write(change)

    def release(self, md5: bytes, lock_time: int | None) -> None:
        self._change(md5, lambda t, node: _released(node, lock_time))

    def remember(self, md5: bytes, lock_time: int | None, error: int, valid_sec: int) -> None:
        def change(t: Transaction, node: Node) -> Node:
            node = _released(node, lock_time)
            return node._replace(error=error, valid_sec=valid_sec or node.valid_sec)

        self._change(md5, change)

    def forsake(self, md5: bytes, lock_time: int | None) -> None:
        def change(t: Transaction, node: Node) -> Node | None:
            node = _released(node, lock_time)
            return node if node.exists or node.error or node.owner or node.purged else None

        self._change(md5, change)

    # -- loader and manager ----------------------------------------------------------------

    def add(self, md5: bytes, now: float, fs_size: int) -> bool:
        def change(t: Transaction) -> bool:
            node, head = _node(t, md5), _head(t)
            if node is None:
                if head.entries >= self.capacity:
                    _put_head(t, head._replace(watermark=head.entries - head.entries // 8))
                    return False
                node = Node(uses=1, exists=1, fs_size=fs_size)
                _put_head(t, head._replace(entries=head.entries + 1, size=head.size + fs_size))
            _touch(t, md5, node, now)
            return True

        return self._table.write(change)

    def oldest(self) -> tuple[bytes, Node] | None:
        def look(t: Transaction) -> tuple[bytes, Node] | None:
            oldest = first(t, _QUEUE_PREFIX)
            if oldest is None:
                return None
            md5 = oldest[0][-16:]
            node = _node(t, md5) or Node()
            return md5, node if is_alive(node.owner) else node._replace(owner=0)

        return self._table.read(look)

    def requeue(self, md5: bytes, now: float) -> None:
        def change(t: Transaction) -> None:
            node = _node(t, md5)
            if node is not None:
                _touch(t, md5, node, now)

        self._table.write(change)

    def get(self, md5: bytes) -> Node | None:
        return self._table.read(lambda t: _node(t, md5))

    def remove(self, md5: bytes, uniq: int) -> None:
        self._change(md5, lambda t, node: node if node.uniq != uniq else None)

    # -- purging ---------------------------------------------------------------------------

    def purge(self, md5: bytes, now: float) -> None:
        def change(t: Transaction) -> None:
            node, head = _node(t, md5), _head(t)
            if node is None:
                node = Node()
                head = head._replace(entries=head.entries + 1)
            _put_head(t, head._replace(size=head.size - node.fs_size))
            _touch(t, md5, node._replace(purged=int(now), exists=0, fs_size=0, error=0), now)

        self._table.write(change)

    def add_mask(self, prefix: bytes, now: float, since: float) -> bool:
        def change(t: Transaction) -> bool:
            masks = [mask for mask in _masks(t) if mask[1] >= since and mask[0] != prefix]
            if len(masks) >= MOST_MASKS:
                return False
            masks.append((prefix, int(now)))
            packed = [_MASK.pack(time, len(text)) + text for text, time in masks]
            t.put(_MASKS_KEY, b"".join(packed))
            t.put(_VERSION_KEY, _VERSION.pack(_version(t.get(_VERSION_KEY)) + 1))
            return True

        return self._table.write(change)

    def masks(self, version: int) -> tuple[int, Masks] | None:
        if _version(self._table.get(_VERSION_KEY)) == version:
            return None
        return self._table.read(lambda t: (_version(t.get(_VERSION_KEY)), _masks(t)))

    def head(self) -> IndexTotals:
        return self._table.read(_head)

    def start_loading(self) -> bool:
        def change(t: Transaction) -> bool:
            head = _head(t)
            if not head.cold or (head.loading and is_alive(head.loading)):
                return False
            _put_head(t, head._replace(loading=os.getpid()))
            return True

        return self._table.write(change)

    def end_loading(self, complete: bool) -> None:
        def change(t: Transaction) -> None:
            head = _head(t)
            _put_head(t, head._replace(loading=0, cold=0 if complete else head.cold))

        self._table.write(change)

    def _change(self, md5: bytes, change: Callable[[Transaction, Node], Node | None]) -> None:
        """Changes a node in place; one that is not there has no owner, and is not added."""

        def apply(t: Transaction) -> None:
            old = _node(t, md5)
            if old is None:
                return
            new = change(t, old)
            if new is None:
                _drop(t, md5, old)
            elif new != old:
                _put(t, md5, new)

        self._table.write(apply)


def _is_locked(node: Node, now: int) -> bool:
    return bool(node.owner) and node.lock_time > now and is_alive(node.owner)


def _released(node: Node, lock_time: int | None) -> Node:
    mine = lock_time is not None and node.lock_time == lock_time
    return node._replace(owner=0) if mine else node


def _node(t: Transaction, md5: bytes) -> Node | None:
    raw = t.get(_NODE_PREFIX + md5)
    return None if raw is None else Node._make(_NODE.unpack(raw))


def _put(t: Transaction, md5: bytes, node: Node) -> None:
    t.put(_NODE_PREFIX + md5, _NODE.pack(*node))


def _touch(t: Transaction, md5: bytes, node: Node, now: float) -> Node:
    """Puts the node with a new time of use, at the end of the queue."""
    if node.access:
        t.delete(_place(node, md5))
    node = node._replace(access=int(now * MICRO))
    t.put(_place(node, md5), b"")
    _put(t, md5, node)
    return node


def _drop(t: Transaction, md5: bytes, node: Node) -> None:
    t.delete(_NODE_PREFIX + md5)
    t.delete(_place(node, md5))
    head = _head(t)
    _put_head(t, head._replace(entries=head.entries - 1, size=head.size - node.fs_size))


def _place(node: Node, md5: bytes) -> bytes:
    return _QUEUE_PREFIX + node.access.to_bytes(8, "big") + md5


def _version(raw: bytes | None) -> int:
    return _VERSION.unpack(raw)[0] if raw else 0


def _masks(t: Transaction) -> Masks:
    raw, at, masks = t.get(_MASKS_KEY) or b"", 0, []
    while at < len(raw):
        time, length = _MASK.unpack_from(raw, at)
        at += _MASK.size + length
        masks.append((bytes(raw[at - length : at]), time))
    return tuple(masks)


def _head(t: Transaction) -> IndexTotals:
    raw = t.get(_HEAD_KEY)
    return IndexTotals() if raw is None else IndexTotals._make(_HEAD.unpack(raw))


def _put_head(t: Transaction, head: IndexTotals) -> None:
    t.put(_HEAD_KEY, _HEAD.pack(*head))


def _add_size(t: Transaction, blocks: int) -> None:
    head = _head(t)
    _put_head(t, head._replace(size=head.size + blocks))
