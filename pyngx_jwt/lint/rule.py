"""What a rule is.

A rule is a file in ``rules``: its docstring is the rule's page, ``rule`` its declaration, and a
function that ``rule`` decorates looks at each block, each server, or the whole configuration, and
yields what it finds as ``Hit``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from textwrap import dedent
from typing import NamedTuple

from ..conf.parse import Statement
from .finding import Severity, Spot
from .model.block import Block
from .model.configuration import Configuration

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_EXAMPLE = re.compile(r"^(Bad|Good):\n\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


class Hit(NamedTuple):
    """One finding of a rule: a statement, a word of it, or a stretch of a file; and what else
    belongs to it, each with what is there."""

    where: Statement | Spot
    message: str
    hint: str = ""
    related: tuple[tuple[Statement, str], ...] = ()
    word: int | None = None  # of the statement; None: all of it
    severity: Severity | None = None  # where it is not that of the rule


Check = Callable[[Configuration], Iterator[Hit]]
CheckBlock = Callable[[Block], Iterator[Hit]]


class Rule:
    """A rule by its name; `id` is its number in the catalogue of rules.

    `missing` marks rules that report the absence of something.  They are silent where it may be
    in a file that could not be read."""

    def __init__(self, id: str, name: str, severity: Severity, *, missing: bool = False) -> None:
        assert NAME.match(name), name
        self.id, self.name, self.severity, self.missing = id, name, severity, missing
        self._checks: list[Check] = []
        self.module = sys.modules[sys._getframe(1).f_globals["__name__"]]

    def whole(self, check: Check) -> Check:
        """A check that looks at the whole configuration."""
        self._checks.append(check)
        return check

    def each_block(self, check: CheckBlock) -> CheckBlock:
        """A check of every block of the http server that can hold directives of its own, from
        the outside in: http, server, location, if, limit_except."""
        self._checks.append(lambda conf: self._each(conf.blocks, check))
        return check

    def each_location(self, check: CheckBlock) -> CheckBlock:
        """A check of every block that answers requests: see ``Block.answers``."""
        self._checks.append(lambda conf: self._each(conf.answering, check))
        return check

    def each_server(self, check: CheckBlock) -> CheckBlock:
        """A check of every server."""
        self._checks.append(lambda conf: self._each(conf.servers, check))
        return check

    def _each(self, blocks: Iterable[Block], check: CheckBlock) -> Iterator[Hit]:
        for block in blocks:
            if not (self.missing and block.is_partial):
                yield from check(block)

    def run(self, conf: Configuration) -> Iterator[Hit]:
        """All that the rule finds, each block with the same words once."""
        reported: set[tuple[object, str, int | None]] = set()
        for check in self._checks:
            for hit in check(conf):
                key = (hit.where, hit.message, hit.word)
                if key not in reported and not self._may_be_elsewhere(hit, conf):
                    reported.add(key)
                    yield hit

    def _may_be_elsewhere(self, hit: Hit, conf: Configuration) -> bool:
        analysis = conf.analysis
        if not (self.missing and analysis.is_unsure) or isinstance(hit.where, Spot):
            return False
        level = analysis.level_of(hit.where)
        text = f"{hit.message} {hit.hint}"
        return analysis.is_partial_at(level) or any(
            f'"{statement.name}' in text for statement in analysis.failed_at(level)
        )

    @property
    def page(self) -> str:
        """The documentation of the rule: its docstring."""
        return inspect.cleandoc(self.module.__doc__ or "")

    @property
    def title(self) -> str:
        """Its first sentence."""
        return self.page.partition("\n\n")[0].replace("\n", " ")

    def examples(self, kind: str) -> list[str]:
        """The configurations after "Bad:" or "Good:" on its page."""
        examples = _EXAMPLE.findall(self.page + "\n")
        return [dedent(text).strip("\n") + "\n" for what, text in examples if what == kind]


def each_statement(check: CheckBlock) -> Check:
    """A check of the blocks that answer requests; of each statement, the first finding."""

    def run(conf: Configuration) -> Iterator[Hit]:
        reported: set[object] = set()
        for block in conf.answering:
            for hit in check(block):
                if hit.where not in reported:
                    reported.add(hit.where)
                    yield hit

    return run
