"""Which of nginx's JWT modules a configuration is written for.

They share names of directives and differ in what these mean.  One nginx can hold only one of
them, so one is chosen for the whole configuration, before its first directive is run: by name,
by what only one of them has ("marks"), or else by the shape of the common directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import NamedTuple

from ....conf.parse import Statement, full_name
from ....conf.scan import Scan, scan
from ....conf.watch import Files
from ....errors import ConfError
from ....options import Options

PROJECTS = {
    "plus": "NGINX Plus",
    "pyngx": "NGINX Plus and pyngx",
    "kjdev": "kjdev/nginx-auth-jwt",
    "tesla": "TeslaGov/ngx-http-auth-jwt-module",
    "maxlt": "max-lt/nginx-jwt-module",
    "tizp": "tizpuppi/ngx_http_auth_jwt_module",
}
DIALECTS = tuple(PROJECTS)
DEFAULT = "plus"  # of a configuration without JWT: its variables exist all the same

# What only one of the modules has.
_MARKS = {
    **dict.fromkeys(
        (
            *("auth_jwt_enabled", "auth_jwt_redirect", "auth_jwt_loginurl", "auth_jwt_location"),
            *("auth_jwt_validate_sub", "auth_jwt_use_keyfile", "auth_jwt_keyfile_path"),
            *("auth_jwt_extract_var_claims", "auth_jwt_extract_request_claims"),
            "auth_jwt_extract_response_claims",
        ),
        "tesla",
    ),
    **dict.fromkeys(
        (
            *("auth_jwt_validate_exp", "auth_jwt_validate_sig", "auth_jwt_phase"),
            *("auth_jwt_revocation_list_sub", "auth_jwt_revocation_list_kid"),
            *("auth_jwt_require_claim", "auth_jwt_require_header", "auth_jwt_allow_nested"),
        ),
        "kjdev",
    ),
    **dict.fromkeys(("auth_jwt_type", "auth_jwt_key_cache"), "plus"),
    "auth_jwt_validate_claim": "pyngx",
}
# What counts if there is nothing better.
_WEAK_MARKS = {
    "auth_jwt_www_authenticate": "kjdev",
    "auth_oidc": "plus",
    "oidc_provider": "plus",
    "keyval_zone": "plus",
    "zone_sync": "plus",
    "health_check": "plus",
    "mgmt": "plus",
}
# Directives that no dialect here has: whose they are, and what does the same.
ADVICE = {
    "auth_jwt_validation_type": "belongs to TeslaGov's module before 2.0: "
    'write "auth_jwt_location HEADER=Authorization" or "auth_jwt_location COOKIE=name"',
    "auth_jwt_validate_email": "belongs to TeslaGov's module before 2.0: "
    'write "auth_jwt_extract_response_claims emailAddress", which adds "JWT-emailAddress"',
    "auth_jwt_extract_sub": "belongs to TeslaGov's module before 2.0: "
    'write "auth_jwt_extract_response_claims sub", which adds "JWT-sub"',
    "auth_jwt_validate_alg": "belongs to kjdev's module before 0.5: "
    'write "auth_jwt_require_header alg eq NAME"',
    "auth_jwt_validate_aud": "belongs to kjdev's module before 0.5: "
    'write "auth_jwt_require_claim aud eq VALUE"',
    "auth_jwt_validate_iss": "belongs to kjdev's module before 0.5: "
    'write "auth_jwt_require_claim iss eq VALUE"',
    "auth_jwt_validate_iat": "belongs to kjdev's module before 0.5: "
    'write "auth_jwt_require_claim iat le $jwt_nowtime"',
    "auth_jwt_validate_nbf": "belongs to kjdev's module before 0.5: "
    'leave it out, "nbf" is checked if the token has it',
    "auth_jwt_validate_nonce": "belongs to kjdev's module before 0.5: "
    'write "auth_jwt_require_claim nonce eq VALUE"',
    "auth_jwt_bypass_methods": "belongs to dafanasiev's module, which is not supported: "
    'write "limit_except METHOD ... { auth_jwt ...; }"',
    "auth_jwt_cache": "belongs to andrei-markeev's module, which is not supported: "
    "leave it out, verified tokens are remembered anyway",
    "auth_jwt_public_key": "exists in no JWT module: "
    'write "auth_jwt_key_file FILE" with a JWK Set, or "auth_jwt_keyfile_path FILE" with a PEM',
    "auth_jwt_secret": 'exists in no JWT module: write "auth_jwt_key_file FILE" with a JWK Set',
    "auth_jwt_issuer": 'exists in no JWT module: write "auth_jwt_validate_claim iss VALUE"',
    "auth_jwt_audience": 'exists in no JWT module: write "auth_jwt_validate_claim aud VALUE"',
    "auth_jwt_jwks_uri": "exists in no JWT module: "
    'write "auth_jwt_key_request URI", and a location with "proxy_pass" for it',
    "auth_jwt_header": 'exists in no JWT module: write "auth_jwt REALM token=$http_name"',
    "auth_jwt_cookie": 'exists in no JWT module: write "auth_jwt REALM token=$cookie_name"',
}

_ENCODINGS = ("hex", "utf8", "base64", "file")
_VARIABLES = {"jwt_headers": "maxlt", "jwt_claims": "kjdev", "jwt_nowtime": "kjdev"}
_VARIABLE = re.compile(r"\$\{?(jwt_headers|jwt_claims|jwt_nowtime)(?![A-Za-z0-9_])")
_EXPORTED = re.compile(r"\$\{?(?:sent_)?http_jwt_")
_REPOSITORY = "kjdev/nginx-auth-jwt"  # in a comment
_WORD = re.compile(
    r"""#[^\n]*+|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|(?:[^ \t\r\n;{}\\]|\\.?)++""", re.DOTALL
)
_HEAD = 256  # bytes of a key file that tell its form


