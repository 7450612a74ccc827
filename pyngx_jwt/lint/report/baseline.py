"""A baseline: the findings that are known already, by their fingerprints."""

from __future__ import annotations

import json

from ...log import fault_text
from ..finding import Finding
from .settings import SettingsError


def read_baseline(path: str) -> frozenset[str]:
    """The fingerprints of a file; raises SettingsError."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        return frozenset(row["fingerprint"] for row in document["findings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(f'cannot read the baseline "{path}": {fault_text(error)}') from None


def write_baseline(path: str, findings: list[Finding]) -> None:
    """Writes the fingerprints of findings, with what helps people to identify them, but
    for errors of the configuration itself.  Raises SettingsError."""
    rows = [
        {"fingerprint": f.fingerprint, "rule": f.rule, "file": f.file, "message": f.message}
        for f in findings
        if not f.is_error
    ]
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"findings": rows}, file, indent=1)
            file.write("\n")
    except OSError as error:
        raise SettingsError(f'cannot write the baseline "{path}": {error.strerror}') from None


def without_known(findings: list[Finding], known: frozenset[str]) -> list[Finding]:
    """The findings that are new."""
    return [f for f in findings if f.is_error or f.fingerprint not in known]
