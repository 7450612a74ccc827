"""Metrics as text for Prometheus (its text format 0.0.4) and as OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Sequence

from ...http.request import Request
from ...metrics.kinds import BUCKETS, MICROSECONDS, TIMES
from ...zones.store import Numbers
from .text import shown

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Labels = tuple[tuple[str, str], ...]


class Exposition:
    """Families of samples, in the order in which they are begun."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self._families: dict[str, list[str]] = {}
        self._heads: dict[str, str] = {}

    def family(self, name: str, kind: str, about: str) -> None:
        """Begins a family; `kind` is "counter", "gauge" or "histogram"."""
        shown = name
        if self.is_open and kind == "counter":
            shown = name.removesuffix("_total")
            if shown == name:  # a counter of others, which is not named as OpenMetrics wants it
                kind = "unknown"
        self._heads[name] = f"# HELP {shown} {about}\n# TYPE {shown} {kind}\n"
        self._families[name] = []

    def sample(self, name: str, value: float, *labels: tuple[str, str]) -> None:
        """A sample of a family that has begun."""
        self._families[name].append(f"{name}{shown_labels(labels)} {number(value)}\n")

    def one(self, name: str, kind: str, about: str, value: float) -> None:
        """A family of one sample without labels."""
        self.family(name, kind, about)
        self.sample(name, value)

    def times(self, name: str, numbers: Numbers, *labels: tuple[str, str]) -> None:
        """The times of requests, of a histogram that has begun."""
        lines, total = self._families[name], 0
        for bound, count in zip((*BUCKETS, None), numbers[TIMES:], strict=False):
            total += count
            limit = "+Inf" if bound is None else number(bound)
            shown = shown_labels((*labels, ("le", limit)))
            lines.append(f"{name}_bucket{shown} {total}\n")
        shown = shown_labels(labels)
        lines.append(f"{name}_sum{shown} {number(numbers[MICROSECONDS] / 1e6)}\n")
        lines.append(f"{name}_count{shown} {total}\n")

    def text(self) -> str:
        """All families that have samples."""
        parts = [
            self._heads[name] + "".join(lines) for name, lines in self._families.items() if lines
        ]
        return "".join([*parts, "# EOF\n" if self.is_open else ""])


def shown_labels(labels: Sequence[tuple[str, str]]) -> str:
    if not labels:
        return ""
    pairs = [f'{name}="{shown(value).translate(_ESCAPED)}"' for name, value in labels]
    return "{" + ",".join(pairs) + "}"


def number(value: float) -> str:
    """As short as it can be."""
    return str(int(value)) if value == int(value) else repr(value)


def wants_open_metrics(r: Request) -> bool:
    """Whether the client asks for OpenMetrics."""
    return "application/openmetrics-text" in (r.index.get("accept") or "")
