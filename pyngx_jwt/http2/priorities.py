"""In which order streams are sent, as their client wishes (RFC 7540, 5.3; ngx_http_v2.c).

Streams depend on others, and are sent after those; of streams that depend on the same one, those of
a greater weight are sent first.  RFC 9113 has dropped this, but browsers go on asking for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from .stream import Stream

WEIGHT: Final = 16  # of a stream whose client has said nothing
IDLE: Final = 32  # streams that are remembered though they are over, or have not begun
# How many streams come first, and the share of the bandwidth, negative: less is sent earlier.
Order: TypeAlias = tuple[int, float]
_UNKNOWN: Final[Order] = (1, -WEIGHT / 256)


class _Node:
    """A stream, and those that depend on it."""

    __slots__ = ("children", "number", "parent", "weight")

    def __init__(self, number: int) -> None:
        self.number, self.weight = number, WEIGHT
        self.parent: _Node | None = None
        self.children: list[_Node] = []


class Priorities:
    """The streams of a connection on which a client has set priorities."""

    __slots__ = ("_nodes", "_orders", "_root", "_streams")

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        """`streams` are those that are not over."""
        self._streams = streams
        self._root = _Node(0)
        self._nodes: dict[int, _Node] = {}  # the one that was named last is the last
        self._orders: dict[int, Order] = {}  # as far as they have been looked up
        for number in streams:
            self.begin(number)

    def first(self, waiting: Iterable[Stream]) -> Stream:
        """The one that is to be sent next; of those that are alike, the one that waits longest."""
        return min(waiting, key=self._order_of)

    def begin(self, number: int) -> None:
        """A stream begins without a word on its priority."""
        if number not in self._nodes:
            self._place(self._named(number), self._root)

    def set(self, number: int, depends_on: int, weight: int, *, exclusive: bool) -> None:
        """A stream depends on another one, alone if `exclusive`; 0 for none."""
        node = self._named(number)
        node.weight = weight
        parent = self._nodes.get(depends_on)
        if parent is None:
            parent = self._root
            exclusive = exclusive and not depends_on
        elif depends_on not in self._streams:
            self._named(depends_on)
        if _is_above(node, parent) and node.parent is not None:
            self._place(parent, node.parent)
        if exclusive:
            for child in [x for x in parent.children if x is not node]:
                self._place(child, node)
        self._place(node, parent)

    def _named(self, number: int) -> _Node:
        node = self._nodes.pop(number, None)
        if node is None:
            if len(self._nodes) >= len(self._streams) + IDLE:
                self._forget_one()
            node = _Node(number)
        self._nodes[number] = node
        return node

    def _forget_one(self) -> None:
        """Those that depend on it share its weight."""
        number = next((x for x in self._nodes if x not in self._streams), 0)
        node = self._nodes.pop(number, None)
        if node is None or node.parent is None:
            return
        whole = sum(child.weight for child in node.children)
        for child in list(node.children):
            child.weight = max(1, node.weight * child.weight // whole)
            self._place(child, node.parent)
        node.parent.children.remove(node)

    def _place(self, node: _Node, parent: _Node) -> None:
        self._orders.clear()
        if node.parent is not None:
            node.parent.children.remove(node)
        node.parent = parent
        parent.children.append(node)

    def _order_of(self, stream: Stream) -> Order:
        order = self._orders.get(stream.id)
        if order is None:
            node = self._nodes.get(stream.id)
            order = self._orders[stream.id] = _UNKNOWN if node is None else _order(node)
        return order


def _order(node: _Node) -> Order:
    rank, share = 0, -1.0
    while node.parent is not None:
        rank, share, node = rank + 1, share * node.weight / 256, node.parent
    return rank, share


def _is_above(node: _Node, other: _Node) -> bool:
    """Whether the other one depends on a node."""
    while other.parent is not None:
        other = other.parent
        if other is node:
            return True
    return False
