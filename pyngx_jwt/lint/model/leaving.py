"""Statements of the rewrite phase after which no request stays where it is."""

from __future__ import annotations

from ...conf.parse import Statement

LEAVING = ("http://", "https://", "$scheme")  # what a redirect to a full URL begins with
_ANYTHING = frozenset({"^", ".*", "^.*", "^(.*)$", "^.*$", "(.*)", "^/(.*)$", "^(.*)"})
_REDIRECTING = frozenset({"redirect", "permanent"})


def answers_all(statement: Statement) -> bool:
    """Whether it answers every request: "return", or a rewrite that redirects whatever comes."""
    if statement.name != "rewrite":
        return statement.name == "return"
    return _takes_all(statement) and (
        bool(_REDIRECTING & {*statement.args[2:]}) or statement.args[1].startswith(LEAVING)
    )


def leaves(statement: Statement) -> bool:
    """Whether no request stays in the location: as answers_all(), or for another URI."""
    if answers_all(statement):
        return True
    return statement.name == "rewrite" and _takes_all(statement) and "break" not in statement.args


def _takes_all(statement: Statement) -> bool:
    return len(statement.args) > 1 and statement.args[0] in _ANYTHING
