"""What "nginx -t" says of each configuration in errors.txt, in its words and at its place.

A configuration stands at the left margin, as the inside of ``server { }``, or of another block if
its name and a colon come first. The message is indented below it: ``ok`` if the configuration is
accepted, ``warn:`` if with a warning; ``~`` starts a regular expression. The place is the first
line, if ``-- line N`` or ``-- nowhere`` does not say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..launch import BINARY
from ..nginx import Nginx


@dataclass(frozen=True, slots=True)
class Case:
    section: str
    block: str
    snippet: str
    message: str
    line: int


def cases(text: str) -> Iterator[Case]:
    section = ""
    lines = [line for line in text.splitlines() if line.strip()]
    while lines:
        line = lines.pop(0)
        if line.startswith("["):
            section = line[1:-1]
            continue
        block, snippet = re.fullmatch(r"(?:(http|main): )?(.*)", line).groups()  # type: ignore[union-attr]
        message, _, place = lines.pop(0).strip().partition("  -- ")
        number = 0 if place == "nowhere" else int(place.removeprefix("line ") or 1)
        yield Case(section, block or "server", snippet, message, number)


_UNKNOWN = re.compile(r'unknown "\w+" variable')
CASES = list(cases(Path(__file__).with_name("errors.txt").read_text()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section}: {case.snippet}")
def test_configuration(nginx: Nginx, case: Case) -> None:
    snippets = {case.block: case.snippet}
    if case.message == "ok":
        assert "[warn]" not in nginx.accepts(**snippets)
    elif case.message.startswith("warn: "):
        warning = re.escape(f"nginx: [warn] {case.message[6:]} in {nginx.prefix}/nginx.conf:")
        assert re.search(warning + r"\d+\n", nginx.accepts(**snippets))
    elif case.message.startswith("~ "):
        nginx.rejects(message=re.compile(case.message[2:]), line=case.line, **snippets)
    else:
        # pyngx has a place for what nginx reports without one.
        line = 1 if BINARY is None and _UNKNOWN.match(case.message) else case.line
        nginx.rejects(message=case.message, line=line, **snippets)
