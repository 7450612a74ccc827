"""Which of nginx's JWT modules a configuration is written for.

They share names of directives and differ in what these mean.  One nginx can hold only one of
them, so one is chosen for the whole configuration, before its first directive is run: by name,
by what only one of them has ("marks"), or else by the shape of the common directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ....conf.parse import Statement
from ....conf.scan import Scan, scan
from ....conf.watch import ConfFiles
from ....errors import ConfError
from ....options import Options
from ..dialect import Dialect, DialectChoice, Facts, Witness, clue

Dialects = tuple[Dialect, ...]

# Directives of no dialect here, and of no older version of one: whose they are, and what does
# the same.
ADVICE = {
    "auth_jwt_bypass_methods": "belongs to dafanasiev's module, which is not supported: "
    'write "limit_except METHOD ... { auth_jwt ...; }"',
    "auth_jwt_cache": "belongs to andrei-markeev's module, which is not supported: "
    "leave it out, verified tokens are remembered anyway",
    "auth_jwt_public_key": "exists in no JWT module: "
    'write "auth_jwt_key_file FILE" with a JWK Set, or "auth_jwt_keyfile_path FILE" with a PEM',
    "auth_jwt_secret": 'exists in no JWT module: write "auth_jwt_key_file FILE" with a JWK Set',
    "auth_jwt_issuer": 'exists in no JWT module: write "pyngx_jwt_issuer URL" for its keys and its '
    'name, or "auth_jwt_validate_claim iss VALUE"',
    "auth_jwt_audience": 'exists in no JWT module: write "auth_jwt_validate_claim aud VALUE"',
    "auth_jwt_jwks_uri": "exists in no JWT module: "
    'write "auth_jwt_key_request URI", and a location with "proxy_pass" for it',
    "auth_jwt_header": 'exists in no JWT module: write "auth_jwt REALM token=$http_name"',
    "auth_jwt_cookie": 'exists in no JWT module: write "auth_jwt REALM token=$cookie_name"',
}
_VARIABLE = re.compile(r"\$\{?([A-Za-z0-9_]+)")


class MixedDialects(ConfError):
    """Two dialects have marks; `witnesses` are the first of each."""

    def __init__(self, text: str, witnesses: tuple[Witness, Witness]) -> None:
        super().__init__(text)
        self.witnesses = witnesses


def choose(options: Options, files: ConfFiles, known: Dialects, default: Dialect) -> DialectChoice:
    """The one of the known dialects that a configuration is written in, which is about to be
    read, from the disk or other files; the default if it is in none.

    Raises ConfError for an unknown name, and for marks of two dialects, with both places."""
    scanned = scan(options.conf_file, options.conf_prefix, "jwt", files)
    limits = tuple(s for s in scanned.statements if s.name.startswith("pyngx_jwt_max_"))
    choice = decide(scanned, options, known) or DialectChoice(default, known)
    older = next((s for s in scanned.statements if s.name in choice.dialect.older), None)
    return choice._replace(limits=limits, older=older)


def decide(scanned: Scan, options: Options, known: Dialects) -> DialectChoice | None:
    """The procedure itself, on a configuration that has been looked at."""
    if options.jwt_dialect:
        pinned = _named(options.jwt_dialect, known)
        witness = Witness(pinned, "--jwt-dialect", "the command line", 0)
        return DialectChoice(pinned, known, (witness,), pinned=True)
    statements = [s for s in scanned.statements if _concerns_jwt(s)]
    for statement in statements:
        if statement.name == "pyngx_jwt_dialect" and len(statement.args) == 1:
            pinned = _named(statement.args[0], known, statement)
            witness = Witness(pinned, *clue(statement))
            return DialectChoice(pinned, known, (witness,), pinned=True)
    facts = Facts.of(statements, options.conf_prefix, scanned.texts)
    marks = [*_marks(statements, facts, known), *_variables(scanned.statements, known)]
    return (
        _by_marks(marks, statements, facts, known)
        or (_by_weak_marks(scanned.statements, facts, known) if statements else None)
        or _by_shape(facts, known)
    )


def _named(name: str, known: Dialects, statement: Statement | None = None) -> Dialect:
    for dialect in known:
        if name and name in (dialect.name, dialect.target):
            return dialect
    names = ", ".join(dialect.name for dialect in known)
    error = ConfError(f'unknown JWT dialect "{name}", known are {names}')
    raise error.at(statement.file, statement.line) if statement else error.nowhere()


def _concerns_jwt(statement: Statement) -> bool:
    name = statement.name
    if name == "load_module":
        return any("auth_jwt" in word or "http_jwt" in word for word in statement.args)
    return name.startswith("auth_jwt") or name == "pyngx_jwt_dialect"


# -- by what only one of them has ---------------------------------------------------------------


def owner_of(directive: str, known: Dialects) -> Dialect | None:
    """The only dialect that has a directive, not counting those that extend it."""
    owners = [dialect for dialect in known if dialect.has(directive)]
    owners = [dialect for dialect in owners if dialect.extends not in owners]
    return owners[0] if len(owners) == 1 else None


def _marks(statements: Iterable[Statement], facts: Facts, known: Dialects) -> Iterator[Witness]:
    for s in statements:
        if owner := owner_of(s.name, known):
            yield Witness(owner, *clue(s))
            continue
        for dialect in known:
            for mark in dialect.marks:
                if evidence := mark.clue(s, facts):
                    yield Witness(dialect, *evidence)


def _variables(statements: Iterable[Statement], known: Dialects) -> Iterator[Witness]:
    """The first of each word counts."""
    owners = {name: dialect for dialect in known for name in dialect.variables}
    for s in statements:
        for word in filter(_has_variable, s.args):
            names = (match[1] for match in _VARIABLE.finditer(word))
            if name := next((name for name in names if name in owners), ""):
                yield Witness(owners[name], f'"${name}"', s.file, s.line)


def _has_variable(word: str) -> bool:
    return "$" in word


def _by_marks(
    marks: list[Witness], statements: Iterable[Statement], facts: Facts, known: Dialects
) -> DialectChoice | None:
    first: dict[Dialect, Witness] = {}
    for witness in marks:
        first.setdefault(witness.dialect, witness)
    for statement in statements:
        for witness in _shared_mark(statement, facts, known, first):
            first[witness.dialect] = witness
    for dialect in list(first):
        if dialect.extends is not None:
            first.pop(dialect.extends, None)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise MixedDialects(
            f'JWT directives of two dialects: {one.what} of "{one.dialect.name}" '
            f"({one.dialect.project}) in {one.place} and {other.what} of "
            f'"{other.dialect.name}" ({other.dialect.project}) in {other.place}; '
            '"pyngx_jwt_dialect NAME;" in "http" sets the dialect',
            (one, other),
        ).nowhere()
    if not first:
        return None
    (dialect,) = first
    witnesses = [w for w in marks if w.dialect is dialect] or [first[dialect]]
    return DialectChoice(dialect, known, tuple(witnesses))


def _shared_mark(
    statement: Statement, facts: Facts, known: Dialects, marked: Iterable[Dialect]
) -> Iterator[Witness]:
    """For whom a directive speaks that several dialects share, if no mark has said that."""
    sharing = [
        (dialect, mark)
        for dialect in known
        for mark in dialect.shared_marks
        if statement.name in mark.directives
    ]
    if not any(dialect in marked for dialect, _ in sharing):
        for dialect, mark in sharing:
            if evidence := mark.clue(statement, facts):
                yield Witness(dialect, *evidence)
                return


def _by_weak_marks(
    everything: Iterable[Statement], facts: Facts, known: Dialects
) -> DialectChoice | None:
    if facts.keys:  # neither NGINX Plus nor kjdev's module has auth_jwt_key
        return None
    weak = [(mark, dialect) for dialect in known for mark in dialect.weak_marks]
    witnesses = [
        (mark.rank, Witness(dialect, *evidence))
        for s in everything
        for mark, dialect in weak
        if (evidence := mark.clue(s, facts))
    ]
    if not witnesses:
        return None
    witnesses.sort(key=lambda one: one[0])
    dialect = witnesses[0][1].dialect
    if facts.module and not dialect.is_loaded:
        return None
    return DialectChoice(dialect, known, tuple(w for _, w in witnesses if w.dialect is dialect))


# -- by what all of them have -------------------------------------------------------------------


def _by_shape(facts: Facts, known: Dialects) -> DialectChoice | None:
    """The last that the shape speaks for: those before it are for the more usual shapes."""
    for dialect in reversed(known):
        if witnesses := tuple(Witness(dialect, *one) for one in dialect.shape(facts)):
            return DialectChoice(dialect, known, witnesses, ambiguous=bool(dialect.unsure))
    return None


# -- errors -------------------------------------------------------------------------------------


def foreign_directive(name: str, choice: DialectChoice) -> str:
    """What to say of a directive that the dialect does not have, "" if that is nothing."""
    advice = dict(ADVICE)
    for dialect in choice.known:
        advice |= dialect.advice
    if name in advice:
        return f'the "{name}" directive {advice[name]}'
    shared = (dialect for dialect in choice.known if name in dialect.shared)
    owner = next(shared, None) or owner_of(name, choice.known)
    if not name.startswith("auth_jwt") or owner is None or owner is choice.dialect:
        return ""
    return (
        f'the "{name}" directive belongs to the JWT dialect "{owner.name}" ({owner.project}), '
        f'and the configuration is read as "{choice.name}"'
    )
