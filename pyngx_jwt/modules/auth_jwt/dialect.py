"""A dialect as a value: what the JWT module of a configuration is, has and does.

Each is declared beside its directives, in a file of `dialects`; which of them a configuration is
written in is decided by `dialects.choose`, from what is declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...http.module import AnyModule
from ...jwt import TokenPolicy
from .conf import TokenConf
from .words import Words


class Clue(NamedTuple):
    """One place of a configuration that speaks for a dialect."""

    what: str
    file: str
    line: int


def clue(statement: Statement, words: str = "") -> Clue:
    """A directive, with the words of it that speak."""
    text = " ".join([statement.name, *([words] if words else [])])
    return Clue(f'"{text}"', statement.file, statement.line)


class Facts(NamedTuple):
    """The directives of a configuration that several modules have, and where it is."""

    switches: list[Statement]  # auth_jwt other than off
    any_switch: bool  # auth_jwt, off included
    keys: list[Statement]  # auth_jwt_key
    key_files: list[Statement]  # auth_jwt_key_file
    key_requests: list[Statement]
    module: Statement | None  # load_module
    conf_prefix: str
    texts: Mapping[str, str]  # of all files, by path

    @classmethod
    def of(
        cls, statements: Iterable[Statement], conf_prefix: str, texts: Mapping[str, str]
    ) -> Facts:
        named: dict[str, list[Statement]] = {}
        for statement in statements:
            named.setdefault(statement.name, []).append(statement)
        switches = [s for s in named.get("auth_jwt", []) if s.args[:1] != ("off",)]
        return cls(
            switches,
            "auth_jwt" in named,
            named.get("auth_jwt_key", []),
            named.get("auth_jwt_key_file", []),
            named.get("auth_jwt_key_request", []),
            next(iter(named.get("load_module", [])), None),
            conf_prefix,
            texts,
        )

    @property
    def realms(self) -> list[Statement]:
        """Switches that cannot be "on" or a token's variable."""
        return [s for s in self.switches if not is_plain_switch(s)]

    @property
    def common(self) -> list[Statement]:
        """What NGINX Plus and kjdev's module have and TeslaGov's has not."""
        return [*self.switches, *self.key_files, *self.key_requests]


def is_plain_switch(statement: Statement) -> bool:
    """Whether it can be one of max-lt's: one word, "on", "off" or a variable."""
    args = statement.args
    return len(args) == 1 and (args[0] in ("on", "off") or args[0].startswith("$"))


# The words of a statement that speak for a dialect, "" for its name alone; None if it does not.
Says = Callable[[Statement, Facts], "str | None"]


def by_name(statement: Statement, facts: Facts) -> str | None:
    """Of directives that speak for a dialect whatever their arguments."""
    return ""


class DialectMark(NamedTuple):
    """Statements that speak for a dialect.  Of weak marks the lowest rank counts first."""

    directives: frozenset[str]  # none: any
    says: Says = by_name
    rank: int = 0

    def clue(self, statement: Statement, facts: Facts) -> Clue | None:
        """What the statement says for the dialect."""
        if self.directives and statement.name not in self.directives:
            return None
        words = self.says(statement, facts)
        return None if words is None else clue(statement, words)


