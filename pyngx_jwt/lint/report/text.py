"""For people: the place, the sentence, the line with a mark under the spot, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..finding import Finding, Severity, Spot
from ..read.texts import shown
from .result import Report

COLOURS = {Severity.ERROR: "1;31", Severity.WARN: "1;33", Severity.INFO: "1;36"}
DIM, BOLD = "2", "1"
WIDEST = 160


def text(report: Report, colour: bool) -> str:
    """All findings and a summary."""
    paint = _paint if colour else _plain
    parts = ["\n".join(_finding(f, report, paint)) + "\n" for f in report.findings]
    return "\n".join([*parts, _summary(report, paint)]) + "\n"


def _finding(finding: Finding, report: Report, paint: _Paint) -> Iterator[str]:
    word = paint(COLOURS[finding.severity], finding.severity.word)
    place = paint(BOLD, shown(str(finding.spot)))
    yield f"{place}: {word}: {shown(finding.message)} {paint(DIM, f'[{finding.rule}]')}"
    yield from _excerpt(finding.spot, report, paint, COLOURS[finding.severity])
    if finding.hint:
        yield f"  {paint(DIM, '=')} {shown(finding.hint)}"
    for related in finding.related:
        yield f"  {paint(DIM, '=')} {shown(f'{related.spot}: {related.message}')}"


def _excerpt(spot: Spot, report: Report, paint: _Paint, colour: str) -> Iterator[str]:
    texts = report.texts.get(spot.file)
    if texts is None or not spot.line:
        return
    line = texts.line(spot.file, spot.line)
    number = str(spot.line)
    cut = max(0, spot.column - WIDEST // 2) if len(line) > WIDEST else 0
    end = spot.end_column if spot.end_line == spot.line else len(line) + 1
    length = max(1, min(end, cut + WIDEST) - spot.column)
    margin = line[cut : spot.column - 1]
    indent = "".join("\t" if letter == "\t" else " " for letter in margin)
    yield f"{paint(DIM, f'{number:>5} |')} {line[cut : cut + WIDEST]}"
    yield f"{paint(DIM, '      |')} {indent}{paint(colour, '^' * length)}"


def _summary(report: Report, paint: _Paint) -> str:
    counts = Counter(finding.severity for finding in report.findings)
    words = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note"}
    totals = [_count(counts[s], words[s]) for s in words if counts[s]] or ["nothing found"]
    files = f"in {_count(len(report.files), 'file')}"
    silenced = f", {report.suppressed} silenced" if report.suppressed else ""
    return paint(BOLD, f"{', '.join(totals)} {files}{silenced}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


class _Paint:
    def __call__(self, colour: str, words: str) -> str:
        return f"\x1b[{colour}m{words}\x1b[0m"


class _Plain(_Paint):
    def __call__(self, colour: str, words: str) -> str:
        return words


_paint, _plain = _Paint(), _Plain()
