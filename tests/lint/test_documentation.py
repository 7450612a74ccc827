"""The examples of the documentation are configurations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyngx_jwt.lint.finding import Severity

from .kit import Linter

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs/jwt").glob("*.md"),
    *(ROOT / "docs/recipes").glob("*.md"),
]
EXAMPLE = re.compile(r"^```nginx\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(example, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, example in enumerate(EXAMPLE.findall(page.read_text()), 1)
]
# Rules judge set-ups, of which an example shows a part, and one page shows a mistake.
ALLOWED = {"missing-block", "not-on-this-machine", "return-before-auth"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_has_no_errors(example: str, linter: Linter) -> None:
    report = linter.report(example, offline=True)
    errors = [f for f in report.findings if f.severity is Severity.ERROR and f.rule not in ALLOWED]
    assert errors == []