class WithoutKeys(Enum):
    """What the nginx module does where tokens are demanded and no keys are named."""

    REFUSES = "refuses"  # or, with "pyngx_allow_unsigned", accepts
    ADMITS = "admits"
    STOPS = "stops"  # it does not start


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Dialect:
    """Directives that no other dialect has are its marks by themselves."""

    name: str
    project: str
    module: AnyModule
    policy: TokenPolicy  # what is demanded of tokens where no directive says otherwise
    words: Words
    extends: Dialect | None = None  # whose directives and marks it has, too
    target: str = ""  # its name among the servers that "pyngx lint --target" knows

    # -- what speaks for it
    marks: tuple[DialectMark, ...] = ()  # beside its own directives
    shared_marks: tuple[DialectMark, ...] = ()  # count if no mark does for one that shares them
    weak_marks: tuple[DialectMark, ...] = ()  # count if there is nothing better
    variables: frozenset[str] = frozenset()  # that no other dialect has
    shape: Callable[[Facts], Iterable[Clue]] = lambda facts: ()  # of directives all have
    unsure: str = ""  # printed if only the shape of the directives indicates the dialect
    is_loaded: bool = True  # by load_module
    shared: frozenset[str] = frozenset()  # directives that errors call its own
    advice: Mapping[str, str] = field(default_factory=dict)  # for directives of older versions
    older: frozenset[str] = frozenset()  # directives that only older versions have

    # -- what its directives mean
    switches: tuple[str, ...] = ("auth_jwt",)  # say whether tokens are demanded; the first alone
    has_realm: bool = True
    key_directives: tuple[str, ...] = ("auth_jwt_key_file",)  # for keys and files of them
    own_keys: tuple[str, ...] = ()  # those of them that name one key in its module's own form
    encodes_keys: bool = False  # auth_jwt_key has an encoding
    rereads_keys: bool = False  # reads key files with each request
    expands_keys: bool = True  # understands keys that "gunzip" has expanded
    adds_up: bool = False  # demands of all levels count
    demands_claims: bool = True  # has directives for it
    pins_algorithms: bool = True  # one at a time, and not their family
    json_variables: bool = False  # values of variables are JSON
    exact_variables: bool = False  # names of variables are in the case of the claims
    verifies_on_demand: bool = False  # as soon as a variable is asked for
    excused: frozenset[str] = frozenset()  # methods that pass with whatever token
    exempt: frozenset[str] = frozenset()  # methods that need no token
    keyless: WithoutKeys = WithoutKeys.REFUSES
    only_pyngx: bool = False  # nginx has no such module

    @property
    def conf(self) -> type[TokenConf]:
        """The conf of its module."""
        conf: type[TokenConf] = self.module.conf
        return conf

    @property
    def switch(self) -> str:
        """The directive that turns tokens on and off."""
        return self.switches[0]

    def has(self, directive: str) -> bool:
        """Whether it has a directive."""
        return directive in self.conf.directives


class Witness(NamedTuple):
    """A clue, and the dialect that it speaks for."""

    dialect: Dialect
    what: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


MOST = 8  # statements that are named


class DialectChoice(NamedTuple):
    """The dialect of a configuration, and the evidence for it; ``known`` are all dialects.

    ``ambiguous``: NGINX Plus and kjdev's module would both load it.  ``limits``: directives
    that apply to files that others read at once.  ``older``: the first directive that only older
    versions of the dialect's module have."""

    dialect: Dialect
    known: tuple[Dialect, ...]
    evidence: tuple[Witness, ...] = ()
    pinned: bool = False
    ambiguous: bool = False
    limits: tuple[Statement, ...] = ()
    older: Statement | None = None

    @property
    def name(self) -> str:
        return self.dialect.name

    @property
    def text(self) -> str:
        """The lines that "pyngx -t -v" prints."""
        if not self.evidence:
            return "JWT dialect: none, the configuration has no JWT directives"
        head = f'JWT dialect: "{self.name}" ({self.dialect.project})'
        lines = [head, *(f"  {w.what} in {w.place}" for w in self.evidence[:MOST])]
        if len(self.evidence) > MOST:
            lines.append(f"  and {len(self.evidence) - MOST} more")
        if self.ambiguous:
            lines.append(f"  {self.dialect.unsure}")
        return "\n".join(lines)


def evidence_of(scope: Scope) -> str:
    """Why a configuration is read in its dialect, to be added to an error: a directive that it
    lacks may be one that it has no need of in another."""
    choice: DialectChoice = scope.things[DialectChoice]
    first = next(iter(choice.evidence), None)
    return f' (JWT dialect "{choice.name}": {first.what} in {first.place})' if first else ""


def dialect_of(scope: Scope) -> Dialect:
    """The dialect that a configuration is read in."""
    choice: DialectChoice = scope.things[DialectChoice]
    return choice.dialect
