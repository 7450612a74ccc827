"""Demands on members of a claims set or JOSE header, as data: part of a policy.

``ClaimRequirement`` is ``auth_jwt_validate_claim``; ``Requirement`` is the language of
kjdev/nginx-auth-jwt (``auth_jwt_require_claim FIELD OPERATOR EXPECTED``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, Self, cast

from .encoding import Json, decode_json, encode_json, ordered, quote, unicode
from .refusal import Reason, TokenRefusal

Members = dict[str, Json]
Match = Callable[[str], bool]  # a regular expression; raises ValueError if it gives up

EXPECTED_SIZE = 4096  # bytes of an expected value
PATTERN_SIZE = 1024  # bytes of a regular expression
ARRAY_SIZE = 1024  # elements that are compared


class TokenDemand(Protocol):
    """Anything that a policy can demand."""

    @property
    def key(self) -> str:
        """The same text for equal demands only."""

    def refusal(self, header: Members, claims: Members) -> TokenRefusal | None:
        """Why it is not met, None if it is."""


Scalar = tuple[bool, int | float]  # whether it is a boolean: in Python, True equals 1


# Claims whose strings are lists of words, separated by spaces (RFC 8693, section 4.2; "scp" is
# the name that some issuers give it).
OF_WORDS = frozenset({"scope", "scp"})


@dataclass(frozen=True, slots=True)
class ClaimRequirement:
    """A claim that has to be there with one of some values (``auth_jwt_validate_claim``).

    A string must equal a value, by code points; a number or boolean the JSON reading of
    one.  An array needs one such element, and the string of a scope one such word.  Null and
    objects never match.  Raises ValueError for a name that is not a path, but begins like one.
    """

    name: str
    values: tuple[str, ...]
    path: tuple[Step, ...] = field(init=False, repr=False, compare=False)
    _texts: frozenset[str] = field(init=False, repr=False, compare=False)
    _scalars: frozenset[Scalar] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scalars = frozenset(s for value in self.values if (s := _scalar(_reading(value))))
        object.__setattr__(self, "path", claim_path(self.name))
        object.__setattr__(self, "_texts", frozenset(self.values))
        object.__setattr__(self, "_scalars", scalars)

    @classmethod
    def of(cls, name: str, values: Iterable[str]) -> Self:
        """The requirement from configuration text, one character per byte.

        Raises ValueError if the text is not UTF-8.
        """
        return cls(unicode(name), tuple(unicode(value) for value in values))

    @property
    def key(self) -> str:
        return repr((self.name, self.values))

    def met(self, claims: Members) -> bool:
        """Whether the claims set has the claim with one of the values."""
        value = find(claims, self.path)
        if isinstance(value, list):
            return any(self._equals(element) for element in value)
        if isinstance(value, str) and self.path[-1] in OF_WORDS:
            return value in self._texts or not self._texts.isdisjoint(value.split(" "))
        return self._equals(value)

    def refusal(self, header: Members, claims: Members) -> TokenRefusal | None:
        if self.met(claims):
            return None
        is_missing = find(claims, self.path) is MISSING
        fault = "is missing" if is_missing else "has none of the required values"
        return TokenRefusal(Reason.CLAIM, f"{quote(self.name)} {fault}")

    def _equals(self, value: object) -> bool:
        if isinstance(value, str):
            return value in self._texts
        return (scalar := _scalar(value)) is not None and scalar in self._scalars


def _scalar(value: object) -> Scalar | None:
    return (isinstance(value, bool), value) if isinstance(value, bool | int | float) else None


def _reading(text: str) -> Json:
    try:
        return decode_json(text.encode())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class TextRequirement:
    """A claim that has to be a string, of whatever length (``auth_jwt_validate_sub``)."""

    name: str

    @property
    def key(self) -> str:
        return f"text {self.name!r}"

    def refusal(self, header: Members, claims: Members) -> TokenRefusal | None:
        if isinstance(claims.get(self.name), str):
            return None
        fault = "is not a string" if self.name in claims else "is missing"
        return TokenRefusal(Reason.CLAIM, f"{quote(self.name)} {fault}")


# -- the language of kjdev/nginx-auth-jwt ----------------------------------------------------

Step = str | int  # a member's name, or an element's index
_STEP = re.compile(r'\.(?:"([^"]+)"|([A-Za-z_][A-Za-z0-9_-]*))|\[(0|[1-9][0-9]*)\]')


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path such as ``.realm_access.roles[0]`` or ``."a.b"``.

    Raises ValueError if it is no such path.
    """
    steps: list[Step] = []
    at = 0
    while match := _STEP.match(text, at):
        at = match.end()
        steps.append(int(match[3]) if match[3] is not None else unicode(match[1] or match[2]))
    if at < len(text) or not steps:
        raise ValueError("not a path")
    return tuple(steps)


def claim_path(name: str) -> tuple[Step, ...]:
    """The steps of a claim's name: a path if it begins with "." or "[", the members of nested
    objects if it has dots, but one name if it is a URI, as private names often are (RFC 7519,
    section 4.2).

    Raises ValueError if it begins like a path and is none, or has an empty part.
    """
    if name[:1] in (".", "["):
        return parse_path(name.encode().decode("latin-1"))
    if "." not in name or "/" in name or ":" in name:
        return (name,)
    steps = tuple(name.split("."))
    if "" in steps:
        raise ValueError("not a path")
    return steps


def split_name(name: str, delimiter: str, mark: str) -> tuple[Step, ...] | None:
    """The member names of a nested name such as ``a.b`` or ``a."b.c"``; None if a quote does
    not end, or something follows it."""
    steps: list[Step] = []
    rest = name
    while rest:
        if mark and rest.startswith(mark):
            step, closed, rest = rest[len(mark) :].partition(mark)
            if not closed or (rest and not rest.startswith(delimiter)):
                return None
            rest = rest[len(delimiter) :]
        else:
            step, _, rest = rest.partition(delimiter)
        if step:
            steps.append(step)
    return tuple(steps)


