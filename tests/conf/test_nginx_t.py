"""What -t says, word for word, for configurations with known verdicts of nginx."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parent.parent / "data" / "lint_cases"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "EXPECTED.json").read_text())
NGINX = "1.31.3+kjdev0.14.2"
NO_EVENTS = "41_no_events.conf"  # nginx refuses to start; pyngx warns
NO_PLACE = "57_auth_jwt_require_undefined_var.conf"  # nginx does not say where
NO_KEYS = "53_auth_jwt_no_key.conf"  # nginx loads it, whatever that means for requests


def judge(case: str, folder: Path) -> tuple[int, list[str]]:
    shutil.copy(CASES / case, folder)
    command = [sys.executable, "-m", "pyngx_jwt", "-t", "-e", "error.log", "-p", f"{folder}/"]
    test = subprocess.run([*command, "-c", folder / case], capture_output=True)
    return test.returncode, test.stderr.decode("latin-1").splitlines()


@pytest.mark.parametrize("case", sorted(set(EXPECTED) - {NO_EVENTS, NO_KEYS, NO_PLACE}))
def test_says_what_nginx_says(case: str, tmp_path: Path) -> None:
    expected = EXPECTED[case][NGINX]
    lines = [line.replace("$D", str(tmp_path)) for line in expected["stderr"]]
    assert judge(case, tmp_path) == (expected["rc"], lines)


def test_tokens_without_keys_are_refused(tmp_path: Path) -> None:
    status, lines = judge(NO_KEYS, tmp_path)
    assert status == 1
    assert lines[0].startswith('nginx: [emerg] "auth_jwt" is on without keys in location /: ')
    assert lines[0].endswith(f" in {tmp_path}/{NO_KEYS}:5")


def test_unknown_variables_have_a_place(tmp_path: Path) -> None:
    status, lines = judge(NO_PLACE, tmp_path)
    assert (status, lines[0]) == (
        1,
        f'nginx: [emerg] unknown "nope" variable in {tmp_path}/{NO_PLACE}:5',
    )


def test_no_events_is_a_warning(tmp_path: Path) -> None:
    status, lines = judge(NO_EVENTS, tmp_path)
    assert status == 0
    assert lines[0].startswith('nginx: [warn] no "events" section in configuration')
