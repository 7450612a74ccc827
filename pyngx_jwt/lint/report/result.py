"""The result of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..finding import Finding
from ..read.texts import Texts


@dataclass(slots=True)
class Report:
    """What was found in all that was asked for."""

    findings: list[Finding] = field(default_factory=list)
    suppressed: int = 0
    configurations: int = 0
    files: set[str] = field(default_factory=set)
    texts: dict[str, Texts] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)

    @property
    def is_invalid(self) -> bool:
        """Whether nginx would refuse one of the configurations."""
        return any(finding.is_error for finding in self.findings)

    def worst(self) -> int:
        return max((finding.severity for finding in self.findings), default=0)
