"""The index of a cache: what all workers know of its entries, in a zone.

An entry is a node under its digest and a place in a queue by the time of its last use; the head
holds the sums.  Every method is one transaction, so that a killed process leaves no
half of a change.  A node names the process that is fetching its response: one that is no more
holds nothing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from ..zones import Transaction, Zone, first

_NODE = struct.Struct("<QQqQQIIHHB")
_HEAD = struct.Struct("<qqqBI")
_HEAD_KEY, _NODE_PREFIX, _QUEUE_PREFIX = b"h", b"k", b"q"
_MICRO = 1_000_000
_MAX_USES = 1023  # nginx has ten bits

# Sizes of nginx's zones, so that as many entries fit as administrators count on.
_PAGE, _NODES_A_PAGE, _POOL, _PAGE_ENTRY = 4096, 32, 700, 24


class Node(NamedTuple):
    """One entry; the responses of all processes to "what do we know of this digest".

    ``access`` is in microseconds since the epoch, ``lock_time`` in milliseconds of the
    monotonic clock, ``fs_size`` in blocks; ``owner`` is the process that fetches it, or 0.
    An ``error`` is a status to answer with until ``valid_sec``.
    """

    access: int = 0
    uniq: int = 0
    valid_sec: int = 0
    fs_size: int = 0
    lock_time: int = 0
    owner: int = 0
    body_start: int = 0
    error: int = 0
    uses: int = 0
    exists: int = 0


class Head(NamedTuple):
    """The sums: ``size`` in blocks; above ``watermark`` entries (-1: none) some have to go.

    ``cold`` until all files are known, ``loading`` is the process that looks for them.
    """

    size: int = 0
    entries: int = 0
    watermark: int = -1
    cold: int = 1
    loading: int = 0


class State(Enum):
    """What ``visit`` found, with nginx's names for it."""

    KNOWN = auto()  # NGX_OK: there is a file or an error, or enough uses to fetch it
    NEW = auto()  # NGX_DECLINED: nothing was known
    SCARCE = auto()  # NGX_AGAIN: not asked for often enough
    FULL = auto()  # NGX_ERROR: no room for another node


class Visit(NamedTuple):
    state: State
    node: Node
    cold: bool = False


