"""Tests that a response has to pass ("match"), for health checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from ..errors import ConfError
from ..http.regex import Regex
from ..http.request import Request
from ..http.variables import Getter, Variables
from ..upstream.head import PeerResponse

LONGEST_BODY = 256 * 1024  # bytes that are looked at


class Judge(Protocol):
    """Whatever looks at responses."""

    needs_body: bool

    def judge(self, seen: Seen) -> tuple[bool, str]:
        """Whether all tests are passed; and the one that was not, or the last, for the log."""


class Seen(NamedTuple):
    """A response, and the beginning of its body."""

    r: Request  # the one that it responds to
    response: PeerResponse
    body: str = ""


Passes = Callable[[Seen], bool]


class Test(NamedTuple):
    """One test; `doing` is what the log says if it fails."""

    doing: str
    bind: Callable[[Variables], Passes]


class TestSet:
    """A "match" block: all of its tests have to be passed."""

    __slots__ = ("name", "needs_body", "tests")

    def __init__(self, name: str, tests: list[Test] | None = None) -> None:
        self.name = name
        self.tests: list[Test] = [] if tests is None else tests
        self.needs_body = False

    def add(self, kind: str, words: tuple[str, ...]) -> None:
        """An entry of the block; raises ConfError."""
        parse = PARSERS.get(kind)
        if parse is None:
            raise ConfError(f'unknown directive "{kind}"')
        if not words:
            raise ConfError(f'invalid number of arguments in "{kind}" directive')
        self.tests.append(parse(words))
        self.needs_body = self.needs_body or kind == "body"

    def bind(self, variables: Variables) -> BoundTests:
        tests = [(test.doing, test.bind(variables)) for test in self.tests]
        return BoundTests(tests, needs_body=self.needs_body)


class BoundTests:
    """The tests with their variables."""

    def __init__(self, tests: list[tuple[str, Passes]], *, needs_body: bool) -> None:
        self.tests, self.needs_body = tests, needs_body

    def judge(self, seen: Seen) -> tuple[bool, str]:
        doing = ""
        for doing, passes in self.tests:
            if not passes(seen):
                return False, doing
        return True, doing


STATUS, HEADER, BODY = "checking status code", "checking header", "checking body"
VARIABLES = "checking variables"


def _constant(passes: Passes) -> Callable[[Variables], Passes]:
    return lambda variables: passes


# -- status ------------------------------------------------------------------------------------


def _parse_status(words: tuple[str, ...]) -> Test:
    wanted = words[0] != "!"
    ranges = [_range(word) for word in words[not wanted :]]
    if not ranges:
        raise ConfError('invalid number of arguments in "status" directive')

    def passes(seen: Seen) -> bool:
        status = seen.response.status
        return any(first <= status <= last for first, last in ranges) is wanted

    return Test(STATUS, _constant(passes))


def _range(word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    codes = [first, last] if dash else [first, first]
    if not all(code.isascii() and code.isdigit() and len(code) == 3 for code in codes):
        raise ConfError(f'invalid status "{word}"')
    if int(codes[0]) > int(codes[1]):
        raise ConfError(f'invalid status range "{word}"')
    return int(codes[0]), int(codes[1])


# -- header ------------------------------------------------------------------------------------


def _parse_header(words: tuple[str, ...]) -> Test:
    if words[0] == "!" or len(words) == 1:
        return Test(HEADER, _constant(_presence(words)))
    if len(words) != 3 or words[1] not in ("=", "!=", "~", "!~"):
        raise ConfError(f'invalid parameter "{words[1]}"')
    name, wanted = words[0].lower(), not words[1].startswith("!")
    equals = _equals(words[2]) if words[1].endswith("=") else _matches(words[2])

    def passes(seen: Seen) -> bool:
        values = _values(seen.response, name)
        return bool(values) and any(equals(value) for value in values) is wanted

    return Test(HEADER, _constant(passes))


def _presence(words: tuple[str, ...]) -> Passes:
    wanted = words[0] != "!"
    names = words[not wanted :]
    if len(names) != 1:
        raise ConfError('invalid number of arguments in "header" directive')
    name = names[0].lower()
    return lambda seen: (name in seen.response.names) is wanted


def _values(response: PeerResponse, name: str) -> list[str]:
    fields = zip(response.names, response.headers, strict=True)
    return [value for low, (_, value) in fields if low == name]


def _equals(text: str) -> Callable[[str], bool]:
    return lambda value: value == text


def _matches(text: str) -> Callable[[str], bool]:
    return Regex(text).test


# -- body and variables ------------------------------------------------------------------------


def _parse_body(words: tuple[str, ...]) -> Test:
    if len(words) != 2:
        raise ConfError('invalid number of arguments in "body" directive')
    if words[0] not in ("~", "!~"):
        raise ConfError(f'invalid parameter "{words[0]}"')
    matches, wanted = _matches(words[1]), words[0] == "~"
    return Test(BODY, _constant(lambda seen: matches(seen.body) is wanted))


def _parse_require(words: tuple[str, ...]) -> Test:
    for word in words:
        if not word.startswith("$"):
            raise ConfError(f'invalid variable name "{word}"')

    def bind(variables: Variables) -> Passes:
        getters: list[Getter] = [variables.resolve(word[1:]) for word in words]
        return lambda seen: all(get(seen.r) not in (None, "", "0") for get in getters)

    return Test(VARIABLES, bind)


PARSERS: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "status": _parse_status,
    "header": _parse_header,
    "body": _parse_body,
    "require": _parse_require,
}


def _is_good(seen: Seen) -> bool:
    return 200 <= seen.response.status < 400


DEFAULT_TESTS = TestSet("", [Test(STATUS, _constant(_is_good))])
