"""Comments that silence findings: ``# pyngx: ignore[rule] reason``.

After a statement, a comment applies to the statement's lines; on a line of its own, to the next
statement; if that opens a block, to the whole block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...conf.parse import END_BLOCK, Source, Statement
from ...conf.tokens import comments
from ...errors import ConfError
from ..finding import Finding, Severity, Spot
from ..read.analysis import Analysis
from ..read.texts import Texts, shown
from ..rules import rule_named
from .names import BAD, UNUSED, is_rule
from .settings import LintSettings

WORD = "pyngx: ignore"
_COMMENT = re.compile(r"#\s*pyngx:\s*ignore\s*(?:\[([^\]]*)\])?\s*(.*)", re.DOTALL)


@dataclass(slots=True)
class Suppression:
    """One comment: its rules, and the lines that it applies to."""

    spot: Spot
    rules: tuple[str, ...]
    reason: str
    first: int
    last: int
    used: bool = False

    def covers(self, finding: Finding) -> bool:
        if finding.is_error or finding.file != self.spot.file:
            return False
        names = (finding.rule, _id_of(finding.rule))
        return self.first <= finding.line <= self.last and any(n in self.rules for n in names)


def apply(
    findings: list[Finding], analysis: Analysis, settings: LintSettings, only: frozenset[str]
) -> tuple[list[Finding], int]:
    """The remaining findings, with those about comments, and the number of suppressed ones."""
    suppressions = [s for path in analysis.texts.by_path for s in _suppressions(path, analysis)]
    suppressions = [s for s in suppressions if not only or s.spot.file in only]
    if not suppressions:
        return findings, 0
    by_file: dict[str, list[Suppression]] = {}
    for suppression in suppressions:
        if suppression.reason:
            by_file.setdefault(suppression.spot.file, []).append(suppression)
    kept = [f for f in findings if not _is_silenced(f, by_file.get(f.file, ()))]
    silenced = len(findings) - len(kept)
    about = [f for s in suppressions for f in _about(s) if settings.wants(f.rule)]
    return [*kept, *about], silenced


def _is_silenced(finding: Finding, suppressions: list[Suppression] | tuple[()]) -> bool:
    silenced = False
    for suppression in suppressions:
        if suppression.covers(finding):
            suppression.used = silenced = True
    return silenced


def _about(suppression: Suppression) -> Iterator[Finding]:
    """Findings about a comment itself."""
    unknown = [name for name in suppression.rules if not is_rule(name)]
    if not suppression.rules:
        text = "a suppression must name a rule: # pyngx: ignore[rule] reason"
        yield Finding(BAD, Severity.WARN, suppression.spot, text)
    elif unknown:
        text = f'there is no rule "{unknown[0]}"'
        yield Finding(BAD, Severity.WARN, suppression.spot, text)
    elif not suppression.reason:
        text = "a suppression must give a reason after the rule"
        yield Finding(BAD, Severity.WARN, suppression.spot, text)
    elif not suppression.used:
        text = f'"{", ".join(suppression.rules)}" reports nothing here, remove the comment'
        yield Finding(UNUSED, Severity.WARN, suppression.spot, text)


def _id_of(name: str) -> str:
    rule = rule_named(name)
    return rule.id if rule is not None else name


def _suppressions(path: str, analysis: Analysis) -> Iterator[Suppression]:
    texts = analysis.texts
    text = texts.by_path[path]
    if "pyngx:" not in text:
        return
    ranges = statement_lines(text)
    for start, end in comments(text):
        match = _COMMENT.match(text, start, end)
        if match is None:
            continue
        names = tuple(name.strip() for name in (match[1] or "").split(",") if name.strip())
        spot = texts.spot(path, start, end)
        first, last = _lines(spot, texts, ranges)
        yield Suppression(spot, names, shown(match[2].strip()), first, last)


def _lines(spot: Spot, texts: Texts, ranges: list[tuple[int, int, int]]) -> tuple[int, int]:
    alone = not texts.line(spot.file, spot.line)[: spot.column - 1].strip()
    for first, head, last in ranges:
        if alone and first > spot.line:
            return first, last
        if not alone and first <= spot.line <= head:
            same = [r for r in ranges if r[0] <= spot.line <= r[1]]
            return min(r[0] for r in same), max(r[2] for r in same)
    return spot.line, spot.line


def statement_lines(text: str) -> list[tuple[int, int, int]]:
    """For each statement its first line, the line of its end, and that of its block's end."""
    source = Source("", text)
    ranges: list[list[int]] = []
    opened: list[list[int]] = []
    while True:
        try:
            statement = source.next()
        except ConfError:
            source.recover(source.depth)
            continue
        if statement is END_BLOCK:
            if opened:
                opened.pop()[2] = source.line
        elif isinstance(statement, Statement):
            ranges.append([statement.start_line, statement.line, statement.line])
            if statement.opens:
                opened.append(ranges[-1])
        else:
            for block in opened:
                block[2] = source.line
            return [(first, head, last) for first, head, last in ranges]
