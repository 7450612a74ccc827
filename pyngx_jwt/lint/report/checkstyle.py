"""Checkstyle's XML, which many continuous integration servers read."""

from __future__ import annotations

import re
from itertools import groupby
from xml.sax.saxutils import quoteattr

from ..finding import Finding, Severity
from ..read.texts import shown
from .result import Report

WORDS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "info"}
_FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in XML 1.0


def checkstyle(report: Report, colour: bool) -> str:
    """All findings, by file."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<checkstyle version="4.3">']
    for path, findings in groupby(report.findings, lambda finding: finding.file):
        lines.append(f"  <file name={_quoted(path)}>")
        lines += [_error(finding) for finding in findings]
        lines.append("  </file>")
    return "\n".join([*lines, "</checkstyle>"]) + "\n"


def _error(finding: Finding) -> str:
    message = finding.message + (f" ({finding.hint})" if finding.hint else "")
    return (
        f'    <error line="{finding.line}" column="{finding.column}" '
        f'severity="{WORDS[finding.severity]}" message={_quoted(message)} '
        f'source="pyngx.{finding.rule}"/>'
    )


def _quoted(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", shown(text)))
