"""The regular expressions that read what clients and upstreams send take linear time."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import pyngx_jwt

from .regex_shapes import is_quadratic

# What reads the operator's files, or makes documentation.
OPERATOR = ("conf", "lint", "explain", "docs", "compile", "arguments", "cli", "token", "features")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a*", False),
        (r"a*a*", False),  # nothing behind them fails
        (r"a*a*b", True),
        (r"a*a*\Z", True),
        (r" *([0-9]+) *- *([0-9]*) *(,|\Z)", True),
        (r" *+([0-9]++) *+- *+([0-9]*+) *+(,|\Z)", False),
        (r"([0-9]+)[^,]*\Z", True),
        (r"([0-9]++)[^,]*\Z", False),
        (r"([0-9]*)\.?([0-9]*)\Z", True),
        (r"([0-9]*)\.([0-9]*)\Z", False),
        (r"(a*)*b", True),
        (r"(?:a+b)*c", False),
        (r"(?:a|b*)b*c", True),
        (r"[^\r\n]+\r\n", False),
        (r".*x.*y", True),
        (r"(?>a*)a*b", False),
        (r"a*(?>a*)b", True),
    ],
)
def test_shapes(pattern: str, expected: bool) -> None:
    assert is_quadratic(pattern) is expected


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes], bool]]:
    """All that modules hold: where, the pattern, and whether it has to match a whole text."""
    for module in pkgutil.walk_packages(pyngx_jwt.__path__, "pyngx_jwt."):
        name = module.name.removeprefix("pyngx_jwt.")
        if name.split(".")[0] in OPERATOR or name.endswith("__main__"):
            continue
        for key, value in vars(importlib.import_module(module.name)).items():
            pattern = getattr(value, "__self__", value)
            if isinstance(pattern, re.Pattern):
                yield f"{name}.{key}", pattern, getattr(value, "__name__", "") == "fullmatch"


def test_all_patterns() -> None:
    found = {
        where: pattern.pattern
        for where, pattern, whole in patterns()
        if is_quadratic(pattern.pattern, pattern.flags & ~re.DEBUG, whole=whole)
    }
    assert found == {}
