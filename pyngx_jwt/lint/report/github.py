"""Workflow commands of GitHub Actions: findings become annotations."""

from __future__ import annotations

from ..finding import Finding, Severity
from ..read.texts import shown
from .result import Report

COMMANDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "notice"}


def github(report: Report, colour: bool) -> str:
    """A line for each finding."""
    return "".join(f"{_command(finding)}\n" for finding in report.findings)


def _command(finding: Finding) -> str:
    spot = finding.spot
    values = {
        "file": relative(shown(spot.file)),
        "line": spot.line,
        "endLine": spot.end_line,
        "col": spot.column,
        "endColumn": spot.end_column if spot.end_line == spot.line else 0,
        "title": finding.rule,
    }
    properties = ",".join(f"{key}={_property(value)}" for key, value in values.items() if value)
    message = finding.message + (f" ({finding.hint})" if finding.hint else "")
    return f"::{COMMANDS[finding.severity]} {properties}::{_escaped(shown(message))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: object) -> str:
    return _escaped(str(value)).replace(":", "%3A").replace(",", "%2C")


def relative(path: str) -> str:
    """A path as seen from the current directory, if it is in there."""
    import os

    return path.removeprefix(f"{os.getcwd()}/")
