"""Whether an expression can be made to try exponentially many ways.

An expression is taken as the automaton of its characters.  If in a circle of it one text can be
read in two ways, each turn doubles the ways; a text of such turns and an end that does not match
is then tried on PCRE2 itself, with a small limit: what does not reach the limit is not reported.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from functools import lru_cache

from ...errors import ConfError
from ...http.regex import Regex, RegexFailed
from .pattern import (
    Alternation,
    Assertion,
    Capture,
    Chars,
    Node,
    PatternError,
    PatternSequence,
    Repeat,
    parse_pattern,
)

TURNS = 30
LIMIT = "(*LIMIT_MATCH=100000)"
BREAKS = ("", "!", "\n", "\x01", "~~", "\xff")
ENDS = ("", "!")  # what PCRE2 looks for at the end stands there, and is not the end
LARGEST = 40  # characters of a circle that is looked at
LIKED = "aA0/-_. "

Pair = tuple[int, int]


@lru_cache(maxsize=4096)
def attack_on(text: str, *, caseless: bool = False, beginning: str = "") -> str:
    """A text with which PCRE2 gives up after a moment, that begins so; "" if none is found."""
    if "*" not in text and "+" not in text and "{" not in text:
        return ""
    try:
        machine = Matcher(parse_pattern(text, caseless=caseless))
        for before, turn, end in machine.doubling():
            start = before if before.startswith(beginning) else beginning + before
            for tail in dict.fromkeys(
                f"{b}{e}{c}" for e in ("", end) for b in BREAKS for c in ENDS
            ):
                subject = start + turn * TURNS + tail
                if _gives_up(text, caseless, subject):
                    return subject
    except (PatternError, RecursionError):
        pass
    return ""


def _gives_up(text: str, caseless: bool, subject: str) -> bool:
    try:
        Regex(text, caseless=caseless, limits=LIMIT).test(subject)
    except RegexFailed:
        return True
    except ConfError:
        pass
    return False


class Matcher:
    """The characters of an expression, and which can follow which, in how many ways."""

    def __init__(self, tree: Node) -> None:
        self.masks: list[int] = []
        self.follow: list[Counter[int]] = []
        self.first, self.last, _ = self._add(tree)

    def _add(self, node: Node) -> tuple[Counter[int], Counter[int], bool]:
        """Where it begins, where it ends, and whether it can be nothing."""
        if isinstance(node, Chars):
            self.masks.append(node.mask)
            self.follow.append(Counter())
            here = Counter({len(self.masks) - 1: 1})
            return here, here, False
        if isinstance(node, Capture):
            return self._add(node.item)
        if isinstance(node, Repeat):
            return self._add_repeat(node)
        if isinstance(node, Alternation):
            parts = [self._add(item) for item in node.items]
            first, last = Counter[int](), Counter[int]()
            for begin, end, _ in parts:
                first += begin
                last += end
            return first, last, any(empty for _, _, empty in parts)
        return self._add_sequence(node.items if isinstance(node, PatternSequence) else ())

    def _add_repeat(self, node: Repeat) -> tuple[Counter[int], Counter[int], bool]:
        if node.most == 0:
            return Counter(), Counter(), True
        first, last, empty = self._add(node.item)
        if node.most is None or node.most > 1:
            self._join(last, first)
        return first, last, empty or node.least == 0

    def _add_sequence(self, items: tuple[Node, ...]) -> tuple[Counter[int], Counter[int], bool]:
        first, last, empty = Counter[int](), Counter[int](), True
        for item in items:
            if isinstance(item, Assertion):
                continue
            begin, end, nothing = self._add(item)
            self._join(last, begin)
            if empty:
                first = first + begin
            last = last + end if nothing else end
            empty = empty and nothing
        return first, last, empty

    def _join(self, ends: Counter[int], begins: Counter[int]) -> None:
        for end in ends:
            for begin in begins:
                self.follow[end][begin] += 1

    # -- what can be read in two ways --------------------------------------------------------

    def doubling(self) -> Iterator[tuple[str, str, str]]:
        """Texts that lead to a circle, a turn of it that can be read in two ways, and what
        could end it."""
        for circle in _circles([list(after) for after in self.follow]):
            if len(circle) > LARGEST:
                continue
            inside = set(circle)
            for at, turn in self._twice(inside):
                yield self._path_from_start(at), turn, self._path_to_end(at)

    def _twice(self, inside: set[int]) -> Iterator[tuple[int, str]]:
        for at in sorted(inside):
            for after, ways in self.follow[at].items():
                if after in inside and ways > 1:
                    path = self._path(after, at, inside)
                    yield after, self._text([*path[1:], after])
                    return
        yield from self._two_paths(inside)

    def _two_paths(self, inside: set[int]) -> Iterator[tuple[int, str]]:
        """A circle of pairs with one of equals and one of others."""
        pairs = [(p, q) for p in inside for q in inside if p <= q and self._both(p, q)]
        known = {pair: number for number, pair in enumerate(pairs)}
        edges = [[known[after] for after in self._after(pair, inside)] for pair in pairs]
        for circle in _circles(edges):
            equal = [n for n in circle if pairs[n][0] == pairs[n][1]]
            other = [n for n in circle if pairs[n][0] != pairs[n][1]]
            if equal and other:
                there = _walk(edges, equal[0], other[0], set(circle))
                back = _walk(edges, other[0], equal[0], set(circle))
                steps = [pairs[n] for n in (*there[1:], *back[1:])]
                turn = "".join(_liked(self._both(p, q)) for p, q in steps)
                yield pairs[equal[0]][0], turn
                return

    def _both(self, p: int, q: int) -> int:
        return self.masks[p] & self.masks[q]

    def _after(self, pair: Pair, inside: set[int]) -> set[Pair]:
        return {
            (min(p, q), max(p, q))
            for p in self.follow[pair[0]]
            if p in inside
            for q in self.follow[pair[1]]
            if q in inside and self._both(p, q)
        }

    def _path(self, start: int, end: int, inside: set[int]) -> list[int]:
        return _walk([list(after) for after in self.follow], start, end, inside)

    def _path_from_start(self, end: int) -> str:
        edges = [*(list(after) for after in self.follow), list(self.first)]
        path = _walk(edges, len(self.masks), end, set(range(len(edges))))
        return self._text(path[1:])

    def _path_to_end(self, start: int) -> str:
        edges = [list(after) for after in self.follow]
        for at in self.last:
            edges[at].append(len(edges))
        edges.append([])
        path = _walk(edges, start, len(edges) - 1, set(range(len(edges))))
        return self._text(path[1:-1])

    def _text(self, path: list[int]) -> str:
        return "".join(_liked(self.masks[at]) for at in path)


def _liked(mask: int) -> str:
    """A character of a set, one that people would write if there is any."""
    for c in LIKED:
        if mask >> ord(c) & 1:
            return c
    code = next((code for code in range(33, 127) if mask >> code & 1), -1)
    return chr(code if code >= 0 else (mask & -mask).bit_length() - 1) if mask else ""


def _walk(edges: list[list[int]], start: int, end: int, inside: set[int]) -> list[int]:
    """A shortest way, both ends included; just the start if they are the same."""
    before: dict[int, int] = {start: -1}
    waiting = deque([start])
    while waiting:
        at = waiting.popleft()
        if at == end:
            break
        for after in edges[at]:
            if after in inside and after not in before:
                before[after] = at
                waiting.append(after)
    path, at = [end], end
    while at != start and before.get(at, -1) >= 0:
        at = before[at]
        path.append(at)
    return path[::-1]


def _circles(edges: list[list[int]]) -> Iterator[list[int]]:
    """The strongly connected parts that have an edge (Tarjan, without recursion)."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in range(len(edges)):
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            at, rest = work[-1]
            for after in rest:
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(edges[after])))
                    break
                if after in on_stack:
                    low[at] = min(low[at], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[at])
                if low[at] == index[at]:
                    circle: list[int] = []
                    while not circle or circle[-1] != at:
                        circle.append(stack.pop())
                        on_stack.discard(circle[-1])
                    if len(circle) > 1 or at in edges[at]:
                        yield circle
