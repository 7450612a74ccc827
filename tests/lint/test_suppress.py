"""Comments that silence findings."""

from __future__ import annotations

import pytest

from .kit import Linter

RULE = "auth-without-key"


def server(*lines: str) -> str:
    return "\n".join(["server {", *lines, "}"]) + "\n"


OPEN = 'location /a { auth_jwt "x"; return 403; }'


@pytest.mark.parametrize(
    "text",
    [
        server(f"{OPEN} # pyngx: ignore[{RULE}] not yet"),
        server(f"{OPEN} # pyngx: ignore[J01] not yet"),
        server(f"# pyngx: ignore[{RULE}] not yet", OPEN),
        server(f"# pyngx:ignore [satisfy-any, {RULE}] not yet", "", "# more", OPEN),
        server(f"location /a {{ # pyngx: ignore[{RULE}] not yet", 'auth_jwt "x";', "return 403; }"),
        f"# pyngx: ignore[{RULE}] not yet\n" + server("", OPEN),
    ],
)
def test_silenced(linter: Linter, text: str) -> None:
    report = linter.report(text)
    assert (report.findings, report.suppressed) == ([], 1)


@pytest.mark.parametrize(
    ("comment", "rule", "words"),
    [
        (f"# pyngx: ignore[{RULE}]", "bad-suppression", "give a reason"),
        ("# pyngx: ignore[nope] why", "bad-suppression", 'no rule "nope"'),
        ("# pyngx: ignore why", "bad-suppression", "name a rule"),
        ("# pyngx: ignore[satisfy-any] why", "unused-suppression", "remove the comment"),
    ],
)
def test_wrong_comments_are_told(linter: Linter, comment: str, rule: str, words: str) -> None:
    found = linter.findings(server(f"{OPEN} {comment}"))
    assert {f.rule for f in found} == {RULE, rule}
    (told,) = (f for f in found if f.rule == rule)
    assert words in told.message and told.line == 2


def test_it_counts_for_no_more_than_it_says(linter: Linter) -> None:
    other = 'location /b { auth_jwt "x"; return 403; }'
    found = linter.findings(server(f"{OPEN} # pyngx: ignore[{RULE}] not yet", other))
    assert [(f.line, f.rule) for f in found] == [(3, RULE)]


def test_a_word_in_quotes_is_no_comment(linter: Linter) -> None:
    text = server(f"location /a {{ auth_jwt \"x\"; return 403 '# pyngx: ignore[{RULE}] no'; }}")
    assert [f.rule for f in linter.findings(text)] == [RULE]


def test_errors_cannot_be_silenced(linter: Linter) -> None:
    found = linter.findings(server("nope; # pyngx: ignore[unknown-directive] why"))
    assert [f.rule for f in found] == ["unknown-directive", "unused-suppression"]
