"""SARIF 2.1.0, which code scanning services read."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from ... import __version__
from ..finding import Finding, Severity, Spot
from ..read.texts import shown
from ..rules import rule_named
from .result import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "note"}
SCORES = {Severity.ERROR: "8.0", Severity.WARN: "5.0", Severity.INFO: "1.0"}
ROOT = "SRCROOT"


def sarif(report: Report, colour: bool) -> str:
    """One run with all findings and the rules that they are of."""
    names = sorted({finding.rule for finding in report.findings})
    run = {
        "tool": {
            "driver": {
                "name": "pyngx lint",
                "version": __version__,
                "rules": [_rule(name) for name in names],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"uri": _uri(os.getcwd() + "/")}},
        "invocations": [{"executionSuccessful": not report.crashes}],
        "results": [_result(finding, names) for finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(name: str) -> dict[str, Any]:
    rule = rule_named(name)
    if rule is None:
        return {"id": name, "name": _camel(name), "shortDescription": {"text": name}}
    return {
        "id": name,
        "name": _camel(name),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {
            "tags": ["security"],
            "security-severity": SCORES[rule.severity],
        },
    }


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _result(finding: Finding, names: list[str]) -> dict[str, Any]:
    text = finding.message + (f" ({finding.hint})" if finding.hint else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": names.index(finding.rule),
        "level": LEVELS[finding.severity],
        "message": {"text": shown(text)},
        "locations": [_location(finding.spot)],
        "partialFingerprints": {"pyngx/v1": finding.fingerprint},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": at, "message": {"text": shown(r.message)}, **_location(r.spot)}
            for at, r in enumerate(finding.related, 1)
        ]
    return result


def _location(spot: Spot) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(shown(spot.file))}
    if spot.line:
        region = {"startLine": spot.line, "startColumn": max(spot.column, 1)}
        if spot.end_line:
            region |= {"endLine": spot.end_line, "endColumn": spot.end_column}
        physical["region"] = region
    return {"physicalLocation": physical}


def _artifact(path: str) -> dict[str, str]:
    root = os.getcwd() + "/"
    if path.startswith(root):
        return {"uri": quote(path.removeprefix(root)), "uriBaseId": ROOT}
    return {"uri": _uri(path)}


def _uri(path: str) -> str:
    return "file://" + quote(path)
