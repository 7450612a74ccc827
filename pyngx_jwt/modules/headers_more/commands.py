"""What the directives for responses and for requests share: options, headers, levels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...conf.directive import Conf
from ...conf.values import parse_number
from ...errors import ConfError
from ...http.contexts import EVERYWHERE, LOCATION_IF
from ...http.template import Template

HERE = EVERYWHERE | LOCATION_IF
_HEADER = re.compile(r"\s*([^\s:]+)[\s:]*(.*)", re.DOTALL)


class HeaderChange(NamedTuple):
    """One header of a directive; an empty value clears it."""

    name: str
    value: Template

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def pattern(self) -> Callable[[str], bool]:
        """Whether a name in lower case is meant."""
        prefix = self.key[:-1]
        if self.key.endswith("*"):
            return lambda name: name.startswith(prefix)
        return lambda name: name == self.key


class Command(NamedTuple):
    """One directive: its headers and the responses or requests that it applies to."""

    headers: tuple[HeaderChange, ...]
    types: frozenset[str]
    statuses: frozenset[int]
    append: bool
    replace: bool


class CommandsConf(Conf):
    """Commands, those of outer levels first."""

    is_inherited_whole = True  # a block without any of the directives merges nothing

    commands: tuple[Command, ...] = ()

    def add(
        self, name: str, words: tuple[str, ...], options: str, *, clear: bool = False
    ) -> Command:
        """Adds the command of a directive; raises ConfError.  `options` are the letters that it
        has."""
        given = {"t": "", "s": "", "a": "", "r": ""}
        headers = []
        rest = iter(words)
        for word in rest:
            if word.startswith("-"):
                option = word[1:]
                if len(option) != 1 or option not in options:
                    raise ConfError(f'{name}: invalid option name: "{word}"')
                given[option] += f" {_argument(name, word, rest)}" if option in "ts" else "on"
            elif word:
                headers.append(_header(name, word, clear))
        command = Command(
            tuple(headers),
            frozenset(re.split(r"[\s;]+", given["t"].strip())) - {""},
            _statuses(name, given["s"]),
            bool(given["a"]),
            bool(given["r"]),
        )
        self.commands = (*vars(self).get("commands", ()), command)
        return command

    def merge(self, outer: CommandsConf) -> None:
        """The commands of outer levels come first."""
        mine = vars(self).get("commands", ())
        super().merge(outer)
        self.commands = (*outer.commands, *mine)


def _argument(name: str, option: str, rest: Iterator[str]) -> str:
    word = next(rest, None)
    if word is None:
        raise ConfError(f"{name}: option {option} takes an argument.")
    return word


def _header(name: str, text: str, clear: bool) -> HeaderChange:
    match = _HEADER.match(text)
    if match is None:
        raise ConfError(f"{name}: no key found in the header argument: {text}")
    if match[1] == "*":
        raise ConfError(f"{name}: wildcard key too short: {text}")
    return HeaderChange(match[1], Template("" if clear else match[2]))


def _statuses(name: str, text: str) -> frozenset[int]:
    codes = set()
    for word in text.split():
        try:
            codes.add(parse_number(word))
        except ValueError:
            wrong = next(character for character in word if not character.isdigit())
            found = f'"{wrong}" found in the status code list "{text.strip()}"'
            raise ConfError(f"{name}: invalid digit {found}") from None
    return frozenset(codes)