MISSING = object()


def find(members: Members, path: tuple[Step, ...]) -> object:
    """What the path leads to, MISSING if to nothing."""
    value: object = members
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return MISSING
    return value


def equal(one: Json, other: Json) -> bool:
    """Equality of JSON values, types included: 5 is not 5.0, and true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(v, other[k]) for k, v in one.items())
    return one == other


class _Unfit(Exception):
    """The values are not of types that the operator compares: never met, negated or not."""


def _number(value: Json) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unfit
    return value


def _array(value: Json) -> list[Json]:
    if not isinstance(value, list) or len(value) > ARRAY_SIZE:
        raise _Unfit
    return value


def _any(value: Json, expected: Json) -> bool:
    wanted = _array(expected)
    values = _array(value) if isinstance(value, list) else [value]
    return any(equal(one, other) for one in values for other in wanted)


def _in(value: Json, expected: Json) -> bool:
    if isinstance(expected, dict):
        if not isinstance(value, str):
            raise _Unfit
        return value in expected
    return any(equal(value, other) for other in _array(expected))


Compare = Callable[[Json, Json], bool]
_OPERATORS: Mapping[str, Compare] = MappingProxyType(
    {
        "eq": equal,
        "gt": lambda value, expected: _number(value) > _number(expected),
        "ge": lambda value, expected: _number(value) >= _number(expected),
        "lt": lambda value, expected: _number(value) < _number(expected),
        "le": lambda value, expected: _number(value) <= _number(expected),
        "any": _any,
        "intersect": _any,
        "in": _in,
    }
)
_NEGATED = {"ne": "eq", "nin": "in", "nintersect": "any"}
MATCH = "match"


def parse_operator(text: str) -> tuple[str, bool]:
    """The operator, and whether its outcome is turned round; ValueError if it is unknown."""
    name = text[1:] if text[:1] == "!" and len(text) > 1 else text
    negated = name != text
    if name in _NEGATED:
        name, negated = _NEGATED[name], not negated
    if name not in _OPERATORS and name != MATCH:
        raise ValueError("unknown operator")
    return name, negated


@dataclass(frozen=True, slots=True)
class Requirement:
    """``FIELD OPERATOR EXPECTED`` on a claim, or on a member of the header.

    ``match`` stands for EXPECTED where the operator is "match".  A member that is missing,
    and values that the operator does not compare, never meet a requirement.
    """

    name: str  # as the log has it
    path: tuple[Step, ...]
    operator: str
    expected: Json
    in_header: bool = False
    match: Match | None = field(default=None, compare=False)
    shown: str | None = None  # the expected value as the configuration has it

    @property
    def key(self) -> str:
        return repr((self.path, self.operator, encode_json(self.expected), self.in_header))

    @property
    def kind(self) -> str:
        return "header" if self.in_header else "claim"

    def refusal(self, header: Members, claims: Members) -> TokenRefusal | None:
        found = find(header if self.in_header else claims, self.path)
        if found is MISSING:
            return missing(self.name, in_header=self.in_header)
        value = cast(Json, found)
        try:
            name, negated = parse_operator(self.operator)
            compare = _OPERATORS.get(name)
            met = self._matches(value) if compare is None else compare(value, self.expected)
            if met is not negated:
                return None
        except _Unfit:
            pass
        except ValueError as error:
            return TokenRefusal(Reason.CLAIM, str(error), {"error": str(error)})
        return self._unmet(value)

    def _matches(self, value: Json) -> bool:
        if not isinstance(value, str) or self.match is None:
            raise _Unfit
        return self.match(value)

    def _unmet(self, value: Json) -> TokenRefusal:
        expected = encode_json(self.expected) if self.shown is None else self.shown
        facts: Members = {
            "unmet": self.kind,
            "name": self.name,
            "value": encode_json(ordered(value)),
            "operator": self.operator,
            "expected": expected,
        }
        text = f'{self.kind} {quote(self.name)} is not "{self.operator}" what is demanded'
        return TokenRefusal(Reason.CLAIM, text, facts)


def missing(name: str, *, in_header: bool) -> TokenRefusal:
    """What is said of a member that is not there."""
    kind = "header" if in_header else "claim"
    facts: Members = {"missing": kind, "name": name}
    return TokenRefusal(Reason.CLAIM, f"{kind} {quote(name)} is missing", facts)


def with_leeway(path: tuple[Step, ...], expected: Json, leeway: float) -> Json:
    """The expected value of "nbf" with the leeway added, of "exp" with it taken off."""
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return expected
    if path == ("nbf",):
        return int(expected + leeway)
    return int(expected - leeway) if path == ("exp",) else expected


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens with one of these values of "sub" or "kid" are refused; so are those without."""

    in_header: bool  # "kid"; else "sub"
    values: Mapping[str, Json] = field(repr=False)

    @property
    def name(self) -> str:
        return "kid" if self.in_header else "sub"

    def refusal(self, header: Members, claims: Members) -> TokenRefusal | None:
        value = (header if self.in_header else claims).get(self.name)
        if not isinstance(value, str) or (self.in_header and not value):
            facts: Members = {"unnamed": self.name}
            return TokenRefusal(Reason.REVOKED, f"{self.name} is missing or no string", facts)
        if value in self.values:
            note = encode_json(self.values[value])
            facts = {"revoked": self.name, "value": value, "note": note}
            return TokenRefusal(Reason.REVOKED, f"{self.name} is in a revocation list", facts)
        return None