class MixedDialects(ConfError):
    """Two dialects have marks; `witnesses` are the first of each."""

    def __init__(self, text: str, witnesses: tuple[Witness, Witness]) -> None:
        super().__init__(text)
        self.witnesses = witnesses


class Witness(NamedTuple):
    """One place that speaks for a dialect."""

    dialect: str
    what: str
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Choice:
    """The dialect of a configuration, and what spoke for it.

    ``ambiguous``: NGINX Plus and kjdev's module would both load it.  ``limits``: directives
    that count for what others read at once."""

    name: str = DEFAULT
    evidence: tuple[Witness, ...] = ()
    pinned: bool = False
    ambiguous: bool = False
    limits: tuple[Statement, ...] = ()

    @property
    def text(self) -> str:
        """The lines that "pyngx -t -v" prints."""
        if not self.evidence:
            return "JWT dialect: none, the configuration has no JWT directives"
        told = f'JWT dialect: "{self.name}" ({PROJECTS[self.name]})'
        lines = [told, *(f"  {w.what} in {w.place}" for w in self.evidence[:MOST])]
        if len(self.evidence) > MOST:
            lines.append(f"  and {len(self.evidence) - MOST} more")
        if self.ambiguous:
            lines.append(AMBIGUOUS)
        return "\n".join(lines)


MOST = 8  # places that are told
AMBIGUOUS = (
    '  "kjdev" has these directives, too, and differs: it refuses tokens without "exp", '
    'never looks at "nbf" by itself, and answers 401 instead of 500 if keys cannot be had; '
    '"pyngx_jwt_dialect" names one of them'
)


def choose_dialect(options: Options, files: Files | None = None) -> Choice:
    """The dialect of a configuration that is about to be read, from the disk or other files.

    Raises ConfError for an unknown name, and for marks of two dialects, with both places."""
    found = scan(options.conf_file, options.conf_prefix, "jwt", files or Files())
    limits = tuple(s for s in found.statements if s.name.startswith("pyngx_jwt_max_"))
    return replace(decide(found, options), limits=limits)


def decide(found: Scan, options: Options) -> Choice:
    """The procedure itself, on a configuration that has been looked at."""
    if options.jwt_dialect:
        _known(options.jwt_dialect)
        witness = Witness(options.jwt_dialect, "--jwt-dialect", "the command line", 0)
        return Choice(options.jwt_dialect, (witness,), pinned=True)
    statements = [s for s in found.statements if _concerns_jwt(s)]
    for statement in statements:
        if statement.name == "pyngx_jwt_dialect" and len(statement.args) == 1:
            witness = _witness(statement.args[0], statement)
            return Choice(_known(witness.dialect, statement), (witness,), pinned=True)
    facts = Facts.of(statements)
    marks = list(_marks(statements, facts)) + list(_variables(found.statements))
    if choice := _by_marks(marks, facts):
        return choice
    weak = list(_weak_marks(found.statements, statements))
    if weak and not facts.keys:  # neither NGINX Plus nor kjdev's module has auth_jwt_key
        name = weak[0].dialect
        if name != "plus" or not facts.module:
            return Choice(name, tuple(w for w in weak if w.dialect == name))
    return _by_shape(facts, found, options)


