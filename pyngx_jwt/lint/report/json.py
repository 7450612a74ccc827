"""JSON: an object with the list ``findings``."""

from __future__ import annotations

import json
from typing import Any

from ..finding import Finding, Spot
from ..read.texts import shown
from .result import Report


def json_report(report: Report, colour: bool) -> str:
    """All findings, each with its place and on a line of its own, and a summary."""
    rows = ",".join(f"\n    {_text(_finding(finding))}" for finding in report.findings)
    summary = {
        "files": len(report.files),
        "configurations": report.configurations,
        "suppressed": report.suppressed,
        "invalid": report.is_invalid,
    }
    return f"""{{
  "version": 1,
  "findings": [{rows}
  ],
  "summary": {_text(summary)}
}}
"""


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _finding(finding: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rule": finding.rule,
        "severity": finding.severity.word,
        **_spot(finding.spot),
        "message": shown(finding.message),
        "fingerprint": finding.fingerprint,
    }
    if finding.hint:
        row["hint"] = shown(finding.hint)
    if finding.related:
        row["related"] = [{**_spot(r.spot), "message": shown(r.message)} for r in finding.related]
    return row


def _spot(spot: Spot) -> dict[str, Any]:
    row: dict[str, Any] = {"file": shown(spot.file), "line": spot.line, "column": spot.column}
    if spot.end_line:
        row |= {"end_line": spot.end_line, "end_column": spot.end_column}
    return row
