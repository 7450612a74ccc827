"""A comparison with a claim can never match, because of missing or additional quotes.

In max-lt's module claims are JSON: a string includes its quotes, "admin" and not admin.  In all
other modules it is the bare text.  A comparison written for the other kind never matches; in a
map, its default applies to every request.

Bad:

    map $jwt_claim_role $is_admin {
        default 0;
        admin 1;
    }
    server {
        auth_jwt_key "0123456789abcdef0123456789abcdef!" utf8;
        location / {
            auth_jwt on;
            auth_jwt_require $is_admin;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    map $jwt_claim_role $is_admin {
        default 0;
        '"admin"' 1;
    }
    server {
        auth_jwt_key "0123456789abcdef0123456789abcdef!" utf8;
        location / {
            auth_jwt on;
            auth_jwt_require $is_admin;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ...conf.parse import Statement
from ..finding import Severity
from ..flow.expression import terms
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D12", "claim-quotes", Severity.WARN)
CLAIM = re.compile(r"\$(?:jwt_claim_\w+|\{jwt_claim_\w+\})")
KEYS = ("auth_jwt_key_file", "auth_jwt_key_request")  # which max-lt's module does not have
WORDS = ("true", "false", "null")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    is_json = conf.dialect.json_variables
    if not is_json and conf.is_dialect_guessed and not any(conf.statements(*KEYS)):
        return  # quotes are rather a sign of max-lt's module
    for _, statement in conf.statements("map"):
        if CLAIM.fullmatch(statement.args[0]):
            for entry in conf.analysis.entries(statement):
                if entry.args and entry.name != "default":
                    yield from _compare(entry, 0, entry.name, is_json=is_json)
    for _, statement in conf.statements("if"):
        subject, operator, value = terms(statement)
        if CLAIM.fullmatch(subject) and operator:
            mark = "~" if "~" in operator else ""
            word = len(statement.args)
            yield from _compare(statement, word, mark + value, is_json=is_json)


def _compare(statement: Statement, word: int, text: str, *, is_json: bool) -> Iterator[Hit]:
    if not text:
        return
    if is_json and _never_json(text):
        message = "claims are JSON in this dialect: a string has quotes, so this never matches"
        yield Hit(
            statement, message, f"write '\"{text.lstrip('~*^')}\"', including the quotes", word=word
        )
    elif not is_json and _is_quoted(text):
        message = "claims are bare text in this dialect: this has quotes and never matches"
        yield Hit(statement, message, "remove the inner quotes", word=word)


def _never_json(text: str) -> bool:
    if text.startswith("~"):
        match = re.match(r"~\*?\^([A-Za-z]+)", text)
        return match is not None and not any(_begin_alike(match[1].lower(), w) for w in WORDS)
    try:
        json.loads(text.removeprefix("\\").lower())
    except (ValueError, RecursionError):
        return True
    return False


def _begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _is_quoted(text: str) -> bool:
    if text.startswith("~"):
        return re.match(r'~\*?\^\\?"', text) is not None
    return len(text) > 1 and text[0] == text[-1] == '"'
