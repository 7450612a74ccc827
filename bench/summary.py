"""What was measured, and the tables made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from .load import Percentiles
from .rows import Row
from .servers import NGINX, Used

NONE = "—"


@dataclass(slots=True)
class Results:
    """One figure per round, by row and server."""

    varied: dict[tuple[str, str], list[Used]] = field(default_factory=dict)
    identical: dict[tuple[str, str], list[Used]] = field(default_factory=dict)
    latency: dict[tuple[str, str], list[Percentiles]] = field(default_factory=dict)
    last_of_new: dict[str, list[float]] = field(default_factory=dict)  # milliseconds


def ratios(ours: Sequence[Used], theirs: Sequence[Used]) -> list[float]:
    """Round by round, in order of size: what was measured in turn is compared."""
    return sorted(sum(a) / sum(b) for a, b in zip(ours, theirs, strict=True))


def cell(rounds: Sequence[Used]) -> str:
    """Medians: the whole, and its parts in user and system mode."""
    if not rounds:
        return NONE
    whole, user, system = (
        _figure(median(part))
        for part in ([sum(r) for r in rounds], [r.user for r in rounds], [r.system for r in rounds])
    )
    return f"{whole} ({user} + {system})"


def _figure(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio_cell(ours: Sequence[Used], theirs: Sequence[Used]) -> str:
    """The median and its range."""
    if not theirs or not ours:
        return NONE
    found = ratios(ours, theirs)
    return f"**{median(found):.2f}** ({found[0]:.2f}-{found[-1]:.2f})"


def identical_cell(ours: Sequence[Used], theirs: Sequence[Used]) -> str:
    """The same in short, for requests that are all the same."""
    if not theirs or not ours:
        return NONE
    one, other = (_figure(median([sum(r) for r in rounds])) for rounds in (ours, theirs))
    return f"{one} / {other} = {median(ratios(ours, theirs)):.2f}"


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the programs."""

    ours: Sequence[str]  # several pyngx; the first is compared in detail
    others: Sequence[str] = ()

    @property
    def all(self) -> list[str]:
        return [NGINX, *self.ours, *self.others]


def head(columns: Columns) -> str:
    """The first two lines of the table of processor times."""
    first, *more = columns.ours
    names = [
        *("µs per request", NGINX, first, "ratio", "one request repeated"),
        *(*more, *columns.others),
    ]
    return f"| {' | '.join(names)} |\n|---|{'---:|' * (len(names) - 1)}"


def line(row: Row, results: Results, columns: Columns) -> str:
    """A row of the table of processor times."""
    first, *more = columns.ours
    nginx, pyngx = (_rounds(results.varied, row, name) for name in (NGINX, first))
    repeated = [_rounds(results.identical, row, name) for name in (first, NGINX)]
    cells = [
        *(row.name, cell(nginx), cell(pyngx), ratio_cell(pyngx, nginx)),
        identical_cell(*repeated),
        *(_with_ratio(_rounds(results.varied, row, name), nginx) for name in more),
        *(cell(_rounds(results.varied, row, name)) for name in columns.others),
    ]
    return f"| {' | '.join(cells)} |"


def _with_ratio(ours: Sequence[Used], theirs: Sequence[Used]) -> str:
    if not theirs or not ours:
        return cell(ours)
    return f"{cell(ours)} **{median(ratios(ours, theirs)):.2f}**"


def _rounds(figures: Mapping[tuple[str, str], list[Used]], row: Row, name: str) -> Sequence[Used]:
    return figures.get((row.key, name), ())


def latency_table(rows: Sequence[Row], results: Results, names: Sequence[str]) -> str:
    """Percentiles of the response time, and how long the last new connection waits; "" if neither
    was measured."""
    lines = [f"| milliseconds | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for row in rows:
        found = [results.latency.get((row.key, name), []) for name in names]
        if any(found):
            cells = " | ".join(map(_percentiles, found))
            lines.append(f"| {row.name}: p50 / p99 / p99.9 | {cells} |")
    waits = [results.last_of_new.get(name, []) for name in names]
    if any(waits):
        cells = " | ".join(_figure(median(wait)) if wait else NONE for wait in waits)
        lines.append(f"| the last of 200 new connections beside 200 busy ones | {cells} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _percentiles(rounds: Sequence[Percentiles]) -> str:
    if not rounds:
        return NONE
    return " / ".join(_figure(median(part)) for part in zip(*rounds, strict=True))
