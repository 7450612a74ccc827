"""Everything that "nginx -t" finds is found, in its words."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

from pyngx_jwt.lint.finding import Severity

from ..conf.test_nginx_t import CASES
from .kit import Linter

EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "EXPECTED.json").read_text())
NGINX = "1.31.3+kjdev0.14.2"
SAID = re.compile(r"nginx: \[(emerg|warn)\] (.*?)(?: in \$D/\S+?\.conf:(\d+))?$")


@pytest.mark.parametrize("case", sorted(EXPECTED))
def test_case(case: str, linter: Linter) -> None:
    shutil.copy(CASES / case, linter.folder / case)
    expected = EXPECTED[case][NGINX]
    found = linter.findings(paths=[case], target="kjdev")
    errors = [f for f in found if f.is_error or "failed" in f.message]
    assert bool(errors) is bool(expected["rc"])
    for line in expected["stderr"]:
        if said := SAID.match(line):
            told = [f for f in found if f.message == said[2]]
            assert told, [f.message for f in found]
            assert told[0].line and told[0].column, "a place is told, even where nginx has none"
            if said[1] == "emerg" and told[0].rule != "not-on-this-machine":
                assert told[0].severity is Severity.ERROR
            if case not in ELSEWHERE and said[3]:
                assert told[0].line == int(said[3])


# Where nginx names another line than that of the mistake.
ELSEWHERE = {"23_cache_zone_undefined.conf"}