def foreign_directive(name: str, dialect: str) -> str:
    """What to say of a directive that the dialect does not have, "" if that is nothing."""
    if advice := ADVICE.get(name):
        return f'the "{name}" directive {advice}'
    owner = {**_WEAK_MARKS, **_MARKS, **_SHARED}.get(name) if name.startswith("auth_jwt") else None
    if owner is None or owner == dialect:
        return ""
    return (
        f'the "{name}" directive belongs to the JWT dialect "{owner}" ({PROJECTS[owner]}), '
        f'and the configuration is read as "{dialect}"'
    )


_SHARED = {
    "auth_jwt": "plus",
    "auth_jwt_algorithm": "pyngx",
    "auth_jwt_alg": "maxlt",
    "auth_jwt_claim_set": "plus",
    "auth_jwt_header_set": "plus",
    "auth_jwt_key": "maxlt",
    "auth_jwt_require": "plus",
}


def _known(name: str, statement: Statement | None = None) -> str:
    if name in PROJECTS:
        return name
    error = ConfError(f'unknown JWT dialect "{name}", known are {", ".join(DIALECTS)}')
    raise error.at(statement.file, statement.line) if statement else error.nowhere()


def _concerns_jwt(statement: Statement) -> bool:
    name = statement.name
    if name == "load_module":
        return any("auth_jwt" in word or "http_jwt" in word for word in statement.args)
    return name.startswith("auth_jwt") or name == "pyngx_jwt_dialect"


def _witness(dialect: str, statement: Statement, word: str = "") -> Witness:
    what = f'"{" ".join([statement.name, *([word] if word else [])])}"'
    return Witness(dialect, what, statement.file, statement.line)


@dataclass(slots=True)
class Facts:
    """What is there of the directives that several modules have."""

    switches: list[Statement]  # auth_jwt other than off
    any_switch: bool  # auth_jwt, off included
    keys: list[Statement]  # auth_jwt_key
    key_files: list[Statement]  # auth_jwt_key_file
    key_requests: list[Statement]
    algs: list[Statement]  # auth_jwt_alg
    algorithms: list[Statement]  # auth_jwt_algorithm
    module: Statement | None  # load_module

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> Facts:
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
            named.get("auth_jwt_alg", []),
            named.get("auth_jwt_algorithm", []),
            next(iter(named.get("load_module", [])), None),
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


def _marks(statements: Iterable[Statement], facts: Facts) -> Iterator[Witness]:
    for s in statements:
        if dialect := _MARKS.get(s.name):
            yield _witness(dialect, s)
        elif s.name == "auth_jwt_key" and len(s.args) == 2 and s.args[1] in _ENCODINGS:
            yield _witness("maxlt", s, s.args[1])
        elif s.name == "auth_jwt_alg":
            if facts.keys or s.args == ("any",):
                yield _witness("maxlt", s)
            elif facts.key_files:
                yield _witness("tizp", s)
        elif s.name in ("auth_jwt_claim_set", "auth_jwt_header_set") and len(s.args) > 2:
            yield _witness("plus", s, " ".join(s.args))
        elif s.name in ("auth_jwt_key_file", "auth_jwt_key_request") and len(s.args) == 2:
            yield _witness("kjdev", s, " ".join(s.args))


def _foreign_status(last: tuple[str, ...]) -> bool:
    word = last[0] if last else ""
    return word.startswith("error=") and word[6:].isdigit() and word not in _PLUS_STATUS


_PLUS_STATUS = ("error=401", "error=403")


def _variables(statements: Iterable[Statement]) -> Iterator[Witness]:
    for s in statements:
        for word in s.args:
            if found := _VARIABLE.search(word):
                name = found[1]
                yield Witness(_VARIABLES[name], f'"${name}"', s.file, s.line)


