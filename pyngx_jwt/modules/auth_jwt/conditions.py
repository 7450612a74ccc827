"""The requirement language of kjdev's module: from the words of a configuration to demands.

What a requirement means is in ``jwt.requirements``; here is how it is written, and how
values are read that are not JSON, or that depend on the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ...errors import ConfError
from ...http.level import Level
from ...http.regex import Regex, RegexFailed
from ...http.request import Request
from ...http.template import Template
from ...jwt import (
    Json,
    Reason,
    Requirement,
    TokenRefusal,
    Verified,
    find,
    parse_operator,
    parse_path,
    split_name,
    with_leeway,
)
from ...jwt.encoding import decode_json, latin1, unicode
from ...jwt.requirements import (
    EXPECTED_SIZE,
    MATCH,
    MISSING,
    PATTERN_SIZE,
    Match,
    Step,
    missing,
)
from .demands import Denial, RequestDemand

JSON = "json="
LIMITS = "(*LIMIT_MATCH=10000)(*LIMIT_DEPTH=5000)"
NOWHERE: tuple[Step, ...] = (0,)  # neither claims nor header are arrays


class NestedNames(NamedTuple):
    """What parts and quotes the names of nested members; an empty delimiter: nothing does."""

    delimiter: str = ""
    mark: str = ""

    def path(self, name: str) -> tuple[Step, ...] | None:
        """The steps of a name, None if it leads to nothing."""
        return split_name(name, self.delimiter, self.mark) if self.delimiter else (name,)


class ConditionConf(Protocol):
    """What the level of a requirement says."""

    nesting: NestedNames
    auth_jwt_leeway: int


class MemberDemand(NamedTuple):
    """One auth_jwt_require_claim or auth_jwt_require_header, as it was written."""

    field: str
    path: tuple[Step, ...] | None  # of a field that is a path; a name depends on the level
    operator: str
    expected: Template
    in_header: bool
    match: Match | None  # of an expression without variables


def utf8(text: str) -> str:
    """Configuration text as Unicode; raises ConfError."""
    try:
        return unicode(text)
    except ValueError:
        raise ConfError(f'"{text}" is not UTF-8') from None


def parse_demand(
    directive: str, field: str, operator: str, expected: str, *, in_header: bool
) -> MemberDemand:
    """One directive's words; raises ConfError in the module's."""

    def fail(text: str) -> ConfError:
        return ConfError(f'"{directive}" directive {text}')

    if not field:
        raise fail("first argument should not be empty")
    path = None
    if field[0] in ".[":
        try:
            path = parse_path(field)
        except ValueError:
            raise fail("invalid JQ-like field path syntax") from None
    if not operator:
        raise fail("second argument should not be empty")
    try:
        name, _ = parse_operator(operator)
    except ValueError:
        raise fail("second argument should be one of available require operators") from None
    if not expected:
        raise fail("third argument should be variable")
    value = Template(expected)
    match = None
    if name == MATCH and value.is_constant:
        match = _expression(expected, fail)
    if value.is_constant:
        _check_no_none(directive, field, name, value, in_header=in_header)
    return MemberDemand(field, path, operator, value, in_header, match)


def _check_no_none(
    directive: str, field: str, operator: str, value: Template, *, in_header: bool
) -> None:
    """Unsigned tokens are refused whatever is written; who writes it should know."""
    if in_header and field in ("alg", ".alg") and operator in ("eq", "in", "any", "intersect"):
        expected = _constant(value.text)
        if expected == "none" or (isinstance(expected, list) and "none" in expected):
            raise ConfError(
                f'"{directive}" directive admits unsigned tokens ("none"), which are always refused'
            ).told_by("unsigned-admitted")


def _constant(text: str) -> Json:
    """The value that a text without variables stands for, None if it is no JSON and should be."""
    if not text.startswith(JSON) or text == JSON:
        return text
    try:
        return decode_json(text[len(JSON) :].encode("latin-1"))
    except ValueError:
        return None


def _expression(expected: str, fail: Callable[[str], ConfError]) -> Match:
    pattern = expected
    if expected.startswith(JSON) and len(expected) > len(JSON):
        try:
            decoded = decode_json(expected[len(JSON) :].encode("latin-1"))
        except ValueError:
            decoded = None
        if not isinstance(decoded, str):
            raise fail("match operator requires a JSON string pattern")
        pattern = latin1(decoded)
    if len(pattern) > PATTERN_SIZE:
        raise fail("regex pattern too large")
    return _compiled(pattern)


def _compiled(pattern: str) -> Match:
    if len(pattern) > PATTERN_SIZE:
        raise ConfError(f"regex pattern too large: {len(pattern)} bytes")
    try:
        regex = Regex(pattern, limits=LIMITS)
    except ConfError as error:
        raise ConfError(f"regex compile failed: {error.args[0]}") from None

    def match(text: str) -> bool:
        try:
            return regex.test(latin1(text))
        except RegexFailed:
            raise ValueError("regex match limit exceeded") from None

    return match


def fixed_requirement(demand: MemberDemand, conf: ConditionConf) -> Requirement | Broken:
    """The demand of a value without variables."""
    return _requirement(demand, conf, demand.expected.text, lambda expected: demand.match)


class Broken(NamedTuple):
    """A requirement whose value cannot be used: nothing meets it.  A missing member is
    reported first, if its path is known."""

    text: str
    name: str = ""
    path: tuple[Step, ...] | None = None
    in_header: bool = False

    @property
    def key(self) -> str:
        return repr(self)

    def refusal(self, header: dict[str, Json], claims: dict[str, Json]) -> TokenRefusal:
        members = header if self.in_header else claims
        if self.path is not None and find(members, self.path) is MISSING:
            return missing(self.name, in_header=self.in_header)
        return TokenRefusal(Reason.CLAIM, self.text, {"error": self.text})


def _place(demand: MemberDemand, conf: ConditionConf) -> tuple[str, tuple[Step, ...]]:
    """The name of a member in the log, and its path."""
    if demand.path is None:
        path = conf.nesting.path(utf8(demand.field))
        return demand.field, NOWHERE if path is None else path
    if len(demand.path) == 1 and isinstance(demand.path[0], str):
        return demand.path[0], demand.path
    return demand.field, demand.path


def _requirement(
    demand: MemberDemand, conf: ConditionConf, text: str, match: Callable[[Json], Match | None]
) -> Requirement | Broken:
    """The requirement with this value; `match` makes an expression of the value."""
    name, path = _place(demand, conf)
    in_header = demand.in_header
    kind = "header" if in_header else "claim"
    is_json = demand.expected.text.startswith("$")
    if not is_json and text.startswith(JSON) and len(text) > len(JSON):
        is_json, text = True, text[len(JSON) :]
    if len(text) > EXPECTED_SIZE:
        return Broken(f"{kind} requirement value too large: {name} ({len(text)} bytes)")
    try:
        expected = decode_json(text.encode("latin-1")) if is_json else unicode(text)
    except ValueError:
        fault = f"failed to json load {kind} requirement: {name}"
        return Broken(fault, name, path, in_header)
    try:
        expression = match(expected)
    except ValueError as error:
        return Broken(str(error), name, path, in_header)
    if not in_header:
        expected = with_leeway(path, expected, conf.auth_jwt_leeway)
    return Requirement(name, path, demand.operator, expected, in_header, expression, _shown(text))


def _shown(text: str) -> str:
    try:
        return unicode(text)
    except ValueError:
        return text


def varying_demand(demand: MemberDemand, conf: ConditionConf, level: Level) -> RequestDemand:
    """The demand of a value that depends on the request."""
    value_of = demand.expected.bind(level.variables)
    is_match = demand.match is None and parse_operator(demand.operator)[0] == MATCH
    absent = Broken(f"require variable specified was not provided: {demand.expected.text}")

    def match(expected: Json) -> Match | None:
        return _varying_expression(expected) if is_match else demand.match

    def check(r: Request, token: Verified) -> Denial | None:
        text = value_of(r)
        requirement = _requirement(demand, conf, text, match) if text else absent
        refusal = requirement.refusal(token.header, token.claims)
        return None if refusal is None else Denial(401, refusal)

    directive = f"auth_jwt_require_{'header' if demand.in_header else 'claim'}"
    words = (demand.field, demand.operator, demand.expected.text)
    return RequestDemand(directive, words, check)


def _varying_expression(expected: Json) -> Match | None:
    """None for what is no text: nothing matches it.  Raises ValueError for what is no
    expression."""
    if not isinstance(expected, str):
        return None
    try:
        return _compiled(latin1(expected))
    except ConfError as error:
        raise ValueError(str(error.args[0])) from None
