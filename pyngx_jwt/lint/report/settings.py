"""Settings from the command line and from ``.pyngx.toml`` or ``pyproject.toml``.

The file has a table ``[tool.pyngx.lint]`` (in ``.pyngx.toml`` also ``[lint]`` or no table):
``fail-on``, ``target``, ``baseline``, ``offline``, ``select`` and ``ignore`` (lists of rules),
``severity`` (a table of rules and severities), and ``roots`` (a table of directories).
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, replace
from typing import Any

from ...log import fault_text
from ..finding import Severity
from ..read.machine import with_roots
from ..read.target import TARGETS, TargetServer
from ..rules import rule_named
from .names import is_rule

SEVERITIES = {severity.word: severity for severity in Severity}
NAMES = (".pyngx.toml", "pyproject.toml")


class SettingsError(Exception):
    """A setting is invalid."""


@dataclass(frozen=True, slots=True)
class LintSettings:
    """Which rules run, and how findings are judged."""

    fail_on: Severity = Severity.WARN
    target: TargetServer = field(default_factory=TargetServer)
    baseline: str = ""
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    severities: tuple[tuple[str, Severity], ...] = ()
    offline: bool = False
    roots: tuple[tuple[str, str], ...] = ()  # directories, each with the one that stands for it

    def wants(self, rule: str) -> bool:
        """Whether a rule is enabled."""
        known = rule_named(rule)
        names = {rule, known.id} if known is not None else {rule}
        return not names & self.ignore and (not self.select or bool(names & self.select))

    def severity(self, rule: str, severity: Severity) -> Severity:
        """The severity of a rule's findings."""
        return dict(self.severities).get(rule, severity)


def find_settings(directory: str) -> str:
    """The settings file of a directory or its nearest parent, "" if there is none."""
    while True:
        for name in NAMES:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and (name != NAMES[1] or _table(path)):
                return path
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent


def read_settings(path: str) -> LintSettings:
    """The settings of a file; raises SettingsError with the file's name."""
    settings, table = LintSettings(), _table(path)
    for key, value in table.items():
        try:
            settings = _with(settings, key, value, os.path.dirname(path))
        except (KeyError, TypeError, AttributeError):
            raise SettingsError(f'{path}: invalid value of "{key}"') from None
        except SettingsError as error:
            raise SettingsError(f"{path}: {fault_text(error)}") from None
    return settings


def _with(settings: LintSettings, key: str, value: Any, directory: str) -> LintSettings:
    if key == "fail-on":
        return replace(settings, fail_on=SEVERITIES[value])
    if key == "target":
        return replace(settings, target=TARGETS[value])
    if key == "baseline":
        return replace(settings, baseline=os.path.join(directory, value))
    if key == "select":
        return replace(settings, select=frozenset(map(_known, value)))
    if key == "ignore":
        return replace(settings, ignore=frozenset(map(_known, value)))
    if key == "offline":
        return replace(settings, offline=_flag(value))
    if key == "roots":
        return replace(settings, roots=with_roots(_root(r, value[r], directory) for r in value))
    if key == "severity":
        severities = tuple((_known(rule), SEVERITIES[word]) for rule, word in value.items())
        return replace(settings, severities=severities)
    raise SettingsError(f'unknown setting "{key}"')


def _root(root: str, here: str, directory: str) -> tuple[str, str]:
    """A root in latin-1, as all paths of configurations."""
    if not root.startswith("/"):
        raise SettingsError(f'the root "{root}" is not an absolute path')
    path = os.path.join(directory, here)
    return os.fsencode(root).decode("latin-1"), os.fsencode(path).decode("latin-1")


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _known(name: str) -> str:
    if not is_rule(name):
        raise SettingsError(f'there is no rule "{name}"')
    return name


def _table(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {fault_text(error)}") from None
    if path.endswith(NAMES[0]) and "tool" not in document:
        lint: dict[str, Any] = document.get("lint", document)
        return lint
    table: dict[str, Any] = document.get("tool", {}).get("pyngx", {}).get("lint", {})
    return table
