"""The entries of a block such as "map", read as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .parse import END_BLOCK, Source, Statement
from .scope import Scope


class Entries:
    """Reads them from a source; `included` opens the files that an ``include`` among them names."""

    __slots__ = ("_block", "_in_bulk", "_included", "_scope", "_source")

    def __init__(
        self,
        block: Statement,
        source: Source,
        scope: Scope,
        included: Callable[[Statement], Iterator[Source]],
    ) -> None:
        self._block, self._source, self._scope = block, source, scope
        self._included, self._in_bulk = included, not scope.watch.sees_entries

    def __iter__(self) -> Iterator[Statement]:
        return self._read(self._source)

    def _read(self, source: Source) -> Iterator[Statement]:
        while (entry := source.next_entry()) is not None and entry is not END_BLOCK:
            assert isinstance(entry, Statement)
            if entry.name == "include" and len(entry.args) == 1:
                for included in self._included(entry):
                    self._source = included
                    yield from self._read(included)
                self._source = source
            else:
                self._scope.statement = entry
                self._scope.watch.seen_entry(entry, self._block)
                yield entry

    def take_pairs(self, take: Callable[[list[tuple[str, str]]], bool]) -> None:
        """Hands over the next entries, as long as they are two words of plain characters, all at
        once: there can be a hundred thousand.  If they are refused, they are read one by one."""
        if self._in_bulk:
            pairs, end = self._source.pairs()
            if pairs and take(pairs):
                self._source.skip_to(end)
            elif pairs:
                self._in_bulk = False
