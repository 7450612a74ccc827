"""The names that findings have: those of the rules, and of what no rule finds."""

from __future__ import annotations

from ..errors.diagnose import ERROR_RULES
from ..rules import rule_named

BAD, UNUSED = "bad-suppression", "unused-suppression"
OTHERS = (*ERROR_RULES, "nginx-warning", "not-read", BAD, UNUSED)


def is_rule(name: str) -> bool:
    """Whether findings can have this rule."""
    return name in OTHERS or rule_named(name) is not None
