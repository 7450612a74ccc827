"""Every rule is documented, fires on its bad examples and is silent on its good ones."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pyngx_jwt.lint.rule import Rule
from pyngx_jwt.lint.rules import rules

from .kit import PAIRS, Linter

EXAMPLES = [
    pytest.param(rule, kind, text, id=f"{rule.name}-{kind}-{number}")
    for rule in rules()
    for kind in ("Bad", "Good")
    for number, text in enumerate(rule.examples(kind))
]
BY_ID = {rule.id: rule for rule in rules()}
FILES = [
    pytest.param(BY_ID[path.name[:3]], path, id=path.name)
    for path in sorted(PAIRS.glob("*.conf"))
    if path.name[:3] in BY_ID
]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_page(rule: Rule) -> None:
    assert rule.title.endswith((".", '."')), "the first sentence tells what is found"
    assert rule.examples("Bad") and rule.examples("Good")
    first = rule.page.index("Bad:")
    assert rule.page.count("\n\n", 0, first) >= 2, "and the next ones why that is bad"


def test_names_and_ids_are_unique() -> None:
    for kind in ("name", "id"):
        counts = Counter(getattr(rule, kind) for rule in rules())
        assert not [name for name, count in counts.items() if count > 1]


def test_files_are_named_as_their_rules() -> None:
    for rule in rules():
        assert rule.module is not None
        assert rule.module.__name__.rpartition(".")[2] == rule.name.replace("-", "_")
        assert re.fullmatch(r"[A-Z]\d\d", rule.id)


@pytest.mark.parametrize(("rule", "kind", "text"), EXAMPLES)
def test_example(rule: Rule, kind: str, text: str, linter: Linter) -> None:
    whole = f"events {{ }}\n{text}" if text.startswith("stream") else text
    assert bool(linter.of(rule.name, whole)) is (kind == "Bad")


@pytest.mark.parametrize(("rule", "path"), FILES)
def test_pair(rule: Rule, path: Path, linter: Linter) -> None:
    shutil.copy(path, linter.folder / path.name)
    found = linter.of(rule.name, "", paths=[path.name])
    assert bool(found) is path.name.endswith(".bad.conf")
