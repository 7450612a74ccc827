"""Formats of reports: for people, and for other programs."""

from __future__ import annotations

from collections.abc import Callable

from .checkstyle import checkstyle
from .github import github
from .json import json_report
from .result import Report
from .sarif import sarif
from .text import text

Reporter = Callable[[Report, bool], str]
REPORTERS: dict[str, Reporter] = {
    "text": text,
    "json": json_report,
    "sarif": sarif,
    "github": github,
    "checkstyle": checkstyle,
}

__all__ = ["REPORTERS", "Reporter"]
