"""The rules, one per file, and how they are found."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..rule import Rule


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of their ids."""
    declared = [
        import_module(f"{__name__}.{info.name}").rule
        for info in iter_modules(__path__)
        if not info.name.startswith("_")
    ]
    return tuple(sorted(declared, key=lambda rule: (rule.id, rule.name)))


def rule_named(name: str) -> Rule | None:
    """A rule by its name or its id."""
    return next((rule for rule in rules() if name in (rule.name, rule.id)), None)
