"""Findings about a statement that many places inherit: told once."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Configuration
from .rule import Check, CheckPlace, Hit


def each_statement(check: CheckPlace) -> Check:
    """A check of the places that answer requests; of each statement, what it tells first."""

    def run(conf: Configuration) -> Iterator[Hit]:
        seen: set[object] = set()
        for place in conf.answering:
            for hit in check(place):
                if hit.where not in seen:
                    seen.add(hit.where)
                    yield hit

    return run
