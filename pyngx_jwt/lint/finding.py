"""What the linter finds, and where."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is: worth stating, likely a hole or an outage, or surely one."""

    INFO = 1
    WARN = 2
    ERROR = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A stretch of a file; lines and columns from 1, columns in characters, the end behind the
    last one.  Without a line it is the file as such."""

    file: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that belongs to a finding, and what is there."""

    spot: Spot
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; the fingerprint stays the same when lines move."""

    rule: str
    severity: Severity
    spot: Spot
    message: str
    hint: str = ""
    related: tuple[Related, ...] = ()
    fingerprint: str = ""
    is_error: bool = False  # nginx would not start with it

    @property
    def file(self) -> str:
        return self.spot.file

    @property
    def line(self) -> int:
        return self.spot.line

    @property
    def column(self) -> int:
        return self.spot.column
