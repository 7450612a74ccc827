"""A regular expression can take exponential time: a short request keeps a worker busy.

In "(a+)+" a text can be divided in two ways at each letter, and if the end does not match, all
of them are tried.  PCRE2 stops at its match limit of ten million steps and an error is logged:
nginx then treats the expression as not matching, pyngx answers 500.  Until then, each such
request occupies a worker for some tenths of a second.  Findings have been confirmed by running
PCRE2 with a small limit.  Do not let two parts inside a repetition start alike, or use
possessive quantifiers: "(a++)+".

Bad:

    location ~ ^/([a-z]+)*\\.html$ {
        return 204;
    }

Bad:

    map $http_accept_encoding $compressed {
        "~^(?:\\s*\\w+\\s*,?)*gzip$" 1;
        default 0;
    }
    server {
        listen 8080;
        if ($compressed) { return 204; }
    }

Bad:

    stream {
        map $ssl_preread_server_name $to {
            "~^([a-z]+)*[.]example[.]com$" 127.0.0.1:8443;
            default 127.0.0.1:7443;
        }
        server { listen 443; ssl_preread on; proxy_pass $to; }
    }

Good:

    location ~ ^/[a-z]*\\.html$ {
        return 204;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...http.template import Template
from ..finding import Severity
from ..flow.ambiguity import attack_on
from ..flow.expression import Expression, condition, location_regex, matched, names_in, rewriting
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.stream import CHOSEN
from ..rule import Hit, Rule

rule = Rule("G07", "regex-dos", Severity.WARN)
SHOWN = 24


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block in conf.blocks:
        for expression, statement, word in _expressions(block):
            yield from _check(conf, block, expression, statement, word)
    for block, statement in conf.statements("map"):
        subjects = names_in(statement.args[0])
        for entry in conf.analysis.entries(statement):
            if entry.name.startswith("~"):
                yield from _check(conf, block, matched(entry.name, subjects), entry, 0)


@rule.whole
def check_stream(conf: Configuration) -> Iterator[Hit]:
    for block in conf.stream:
        for statement in block.given("server_name"):
            for at, name in enumerate(statement.args, 1):
                if name.startswith("~"):
                    yield from _attacked(Expression(name[1:], True, ()), statement, at, "")
        for statement in block.given("map"):
            if not CHOSEN & {*Template(statement.args[0]).names}:
                continue
            for entry in conf.analysis.entries(statement):
                if entry.name.startswith("~"):
                    yield from _attacked(matched(entry.name, ()), entry, 0, "")


def _expressions(block: Block) -> Iterator[tuple[Expression, Statement, int]]:
    for expression in () if block.is_internal else location_regex(block):
        yield expression, block.statement, len(block.statement.args)
    for statement in block.given("rewrite"):
        if pattern := rewriting(statement):
            yield pattern, statement, 1
    for statement in block.given("if"):
        if pattern := condition(statement):
            yield pattern, statement, len(statement.args)
    for statement in block.given("server_name"):
        for at, name in enumerate(statement.args, 1):
            if name.startswith("~"):
                yield Expression(name[1:], True, ("host",)), statement, at


def _check(
    conf: Configuration, block: Block, expression: Expression, statement: Statement, word: int
) -> Iterator[Hit]:
    origins = [
        origin
        for subject in expression.subjects
        for origin in flow_of(block).origins(Template(f"${{{subject.removeprefix('$')}}}"), block)
    ]
    if not any(origin.is_chosen for origin in origins):
        return
    beginning = "/" if expression.subjects in (("uri",), ("request_uri",)) else ""
    yield from _attacked(expression, statement, word, beginning)


def _attacked(
    expression: Expression, statement: Statement, word: int, beginning: str
) -> Iterator[Hit]:
    attack = attack_on(expression.text, caseless=expression.caseless, beginning=beginning)
    if attack:
        shown = attack[:SHOWN].encode("unicode_escape").decode()
        yield Hit(
            statement,
            f'a text such as "{shown}..." makes "{expression.text}" try exponentially many ways, '
            "until PCRE2 stops at its match limit",
            "do not let two parts inside a repetition start alike",
            word=word,
        )
