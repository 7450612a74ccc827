"""The command lines of pyngx lint and pyngx explain."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pyngx_jwt.lint.errors.pages import ERRORS
from pyngx_jwt.lint.report.names import OTHERS
from pyngx_jwt.lint.rules import rule_named

ROOT = Path(__file__).parents[2]
GOOD = "events { }\nhttp { server { listen 8080; return 204; } }\n"
WEAK = GOOD.replace("return 204;", 'auth_jwt "x"; return 204;')


def run(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyngx_jwt", *words]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, input=stdin, text=True, capture_output=True
    )


def test_configuration_and_dialect_as_in_other_commands(tmp_path: Path) -> None:
    text = GOOD.replace("return 204;", "auth_jwt x; auth_jwt_key_file jwks.json; return 204;")
    (tmp_path / "x.conf").write_text(text)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    assert "ambiguous-dialect" in run(tmp_path, "lint", "-c", "x.conf").stdout
    for option in ("--jwt-dialect", "--target"):
        result = run(tmp_path, "lint", "-c", "x.conf", option, "kjdev")
        assert "ambiguous-dialect" not in result.stdout and "failed to load jwks" in result.stdout
        assert run(tmp_path, "lint", "-c", "x.conf", option, "max-lt").returncode == 2


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (GOOD, (), 0),
        (WEAK, (), 1),
        (WEAK, ("--ignore", "auth-without-key"), 0),
        (WEAK, ("--fail-on", "error"), 1),
        ("user nope; include /nope/*.conf; include /nope;" + GOOD, (), 0),
        ("user nope; include /nope/*.conf; include /nope;" + GOOD, ("--offline",), 0),
        (GOOD, ("--root", "/etc/nginx=."), 0),
        (GOOD, ("--root", "/etc/nginx"), 4),
        (GOOD, ("--root", "etc=."), 4),
        ("nope;", (), 2),
        ("events { ", (), 2),
        (GOOD, ("--format", "nope"), 4),
        (GOOD, ("--nope",), 4),
        (GOOD, ("--ignore", "nope"), 4),
        (GOOD, ("--config", "nope.toml"), 4),
        (GOOD, ("--baseline", "nope.json"), 4),
        (GOOD, ("other.conf",), 2),
    ],
)
def test_status(tmp_path: Path, text: str, options: tuple[str, ...], status: int) -> None:
    (tmp_path / "nginx.conf").write_text(text)
    assert run(tmp_path, "lint", "nginx.conf", *options).returncode == status


def test_the_example_is_clean(tmp_path: Path) -> None:
    told = run(tmp_path, "lint", f"{ROOT}/examples/nginx.conf")
    assert told.returncode == 0, told.stdout


NGINX = "```nginx\n"  # before a configuration
RECIPES = sorted(p for p in (ROOT / "docs/recipes").glob("*.md") if NGINX in p.read_text())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_clean(path: Path, tmp_path: Path) -> None:
    (text,) = re.findall(rf"{NGINX}(.*?)```", path.read_text(), re.DOTALL)
    whole = text if "http {" in text else f"events {{ }}\nhttp {{\n{text}}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    told = run(tmp_path, "lint", "nginx.conf", "--offline")
    assert told.returncode == 0, told.stdout


def test_standard_input(tmp_path: Path) -> None:
    told = run(tmp_path, "lint", "-", "--format", "json", stdin=WEAK)
    assert told.returncode == 1
    assert "auth-without-key" in [f["rule"] for f in json.loads(told.stdout)["findings"]]
    assert run(tmp_path, "lint", "-").returncode == 2


def test_baseline(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(WEAK)
    assert run(tmp_path, "lint", "nginx.conf", "--write-baseline", "known.json").returncode == 0
    assert run(tmp_path, "lint", "nginx.conf", "--baseline", "known.json").returncode == 0
    told = run(tmp_path, "lint", "nginx.conf", "--write-baseline", "nope/known.json")
    assert told.returncode == 4 and "Traceback" not in told.stderr
    assert 'cannot write the baseline "nope/known.json": No such file' in told.stderr


def test_page_of_a_rule(tmp_path: Path) -> None:
    told = run(tmp_path, "lint", "--explain", "satisfy-any")
    assert told.returncode == 0 and told.stdout.startswith("satisfy-any (J28, error)\n\n")
    assert run(tmp_path, "lint", "--explain", "nope").returncode == 4


def test_each_name_that_is_no_rule_has_a_page_too(tmp_path: Path) -> None:
    told = run(tmp_path, "lint", "--explain", "unusable-file")
    assert told.returncode == 0 and told.stdout.startswith("unusable-file\n\nA file that")
    assert {name for name in OTHERS if rule_named(name) is None} == ERRORS.keys()
    text = (ROOT / "docs/linting.md").read_text()
    assert not [name for name in ERRORS if f"`{name}`" not in text]


def test_list_of_rules(tmp_path: Path) -> None:
    told = run(tmp_path, "lint", "--rules")
    assert told.returncode == 0 and "J28  error satisfy-any" in told.stdout


def test_reachability(tmp_path: Path) -> None:
    text = (ROOT / "tests/data/lint_rules/J33-exact-or-case-gap.bad.conf").read_text()
    (tmp_path / "nginx.conf").write_text(text)
    told = run(tmp_path, "lint", "--reachability", "nginx.conf")
    assert told.returncode == 0
    assert told.stdout == (
        "127.0.0.1:19001 (app)\n"
        "  without a token:\n"
        "    location / of server on 127.0.0.1:18080    [nginx.conf:10]\n"
        "  with a token:\n"
        "    location = /admin of server on 127.0.0.1:18080    [nginx.conf:9]\n"
    )


def test_reachability_of_what_code_chooses(tmp_path: Path) -> None:
    """The address that is written down is not the one."""
    text = """
        events { } http { upstream app { server 0.0.0.1; balancer_by_lua_block { } }
        server { listen 127.0.0.1:18080; location / { proxy_pass http://app; } } }"""
    (tmp_path / "nginx.conf").write_text(text)
    told = run(tmp_path, "lint", "--reachability", "nginx.conf").stdout
    assert told.startswith("app (chosen by balancer_by_lua)\n  without a token:\n")
    assert "0.0.0.1" not in told


def test_reachability_leaves_stream_out(tmp_path: Path) -> None:
    """And says so."""
    (tmp_path / "nginx.conf").write_text(
        "events { } stream { server { listen 1; proxy_pass 127.0.0.1:2; } }"
    )
    told = run(tmp_path, "lint", "--reachability", "nginx.conf")
    assert told.returncode == 0
    assert told.stdout == 'nothing is passed on\n\nnot listed: what "stream" passes on\n'


@pytest.mark.parametrize(
    "directives",
    ["auth_jwt on; auth_jwt_key secret;", "auth_jwt_enabled on; auth_jwt_key 00112233;"],
)
def test_reachability_by_options(tmp_path: Path, directives: str) -> None:
    inside = f"location / {{ {directives} proxy_pass http://127.0.0.1:9000; }}"
    (tmp_path / "nginx.conf").write_text(GOOD.replace("return 204;", inside))
    told = run(tmp_path, "lint", "--reachability", "nginx.conf")
    assert "  with a token (OPTIONS without one):\n" in told.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("lint", "--nope"), "pyngx lint: unrecognized arguments: --nope"),
        (("lint", "--ignore", "nope"), 'pyngx lint: there is no rule "nope"'),
        (("lint", "--explain", "nope"), 'pyngx lint: there is no rule "nope"'),
        (("explain",), "pyngx explain: the following arguments are required"),
        (("explain", "GET"), "pyngx explain: no http:// or https:// URL"),
        (
            ("explain", "-c", "nginx.conf", "GET", "ftp://x/"),
            "pyngx explain: no http:// or https:// URL",
        ),
    ],
)
def test_wrong_usage_is_told_in_one_style(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "nginx.conf").write_text(GOOD)
    found = run(tmp_path, *words)
    assert found.returncode == 4
    assert found.stderr.startswith(told) and found.stderr.count("\n") == 1


def test_help(tmp_path: Path) -> None:
    told = " ".join(run(tmp_path, "lint", "--help").stdout.split())
    assert "default: /etc/nginx/nginx.conf" in told
    told = " ".join(run(tmp_path, "explain", "-h").stdout.split())
    assert "exit status: 0 the request is explained" in told


def test_explain_needs_a_question(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(GOOD)
    assert run(tmp_path, "explain", "-c", "nginx.conf", "GET").returncode == 4
    assert run(tmp_path, "explain", "-c", "nginx.conf", "GET", "ftp://x/").returncode == 4
    assert run(tmp_path, "explain", "-c", "nope.conf", "GET", "/").returncode == 2
    assert run(tmp_path, "explain", "-c", "nginx.conf", "GET", "/").returncode == 0
