"""Settings of files, and baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.lint.finding import Severity
from pyngx_jwt.lint.report.baseline import read_baseline, without_known, write_baseline
from pyngx_jwt.lint.report.settings import LintSettings, SettingsError, find_settings, read_settings

from .kit import Linter

PAIR = """\
satisfy any; allow all;
location /a { auth_jwt "x"; return 403; }
"""


def test_of_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pyngx.lint]\nfail-on = "error"\ntarget = "kjdev"\nbaseline = "known.json"\n'
        'offline = true\nroots = { "/etc/nginx" = "nginx", "/etc/nginx/é" = "/é/" }\n'
        'ignore = ["satisfy-any", "J31"]\nseverity = { leeway-too-large = "error" }\n'
    )
    (tmp_path / "conf").mkdir()
    path = find_settings(str(tmp_path / "conf"))
    assert path == str(tmp_path / "pyproject.toml")
    settings = read_settings(path)
    assert settings.fail_on is Severity.ERROR
    assert settings.target.name == "kjdev"
    accented = "é".encode().decode("latin-1")
    assert settings.offline and settings.roots == (
        (f"/etc/nginx/{accented}", f"/{accented}"),
        ("/etc/nginx", f"{tmp_path}/nginx"),
    )
    assert settings.baseline == str(tmp_path / "known.json")
    assert settings.severity("leeway-too-large", Severity.WARN) is Severity.ERROR
    assert not settings.wants("satisfy-any") and not settings.wants("auth-off-nested")
    assert settings.wants("auth-without-key")


def test_a_pyproject_without_them_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".pyngx.toml").write_text('fail-on = "info"\n')
    (tmp_path / "a").mkdir()
    (tmp_path / "a/pyproject.toml").write_text("[project]\n")
    assert find_settings(str(tmp_path / "a")) == str(tmp_path / ".pyngx.toml")
    assert read_settings(str(tmp_path / ".pyngx.toml")).fail_on is Severity.INFO


@pytest.mark.parametrize(
    "text",
    [
        *('fail-on = "never"', 'nope = "1"', 'ignore = ["nope"]', "ignore = 1", "a ="),
        *(
            "severity = 1",
            "offline = 1",
            "roots = 1",
            'roots = { a = "b" }',
            'roots = { "/a" = 1 }',
        ),
    ],
)
def test_wrong_ones(tmp_path: Path, text: str) -> None:
    (tmp_path / ".pyngx.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"\.pyngx\.toml"):
        read_settings(str(tmp_path / ".pyngx.toml"))


def test_rules_and_severities(linter: Linter) -> None:
    assert {f.rule for f in linter.findings(PAIR)} == {"satisfy-any", "auth-without-key"}
    only = LintSettings(select=frozenset({"satisfy-any"}))
    assert {f.rule for f in linter.findings(settings=only)} == {"satisfy-any"}
    softer = LintSettings(severities=(("satisfy-any", Severity.INFO),))
    found = {f.rule: f.severity for f in linter.findings(settings=softer)}
    assert found["satisfy-any"] is Severity.INFO


def test_fingerprints_survive_what_moves_lines(linter: Linter) -> None:
    before = linter.findings(PAIR)
    after = linter.findings(f"# a comment\n\n{PAIR}")
    assert [f.fingerprint for f in before] == [f.fingerprint for f in after]
    assert len({f.fingerprint for f in before}) == len(before)


def test_equal_findings_have_fingerprints_of_their_own(linter: Linter) -> None:
    line = "server { include listen.conf; auth_jwt x; return 403; }\n"
    found = linter.findings(line + line, files={"listen.conf": "server_name a;"})
    found = [finding for finding in found if finding.rule == "auth-without-key"]
    assert len({f.fingerprint for f in found}) == len(found) == 2


def test_baseline(linter: Linter) -> None:
    path = str(linter.folder / "known.json")
    text = PAIR.replace("any", "all")
    write_baseline(path, linter.findings(text))
    known = read_baseline(path)
    assert without_known(linter.findings(text), known) == []
    new = without_known(linter.findings(text + "\nlocation /b { auth_jwt y; }\n"), known)
    assert {f.line for f in new} == {4}


def test_errors_are_in_no_baseline(linter: Linter) -> None:
    path = str(linter.folder / "known.json")
    write_baseline(path, linter.findings("nope;", context="http"))
    assert read_baseline(path) == frozenset()


def test_a_baseline_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        read_baseline(str(tmp_path / "nope.json"))
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    with pytest.raises(SettingsError):
        read_baseline(str(deep))