def capacity(size: int) -> int:
    """How many nodes of 128 bytes nginx gets into a keys_zone of that many bytes."""
    pages = (size - _POOL) // (_PAGE + _PAGE_ENTRY)
    start = -(-(_POOL + pages * _PAGE_ENTRY) // _PAGE) * _PAGE
    pages = min(pages, (size - start) // _PAGE)
    return max(1, (pages - 1) * _NODES_A_PAGE - 1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


class Index:
    """Nodes by digest, 16 bytes.  Methods raise ZoneFull if the zone's memory is exhausted."""

    __slots__ = ("capacity", "zone")

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.capacity = capacity(zone.size)

    # -- requests --------------------------------------------------------------------------

    def visit(self, md5: bytes, now: float, min_uses: int, *, again: bool) -> Visit:
        """Notes a use of the entry at ``now`` (ngx_http_file_cache_exists).

        ``again`` when the request did so before.  An entry with a file that was used within
        the same second is left as it is: most hits only read.
        """
        raw = self.zone.get(_NODE_PREFIX + md5)
        if raw is not None:
            node = Node._make(_NODE.unpack(raw))
            if node.exists and not node.error and node.access // _MICRO == int(now):
                return Visit(State.KNOWN, node)
        return self.zone.write(lambda t: self._visit(t, md5, now, min_uses, again))

    def _visit(self, t: Transaction, md5: bytes, now: float, min_uses: int, again: bool) -> Visit:
        node, head = _node(t, md5), _head(t)
        if node is None:
            if head.entries >= self.capacity:
                _put_head(t, head._replace(watermark=head.entries - head.entries // 8))
                return Visit(State.FULL, Node())
            node = Node(uses=1)
            _put_head(t, head._replace(entries=head.entries + 1))
            return Visit(State.NEW, _touch(t, md5, node, now), bool(head.cold))
        if not again:
            node = node._replace(uses=min(node.uses + 1, _MAX_USES))
        if node.error and node.valid_sec < int(now):
            _put_head(t, head._replace(size=head.size - node.fs_size))
            node = Node(node.access, uses=node.uses, owner=node.owner, lock_time=node.lock_time)
            return Visit(State.NEW, _touch(t, md5, node, now), bool(head.cold))
        known = node.error or node.exists or node.uses >= min_uses
        state = State.KNOWN if known else State.SCARCE
        return Visit(state, _touch(t, md5, node, now), bool(head.cold))

    def found(self, md5: bytes, body_start: int, uniq: int, fs_size: int) -> None:
        """A request came upon a file that the loader has not reached yet."""

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
        """Takes the right to fetch the response; the lock's time, or None if another has it.

        ``now`` and ``age``, after which somebody else may try, are milliseconds of the
        monotonic clock (ngx_http_file_cache_lock).
        """
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
        raw = self.zone.get(_NODE_PREFIX + md5)
        return raw is not None and _is_locked(Node._make(_NODE.unpack(raw)), now)

    def claim(self, md5: bytes) -> int | None:
        """Takes the right to replace a stale response: the lock's time, or None."""
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
        """The response is there: ``stored`` is uniq and size in blocks, None if that failed.

        ``start`` is where its body starts (ngx_http_file_cache_update).
        """
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

        self.zone.write(change)

    def release(self, md5: bytes, lock_time: int | None) -> None:
        """Gives back what ``lock`` or ``claim`` gave, unless another has taken it since."""
        self._change(md5, lambda t, node: _released(node, lock_time))

    def remember(self, md5: bytes, lock_time: int | None, error: int, valid_sec: int) -> None:
        """Releases and answers ``error`` until ``valid_sec`` (0: as long as before)."""

        def change(t: Transaction, node: Node) -> Node:
            node = _released(node, lock_time)
            return node._replace(error=error, valid_sec=valid_sec or node.valid_sec)

        self._change(md5, change)

    def forsake(self, md5: bytes, lock_time: int | None) -> None:
        """Releases, and forgets a node that has come to nothing and that nobody works on."""

        def change(t: Transaction, node: Node) -> Node | None:
            node = _released(node, lock_time)
            return node if node.exists or node.error or node.owner else None

        self._change(md5, change)

    # -- loader and manager ----------------------------------------------------------------

    def add(self, md5: bytes, now: float, fs_size: int) -> bool:
        """The loader found a file; False if there is no room (ngx_http_file_cache_add)."""

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

        return self.zone.write(change)

    def oldest(self) -> tuple[bytes, Node] | None:
        """The entry that has not been used for the longest time."""

        def look(t: Transaction) -> tuple[bytes, Node] | None:
            found = first(t, _QUEUE_PREFIX)
            if found is None:
                return None
            md5 = found[0][-16:]
            return md5, _node(t, md5) or Node()

        return self.zone.read(look)

    def requeue(self, md5: bytes, now: float) -> None:
        """Counts as a use without being one."""

        def change(t: Transaction) -> None:
            node = _node(t, md5)
            if node is not None:
                _touch(t, md5, node, now)

        self.zone.write(change)

    def get(self, md5: bytes) -> Node | None:
        return self.zone.read(lambda t: _node(t, md5))

    def remove(self, md5: bytes, uniq: int) -> None:
        """Forgets an entry whose file is gone, unless it has got another one meanwhile."""
        self._change(md5, lambda t, node: node if node.uniq != uniq else None)

    def head(self) -> Head:
        return self.zone.read(_head)

    def start_loading(self) -> bool:
        """Whether this process is to look for files; nobody else will then."""

        def change(t: Transaction) -> bool:
            head = _head(t)
            if not head.cold or (head.loading and is_alive(head.loading)):
                return False
            _put_head(t, head._replace(loading=os.getpid()))
            return True

        return self.zone.write(change)

    def end_loading(self, complete: bool) -> None:
        def change(t: Transaction) -> None:
            head = _head(t)
            _put_head(t, head._replace(loading=0, cold=0 if complete else head.cold))

        self.zone.write(change)

    def _change(self, md5: bytes, change: Callable[[Transaction, Node], Node | None]) -> None:
        """Changes a node in place; one that is not there is nobody's, and stays away."""

        def apply(t: Transaction) -> None:
            old = _node(t, md5)
            if old is None:
                return
            new = change(t, old)
            if new is None:
                _drop(t, md5, old)
            elif new != old:
                _put(t, md5, new)

        self.zone.write(apply)


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
    node = node._replace(access=int(now * _MICRO))
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


def _head(t: Transaction) -> Head:
    raw = t.get(_HEAD_KEY)
    return Head() if raw is None else Head._make(_HEAD.unpack(raw))


def _put_head(t: Transaction, head: Head) -> None:
    t.put(_HEAD_KEY, _HEAD.pack(*head))


def _add_size(t: Transaction, blocks: int) -> None:
    head = _head(t)
    _put_head(t, head._replace(size=head.size + blocks))
