"""Regular expressions and texts of a configuration, read for the variables in them."""

from __future__ import annotations

from typing import NamedTuple

from ...conf.parse import Statement
from ...errors import ConfError
from ...http.template import Template
from ...modules.core import CoreConf
from ..model.block import Block
from .pattern import Capture, Node, PatternError, groups, parse_pattern

ANYTHING = Capture(parse_pattern("(?s).*"), 0, "")


class Expression(NamedTuple):
    """A regular expression and the variables that it is held against."""

    text: str
    caseless: bool
    subjects: tuple[str, ...]

    @property
    def tree(self) -> Node | None:
        """None if it is not understood."""
        try:
            return parse_pattern(self.text, caseless=self.caseless)
        except (PatternError, RecursionError):
            return None

    def capture(self, number: int) -> Capture | None:
        """One of its groups; None if it has no such one."""
        tree = self.tree
        if tree is None:
            return ANYTHING
        return next((group for group in groups(tree) if group.number == number), None)

    @property
    def named(self) -> list[Capture]:
        """Its groups that have names."""
        tree = self.tree if "(?" in self.text else None
        return [group for group in groups(tree) if group.name] if tree is not None else []


def matched(key: str, subjects: tuple[str, ...]) -> Expression:
    """The expression that is the key of an entry of a "map"."""
    caseless = key.startswith("~*")
    return Expression(key[1 + caseless :], caseless, subjects)


def location_regex(block: Block) -> list[Expression]:
    """The expression that a location is chosen by, if it is."""
    core = block[CoreConf]
    if not block.is_location or core.regex is None:
        return []
    return [Expression(core.name, core.modifier == "~*", ("uri",))]


def rewrite_regexes(block: Block) -> list[Expression]:
    """The expressions of its own condition and its own rewrites."""
    expressions = [rewriting(statement) for statement in block.given("rewrite")]
    if block.is_condition:
        expressions.append(condition(block.statement))
    return [expression for expression in expressions if expression is not None]


def rewriting(statement: Statement) -> Expression | None:
    """The expression of a "rewrite"."""
    return Expression(statement.args[0], False, ("uri",)) if statement.args else None


def condition(statement: Statement) -> Expression | None:
    """The expression of an "if", None if it has none."""
    words = [*statement.args]
    if len(words) < 3 or not words[0].startswith("("):
        return None
    words[0], words[-1] = words[0][1:], words[-1][:-1]
    words = [word for word in words if word]
    if len(words) != 3 or words[1] not in ("~", "~*", "!~", "!~*"):
        return None
    subject = template(words[0])
    names = subject.names if subject is not None else ()
    return Expression(words[2], words[1].endswith("*"), names)


class Terms(NamedTuple):
    """The parts of an "if"; without an operator, it is whether the subject is empty or "0"."""

    subject: str
    operator: str = ""
    value: str = ""


def terms(statement: Statement) -> Terms:
    """What an "if" compares."""
    text = " ".join(statement.args).removeprefix("(").removesuffix(")")
    return Terms(*(word.strip() for word in text.split(None, 2)))


_CLEARTEXT = frozenset(
    {
        *(("$scheme", "=", "http"), ("$scheme", "!=", "https"), ("$server_port", "=", "80")),
        *(("$https", "=", ""), ("$https", "!=", "on"), ("$server_port", "!=", "443")),
        *(("$ssl_protocol", "=", ""), ("$http_x_forwarded_proto", "=", "http")),
        ("$http_x_forwarded_proto", "!=", "https"),
    }
)


def refuses_cleartext(condition: Block) -> bool:
    """Whether an "if" is true of all connections without TLS, and answers their requests."""
    return condition.is_left and terms(condition.statement) in _CLEARTEXT


def template(text: str) -> Template | None:
    """A text with variables, None if it is not well-formed."""
    try:
        return Template(text)
    except ConfError:
        return None


def names_in(text: str) -> tuple[str, ...]:
    """The variables of a text."""
    value = template(text)
    return value.names if value is not None else ()


def names_in_condition(statement: Statement) -> tuple[str, ...]:
    """The variables of an "if"."""
    return tuple(name for word in statement.args for name in names_in(word.strip("()")))