def _weak_marks(everything: Iterable[Statement], jwt: Iterable[Statement]) -> Iterator[Witness]:
    jwt = list(jwt)
    if not jwt:
        return
    for s in jwt:
        if s.name == "auth_jwt_require" and _foreign_status(s.args[-1:]):
            yield _witness("kjdev", s, s.args[-1])
    for s in jwt:
        if s.name == "auth_jwt_www_authenticate":
            yield _witness("kjdev", s)
    for s in jwt:
        if s.name == "auth_jwt" and s.args and "$" in s.args[0] and not is_plain_switch(s):
            yield _witness("plus", s, s.args[0])
    for s in everything:
        if any(_EXPORTED.search(word) for word in s.args):
            yield Witness("tesla", f'"{s.name} {" ".join(s.args)}"', s.file, s.line)
        elif _WEAK_MARKS.get(s.name) == "plus":
            yield _witness("plus", s)


def _by_marks(marks: list[Witness], facts: Facts) -> Choice | None:
    first: dict[str, Witness] = {}
    for witness in marks:
        first.setdefault(witness.dialect, witness)
    if facts.algorithms and "tesla" not in first:
        statement = facts.algorithms[0]
        if "pyngx" in first or (facts.common and not facts.keys):
            first.setdefault("pyngx", _witness("pyngx", statement))
        elif not (facts.switches and facts.keys):
            first.setdefault("tesla", _witness("tesla", statement))
    if "pyngx" in first:  # it has all that NGINX Plus has
        first.pop("plus", None)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise MixedDialects(
            f'JWT directives of two dialects: {one.what} of "{one.dialect}" '
            f'({PROJECTS[one.dialect]}) in {one.place} and {other.what} of "{other.dialect}" '
            f'({PROJECTS[other.dialect]}) in {other.place}; "pyngx_jwt_dialect NAME;" in "http" '
            "says which of them counts",
            (one, other),
        ).nowhere()
    if not first:
        return None
    (name,) = first
    found = [w for w in marks if w.dialect == name] or [first[name]]
    return Choice(name, tuple(found))


def _by_shape(facts: Facts, found: Scan, options: Options) -> Choice:
    if facts.keys:
        key = facts.keys[0]
        if facts.any_switch and not facts.switches:
            raise ConfError(
                'JWT dialect unclear: with "auth_jwt_key" and no "auth_jwt" but "off", max-lt\'s '
                "module lets everybody pass and TeslaGov's has to be told of it; "
                '"pyngx_jwt_dialect NAME;" in "http" says which of them counts'
            ).at(key.file, key.line)
        name = "maxlt" if facts.any_switch else "tesla"
        return Choice(name, tuple(_witness(name, s) for s in facts.keys))
    if facts.key_files and (form := _sniff(facts.key_files, options)):
        statement, what = form
        if not facts.realms:
            raise ConfError(
                f'"auth_jwt_key_file" with a {what} belongs to max-lt\'s module before 3.0: '
                f'write "auth_jwt_key {statement.args[0]} file"'
            ).at(statement.file, statement.line)
        return Choice("tizp", (_witness("tizp", statement, f"with a {what}"),))
    if not facts.common:
        return Choice()
    bare = [s for s in facts.switches if s.args == ("on",)]
    if bare and not facts.realms and not facts.key_files and not facts.key_requests:
        return Choice("maxlt", (_witness("maxlt", bare[0], "on"),))  # which says what is missing
    if facts.module is not None:
        return Choice("kjdev", (_witness("kjdev", facts.module, facts.module.args[0]),))
    for path, text in found.texts.items():
        if line := _credit(text):
            return Choice("kjdev", (Witness("kjdev", "a comment", path, line),))
    evidence = tuple(_witness("plus", s, " ".join(s.args[:1])) for s in facts.common)
    return Choice("plus", evidence, ambiguous=True)


def _credit(text: str) -> int:
    """The line of a comment, not of a string, that names the repository of kjdev's module."""
    if _REPOSITORY in text:
        for word in _WORD.finditer(text):
            if word[0].startswith("#") and _REPOSITORY in word[0]:
                return text.count("\n", 0, word.start()) + 1
    return 0


def _sniff(key_files: list[Statement], options: Options) -> tuple[Statement, str] | None:
    """The first key file that is not JSON, if one can be read, and what it is."""
    for statement in key_files:
        name = statement.args[0] if statement.args else "$"
        if "$" in name:
            continue
        for folder in (options.conf_prefix, "."):
            head = _head_of(full_name(name, folder))
            if head.startswith(b"-----BEGIN"):
                return statement, "PEM"
            if not head:
                continue
            if head.lstrip().startswith(b"{") or PurePosixPath(name).suffix == ".json":
                break
            return statement, "raw secret"
    return None


def _head_of(path: str) -> bytes:
    try:
        with open(path.encode("latin-1"), "rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""
