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
_ROOT: Final[Order] = (0, -1.0)
_UNKNOWN: Final[Order] = (1, -WEIGHT / 256)


class _Node:
    """A stream, and those that depend on it."""

    __slots__ = ("children", "number", "order", "parent", "version", "weight")

    def __init__(self, number: int) -> None:
        self.number, self.weight = number, WEIGHT
        self.parent: _Node | None = None
        self.children: dict[_Node, None] = {}  # in the order in which they have come
        self.order = _ROOT  # in the tree of this version
        self.version = -1


class Priorities:
    """The streams of a connection on which a client has set priorities."""

    __slots__ = ("_nodes", "_root", "_streams", "_version", "steps")

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        """`streams` are those that are not over."""
        self._streams = streams
        self._root = _Node(0)
        self._nodes: dict[int, _Node] = {}  # the one that was named last is the last
        self._version = 0  # of the tree: it changes with each change of it
        self.steps = 0  # from node to node that changes have taken, beside what each one takes
        for number in streams:
            self.begin(number)

    def in_turn(self, waiting: Iterable[Stream]) -> list[list[Stream]]:
        """Those that are to be sent before others come before them; those that are alike are
        together, in the order in which they wait."""
        turns: dict[Order, list[Stream]] = {}
        for stream in waiting:
            node = self._nodes.get(stream.id)
            turns.setdefault(_UNKNOWN if node is None else self._order(node), []).append(stream)
        return [turns[order] for order in sorted(turns)]

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
        if node.parent is not None and self._is_above(node, parent):
            self._place(parent, node.parent)
        if exclusive:
            for child in [x for x in parent.children if x is not node]:
                self.steps += 1
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
        node = self._nodes.pop(self._named_first(), None)
        if node is None or node.parent is None:
            return
        whole = sum(child.weight for child in node.children)
        for child in list(node.children):
            self.steps += 1
            child.weight = max(1, node.weight * child.weight // whole)
            self._place(child, node.parent)
        del node.parent.children[node]

    def _named_first(self) -> int:
        """The one of those that are over or have not begun; 0 if there is none.  The others that
        are passed are put behind it, so that the next time does not begin with them."""
        found, passed = 0, []
        for number in self._nodes:
            if number not in self._streams:
                found = number
                break
            passed.append(number)
        for number in passed:
            self._nodes[number] = self._nodes.pop(number)
        return found

    def _place(self, node: _Node, parent: _Node) -> None:
        self._version += 1
        if node.parent is not None:
            del node.parent.children[node]
        node.parent = parent
        parent.children[node] = None

    def _is_above(self, node: _Node, other: _Node) -> bool:
        """Whether the other one depends on a node."""
        if not node.children:
            return False
        while other.parent is not None:
            other = other.parent
            self.steps += 1
            if other is node:
                return True
        return False

    def _order(self, node: _Node) -> Order:
        """Each node is looked at once for each version of the tree, however deep it is."""
        path: list[_Node] = []
        at = node
        while at.parent is not None and at.version != self._version:
            path.append(at)
            at = at.parent
        rank, share = at.order
        for at in reversed(path):
            rank, share = rank + 1, share * at.weight / 256
            at.order, at.version = (rank, share), self._version
        return node.order
