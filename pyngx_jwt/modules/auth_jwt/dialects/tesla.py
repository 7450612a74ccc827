"""Validates JSON Web Tokens, as the module TeslaGov/ngx-http-auth-jwt-module does (dialect
"tesla").

A configuration with a directive that only versions before 2.0 have is read as they read it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Self

from ....conf.directive import directive, flag, slot
from ....conf.parse import Statement
from ....errors import ConfError
from ....http.contexts import EVERYWHERE, HTTP, SERVER
from ....http.level import Level
from ....http.location import ServerNames
from ....http.module import Module, Phase
from ....http.request import Handler, Request, Server, Status
from ....http.template import Template, without_variables
from ....http.uri import escape_args
from ....http.variables import Getter
from ....jwt import (
    ALGORITHMS,
    Json,
    Presence,
    TextRequirement,
    TokenPolicy,
    Verified,
    render_string,
)
from ....log import Severity, errno_text
from ...core import CoreConf
from ...rewrite import RewriteConf
from ..blocks import answers, here, opened_at, place_of, warn
from ..conf import TokenConf
from ..dialect import Clue, Dialect, DialectChoice, DialectMark, Facts, WithoutKeys, clue
from ..gate import Gate
from ..keyring import FindSource, Keyring
from ..level_keys import sources_of
from ..plan import FindToken, Plan
from ..secrets import PEM, decode_hex, find_file, fixed, from_file, is_pem
from ..settings import JwtConf, policy_with, status_without_keys
from ..variables import claim_getter, look_for, settles
from ..wire import compile_challenge, no_challenge, sole_cookie
from ..words import NO_HEX, tesla_words

HMAC = "HS256"
EXPORTED = "JWT-"
BEARER_LOCATION = "HEADER=Authorization"
RETURN = "?return_url="
BEFORE_2 = frozenset(
    {"auth_jwt_validation_type", "auth_jwt_validate_email", "auth_jwt_extract_sub"}
)
SINCE_2 = {  # attributes, by directive
    "auth_jwt_location": "auth_jwt_location",
    "auth_jwt_validate_sub": "auth_jwt_validate_sub",
    "auth_jwt_extract_var_claims": "var_claims",
    "auth_jwt_extract_request_claims": "request_claims",
    "auth_jwt_extract_response_claims": "response_claims",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Fields = Callable[[Request], Iterable[tuple[str, str]]]


def _algorithm(name: str, text: str) -> str:
    if text not in ALGORITHMS:
        error = ConfError(f'invalid value "{text}" in "{name}" directive')
        raise error.told_by("tesla-unknown-algorithm")
    return text


def _text(
    doc: str,
    *,
    syntax: str = "string",
    shown: str = "—",
    parse: Callable[[str, str], str] = lambda name, text: text,
) -> str:
    return slot("", parse, EVERYWHERE, doc, syntax=syntax, shown=shown)


class TeslaConf(TokenConf):
    auth_jwt_enabled: Template | None = slot(
        None,
        lambda name, text: Template(text),
        EVERYWHERE,
        'Disables validation for requests for which the value starts with "off". The value can '
        "contain variables, but no claims. Without a key, nothing is validated. With directives "
        "of versions before 2.0, the default is off.",
        syntax="on | off | string",
        shown="on",
    )
    auth_jwt_key = _text(
        "Sets the key: a hexadecimal secret for HS algorithms, or a PEM public key for others. "
        "A key protects the location. Unlike in the module, protection without a key is an "
        "error.",
        parse=partial(without_variables, is_file=False),
    )
    auth_jwt_algorithm = slot(
        HMAC,
        _algorithm,
        EVERYWHERE,
        "Sets the algorithm of the key, and thereby the allowed family: HS512 is also accepted "
        "if HS256 is set, but not RS256. Unlike in the module, an algorithm of another family "
        "is never accepted, and an unknown name is an error.",
        syntax="HS256 | RS256 | ES256 | ...",
        shown="HS256",
    )
    auth_jwt_location = _text(
        'Sets where the token is: "HEADER=name", with or without "Bearer ", or "COOKIE=name". '
        "Any other value is accepted with a warning, but no token is ever found.",
        syntax="HEADER=name | COOKIE=name",
        shown="HEADER=Authorization",
    )
    auth_jwt_use_keyfile = flag(
        False, EVERYWHERE, 'Uses the key of "auth_jwt_keyfile_path" instead of "auth_jwt_key".'
    )
    auth_jwt_keyfile_path = _text(
        'Sets a file with a PEM public key, which is used if "auth_jwt_use_keyfile" is on. A '
        "relative name starts from the working directory. Unlike in the module, the file is "
        "re-read after a change.",
        syntax="file",
        parse=without_variables,
    )
    auth_jwt_validate_sub = flag(False, EVERYWHERE, 'Requires a "sub" claim that is a string.')
    auth_jwt_redirect = flag(
        False, EVERYWHERE, 'Answers 302 to "auth_jwt_loginurl" instead of 401.'
    )
    auth_jwt_loginurl = _text(
        "Sets the URL that clients without a valid token are redirected to, if "
        '"auth_jwt_redirect" is on. "?return_url=" is appended for GET requests.',
        syntax="url",
    )
    auth_jwt_validation_type = _text(
        'Sets where the token is, in versions before 2.0: "AUTHORIZATION" is the Authorization '
        'header, with or without "Bearer ". Any other value is accepted with a warning, but no '
        "token is ever found.",
        syntax="AUTHORIZATION | COOKIE=name",
        shown="AUTHORIZATION",
    )
    auth_jwt_extract_sub = flag(
        True,
        EVERYWHERE,
        'Sends the "sub" claim to the client in the response header "x-userid", in versions '
        "before 2.0. A token without it is accepted.",
    )
    auth_jwt_validate_email = flag(
        True,
        EVERYWHERE,
        'Sends the "emailAddress" claim to the client in the response header "x-email", in '
        "versions before 2.0. A token without it is accepted: it is not a requirement.",
    )

    var_claims: tuple[str, ...] = ()
    request_claims: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()  # claims whose fields are none of the client's
    response_claims: tuple[str, ...] = ()

    def merge(self, outer: Self) -> None:
        """An empty text is as good as none.  An inner list of claims to pass replaces the outer
        one, but a client gains no field by that."""
        for name in [name for name, value in vars(self).items() if value == ""]:
            delattr(self, name)
        self.dropped = (*self.dropped, *outer.dropped)
        super().merge(outer)

    @directive(EVERYWHERE)
    def auth_jwt_extract_var_claims(self, name: str, *names: str) -> None:
        """Defines variables $jwt_claim_NAME for string claims.  Names keep their case.  A list on
        an inner level replaces the outer one."""
        self._add("var_claims", name, *names)
        for claim in (name, *names):
            self.level.variables.define(f"jwt_claim_{claim}", claim_getter(look, _string(claim)))

    @directive(EVERYWHERE)
    def auth_jwt_extract_request_claims(self, name: str, *names: str) -> None:
        """Sends string claims to the upstream, in headers named "JWT-" and the claim's name.  A
        list on an inner level replaces the outer one.  Unlike in the module, headers of these names
        from the client are dropped."""
        names = self._sendable(name, *names)
        self._add("request_claims", *names)
        self._add("dropped", *names)
        self._show("http_", lambda r: r.index.items(), *names)

    @directive(EVERYWHERE)
    def auth_jwt_extract_response_claims(self, name: str, *names: str) -> None:
        """Sends string claims to the client, in response headers named "JWT-" and the claim's name.
        A list on an inner level replaces the outer one."""
        names = self._sendable(name, *names)
        self._add("response_claims", *names)
        self._show("sent_http_", lambda r: r.headers_out, *names)

    def _sendable(self, *names: str) -> tuple[str, ...]:
        """Those that can be in the name of a field (RFC 9110, section 5.1)."""
        for name in names:
            if not _TOKEN.fullmatch(name):
                self.scope.warn(f'"{EXPORTED}{name}" is not a valid header name, it is not sent')
        return tuple(name for name in names if _TOKEN.fullmatch(name))

    def _show(self, prefix: str, fields: Fields, *names: str) -> None:
        """A field's name with both "-" and "_" is not looked for by $http_NAME."""
        for claim in names:
            if "_" in claim:
                get = _field(fields, _plain(EXPORTED + claim))
                self.level.variables.define(f"{prefix}jwt_{claim}", get)

    def _add(self, attribute: str, *names: str) -> None:
        setattr(self, attribute, (*vars(self).get(attribute, ()), *names))

    @property
    def has_key(self) -> bool:
        return bool(self.auth_jwt_key or self.auth_jwt_keyfile_path or self.has_key_source)

    @property
    def is_before_2(self) -> bool:
        """Whether the configuration is of a version before 2.0."""
        choice: DialectChoice | None = self.scope.things.get(DialectChoice)
        return choice is not None and choice.older is not None

    @property
    def is_off(self) -> bool:
        """Whether it is off for all requests."""
        enabled = self.auth_jwt_enabled
        if enabled is None:
            return self.is_before_2
        return enabled.is_constant and enabled.text.startswith("off")

    @property
    def token_location(self) -> str:
        """Where the token is, as auth_jwt_location says it; "" if that is nowhere."""
        if not self.is_before_2:
            return self.auth_jwt_location or BEARER_LOCATION
        place = self.auth_jwt_validation_type
        if place in ("", "AUTHORIZATION"):
            return BEARER_LOCATION
        return place if place.startswith("COOKIE=") else ""

    @property
    def sent_claims(self) -> tuple[tuple[str, str], ...]:
        """The response headers with claims, and these."""
        if not self.is_before_2:
            return tuple((EXPORTED + name, name) for name in self.response_claims)
        sub = (("x-userid", "sub"),) if self.auth_jwt_extract_sub else ()
        email = (("x-email", "emailAddress"),) if self.auth_jwt_validate_email else ()
        return sub + email

    @property
    def is_wanted(self) -> bool:
        """Whether the directives show that tokens are expected to be validated."""
        names = ("auth_jwt_enabled", "auth_jwt_redirect", "auth_jwt_validate_sub")
        lists = (self.var_claims, self.request_claims, self.response_claims)
        return not self.is_off and (any(self.is_set(name) for name in names) or any(lists))

    @property
    def carriers(self) -> frozenset[str]:
        kind, _, name = self.token_location.partition("=")
        low = name.lower()
        return frozenset({f"cookie_{low}" if kind == "COOKIE" else f"http_{low.replace('-', '_')}"})

    @property
    def condition(self) -> Template | None:
        return self.auth_jwt_enabled

    @property
    def claim_fields(self) -> tuple[str, ...]:
        return tuple(EXPORTED + name for name in self.request_claims)


def _string(claim: str) -> Callable[[dict[str, Json]], str]:
    return lambda claims: render_string(claims.get(claim))


def _field(fields: Fields, plain: str) -> Getter:
    return lambda r: next((value for name, value in fields(r) if _plain(name) == plain), None)


auth_jwt_tesla = Module("auth_jwt_tesla", TeslaConf)
settles(auth_jwt_tesla)
look = look_for(TeslaConf)


@auth_jwt_tesla.after_merge
def check_version(conf: TeslaConf, level: Level) -> None:
    """No version has directives from before 2.0 and newer ones."""
    if not conf.is_before_2:
        return
    for name, attribute in SINCE_2.items():
        if conf.is_set(attribute):
            older = level.scope.things[DialectChoice].older
            raise ConfError(
                f'"{older.name}" in {older.file}:{older.line} is from before version 2.0 of '
                f'TeslaGov\'s module, which has no "{name}"'
            ).at(*opened_at(level))


@auth_jwt_tesla.after_merge
def check_keys(conf: TeslaConf, level: Level) -> None:
    """Keys with which TeslaGov's module starts, and then admits or refuses every request."""
    if level.context is not HTTP and conf.auth_jwt_use_keyfile and not conf.auth_jwt_keyfile_path:
        raise _error(level, "keyfile_path not specified")
    if conf.is_off or not answers(level):
        return
    if not conf.has_key:
        if conf.is_wanted and not level[JwtConf].pyngx_allow_unsigned:
            raise _error(
                level,
                f"auth_jwt is on without a key in {place_of(level)}, every request would be "
                'admitted: add one, or set "auth_jwt_enabled off" or "pyngx_allow_unsigned on"',
            ).told_by("auth-without-key")
        return
    if conf.has_key_source or (conf.auth_jwt_key and not conf.auth_jwt_use_keyfile):
        return
    if conf.auth_jwt_algorithm.startswith("HS"):
        raise _error(
            level,
            f'a key file needs "auth_jwt_algorithm RS256" or such in {place_of(level)}, with '
            f'"{conf.auth_jwt_algorithm}" every token would be refused',
        ).told_by("tesla-key-file-ignored")
    if not conf.auth_jwt_use_keyfile:
        raise _unused_keyfile(level)


def _unused_keyfile(level: Level) -> ConfError:
    text = f'"auth_jwt_keyfile_path" without "auth_jwt_use_keyfile on" in {place_of(level)}'
    return _error(level, text).told_by("tesla-key-file-ignored")


def _error(level: Level, text: str) -> ConfError:
    return ConfError(text).at(*opened_at(level))


@auth_jwt_tesla.handler(Phase.REWRITE)
def drop_fields(conf: TeslaConf, level: Level) -> Handler | None:
    """Takes away what a client says in the fields that claims are passed in, before anything
    can read it, and where tokens are not validated, too."""
    names = _fields_of(conf.dropped)
    if not names or (level.context is SERVER and not level[RewriteConf].operations):
        return None
    return lambda r: _drop(r, names)


@auth_jwt_tesla.handler(Phase.ACCESS)
def check_token(conf: TeslaConf, level: Level) -> Handler | None:
    """Validates tokens where there is a key."""
    if conf.is_off or not conf.has_key:
        return None
    sources = _sources(conf, level)
    demands = (TextRequirement("sub"),) if conf.auth_jwt_validate_sub else ()
    policy = replace(policy_of(conf, level), demands=demands)
    gate = conf.gate = Gate(
        Plan(
            find_token=_find_token(conf, level),
            keyring=Keyring(level, policy, sources, lenient=True) if sources else None,
            challenge=compile_challenge(conf, level, no_challenge),
            words=TESLA.words,
            unavailable=status_without_keys(level, 503),
            no_keys="no keys can be had" if sources else NO_HEX,
            applies=_enabled(conf, level),
            excused=TESLA.excused,
            accepted=_accepted(conf),
            answer=_redirect(conf, level) if conf.auth_jwt_redirect else None,
        )
    )
    return gate.handle


def policy_of(conf: TeslaConf, level: Level) -> TokenPolicy:
    """The requirements of a level that have no variables."""
    algorithms = TESLA.policy.algorithms
    if conf.auth_jwt_key or conf.auth_jwt_keyfile_path or conf.is_set("auth_jwt_algorithm"):
        family = conf.auth_jwt_algorithm[:2]
        algorithms = frozenset(name for name in algorithms if name[:2] == family)
    return policy_with(
        replace(TESLA.policy, algorithms=algorithms, leeway=conf.auth_jwt_leeway), level
    )


def _enabled(conf: TeslaConf, level: Level) -> Callable[[Request], bool] | None:
    if conf.auth_jwt_enabled is None or conf.auth_jwt_enabled.is_constant:
        return None
    names = [name for name in conf.auth_jwt_enabled.names if not name.startswith("$")]
    if level.variables.depends_on_unsettled(names):
        raise _error(
            level,
            f'"auth_jwt_enabled {conf.auth_jwt_enabled.text}" depends on a claim in '
            f"{place_of(level)}: a token must not disable its own validation",
        )
    text = conf.auth_jwt_enabled.bind(level.variables)
    return lambda r: not text(r).startswith("off")


def _sources(conf: TeslaConf, level: Level) -> tuple[FindSource, ...]:
    """None if the key is no hex, and there is nothing else."""
    sources = sources_of(conf, level)
    if conf.auth_jwt_use_keyfile and conf.auth_jwt_keyfile_path:
        return (_keyfile(conf.auth_jwt_keyfile_path, level), *sources)
    key = _key(conf, level) if conf.auth_jwt_key else None
    return (key, *sources) if key is not None else sources


def _keyfile(path: str, level: Level) -> FindSource:
    full = here(path)
    find = from_file(full, PEM, level.scope)
    if find_file(find).is_elsewhere:
        return find
    try:
        empty = os.stat(full.encode("latin-1")).st_size == 0
    except (OSError, ValueError) as error:
        text = errno_text(error) if isinstance(error, OSError) else f"({error})"
        raise _error(level, f'failed to open public key file "{path}" {text}') from None
    if empty:
        raise _error(level, f'invalid public key file size of 0: "{path}"')
    if failure := find_file(find).read(level.scope, level.statement):
        raise _error(level, failure.text)
    return find


def _key(conf: TeslaConf, level: Level) -> FindSource | None:
    text = conf.auth_jwt_key
    if not conf.auth_jwt_algorithm.startswith("HS"):
        if conf.auth_jwt_keyfile_path and not is_pem(text.encode("latin-1")):
            raise _unused_keyfile(level)
        try:
            return fixed(text.encode("latin-1"), level.scope, "auth_jwt_key", PEM)
        except ConfError as error:
            raise error.at(*opened_at(level)) from None
    octets = decode_hex(text)
    if octets:
        return fixed(octets, level.scope, "auth_jwt_key")
    warn(level, f'"auth_jwt_key" is not hexadecimal in {place_of(level)}, every token is refused')
    return None


# -- tokens on their way in -------------------------------------------------------------------


def _find_token(conf: TeslaConf, level: Level) -> FindToken:
    kind, _, name = conf.token_location.partition("=")
    name = name.lower()
    if kind == "COOKIE" and name:
        return lambda r: sole_cookie(r, name)
    if kind == "HEADER" and name:
        return lambda r: _bare(r.index.get(name) or "")
    text, known = f"auth_jwt_location {conf.auth_jwt_location}", "HEADER=name"
    if conf.is_before_2:
        text, known = f"auth_jwt_validation_type {conf.auth_jwt_validation_type}", "AUTHORIZATION"
    text = f'"{text}" is neither {known} nor COOKIE=name in {place_of(level)}'
    warn(level, f"{text}, no token will be found")
    return lambda r: ""


def _bare(text: str) -> str:
    return text[7:] if text[:7].lower() == "bearer " else text


# -- claims on their way out ------------------------------------------------------------------


def _plain(name: str) -> str:
    """A field's name as an application may see it: CGI knows neither case nor "-"."""
    return name.lower().replace("_", "-")


def _fields_of(claims: Iterable[str]) -> frozenset[str]:
    return frozenset(_plain(EXPORTED + name) for name in claims)


class Vouched(tuple[str, str]):
    """A header with a claim of a verified token: other locations leave it in place."""

    __slots__ = ()


def _drop(r: Request, names: frozenset[str]) -> None:
    vouched = {f[0].lower() for f in r.headers_in if isinstance(f, Vouched)}
    gone = {name for name in r.index if _plain(name) in names} - vouched
    if gone:
        r.headers_in = [f for f in r.headers_in if f[0].lower() not in gone]
        r.index = {name: value for name, value in r.index.items() if name not in gone}


def _export(r: Request, names: frozenset[str], fields: list[tuple[str, str]]) -> None:
    """Puts the fields in the place of all that have these names."""
    kept = [f for f in r.headers_in if _plain(f[0]) not in names]
    r.headers_in = [*kept, *map(Vouched, fields)]
    r.index = {name: v for name, v in r.index.items() if _plain(name) not in names}
    r.index.update((name.lower(), value) for name, value in fields)


def _accepted(conf: TeslaConf) -> Callable[[Request, Verified], None]:
    algorithm = conf.auth_jwt_algorithm
    names_algorithm = conf.is_set("auth_jwt_algorithm") or bool(conf.auth_jwt_key)
    names = _fields_of(conf.request_claims)
    request_claims = tuple((EXPORTED + name, name) for name in conf.request_claims)
    sent_claims = conf.sent_claims
    missing_claims = [name for _, name in sent_claims] if conf.is_before_2 else []

    def accepted(r: Request, token: Verified) -> None:
        if names_algorithm and token.header.get("alg") != algorithm:
            text = f'auth_jwt: token with "alg" {token.header.get("alg")} accepted, as {algorithm}'
            r.log(Severity.INFO, text)
        if conf.request_claims:
            _export(r, names, _fields(request_claims, token))
        for name, value in _fields(sent_claims, token):
            r.clear_header(name.lower())  # of another location, before a redirect
            r.add_header(name, value)
        for name in missing_claims:
            if not isinstance(token.claims.get(name), str):
                r.log(Severity.ERR, f"the JWT does not contain {_NAMED[name]}")

    return accepted


# What the module logs of a claim that it does not find, before version 2.0.
_NAMED = {"sub": "a subject", "emailAddress": "an email address"}


def _fields(claims: Iterable[tuple[str, str]], token: Verified) -> list[tuple[str, str]]:
    """Headers with the values of claims, of those that are strings."""
    fields = [(name, render_string(token.claims.get(claim))) for name, claim in claims]
    return [(name, value) for name, value in fields if value]


# -- to the login page ------------------------------------------------------------------------


def _redirect(conf: TeslaConf, level: Level) -> Callable[[Request, Status], Status]:
    login, host_of, is_before_2 = conf.auth_jwt_loginurl, _host(level), conf.is_before_2

    def answer(r: Request, status: Status) -> Status:
        r.location_out = login
        if r.method == "GET" and (host := host_of(r)):
            tls = r.connection.ssl is not None
            port = r.connection.server_port
            usual = ("", "443" if tls else "80")
            shown = "" if port in usual or is_before_2 else f":{port}"
            url = f"{'https' if tls else 'http'}://{host}{shown}{escape_args(r.unparsed_uri)}"
            r.location_out = f"{login}{RETURN}{url}"
        return 302

    return answer


def _host(level: Level) -> Callable[[Request], str]:
    """The host of a request if it is one of the server's names, else the first of these that
    is a whole name, if any: no client is sent to a host that another one made up.  A server without
    names, or with "_" alone, answers for every host."""
    server = level
    while server.context is not SERVER and server.outer is not None:
        server = server.outer
    conf = server[CoreConf]
    names = [name for name in conf.server_names if name not in ("", "_")]
    if not names:
        return lambda r: r.host
    known = ServerNames(Server())
    for name in names:
        if name.startswith("~"):
            known.add_regex(conf.name_regexes[name], Server())
        else:
            known.add(name, Server())
    whole = [name.removeprefix(".") for name in names if name[0] != "~" and "*" not in name]
    first = whole[0] if whole else ""
    return lambda r: r.host if known.find(r.host, r) is not None else first


# -- the dialect ------------------------------------------------------------------------------

_EXPORTED = re.compile(r"\$\{?(?:sent_)?http_jwt_")


def _algorithm_alone(statement: Statement, facts: Facts) -> str | None:
    """Beside none of what NGINX Plus has, or beside auth_jwt_key and no switch."""
    return "" if not facts.switches and (facts.keys or not facts.common) else None


def _reads_exported(statement: Statement, facts: Facts) -> str | None:
    """The fields that claims are passed in."""
    read = any(_EXPORTED.search(word) for word in statement.args)
    return " ".join(statement.args) if read else None


def _shape(facts: Facts) -> list[Clue]:
    """A key and no auth_jwt at all."""
    return [] if facts.any_switch else [clue(s) for s in facts.keys]


TESLA = Dialect(
    name="tesla",
    project="TeslaGov/ngx-http-auth-jwt-module",
    module=auth_jwt_tesla,
    policy=TokenPolicy(exp=Presence.REQUIRED, exp_inclusive=True, whole_exp=True),
    words=tesla_words,
    target="teslagov",
    shared_marks=(DialectMark(frozenset({"auth_jwt_algorithm"}), _algorithm_alone),),
    weak_marks=(DialectMark(frozenset(), _reads_exported, rank=3),),
    shape=_shape,
    older=BEFORE_2,
    switches=("auth_jwt_enabled", "auth_jwt_key", "auth_jwt_keyfile_path"),
    has_realm=False,
    key_directives=("auth_jwt_key_file", "auth_jwt_key", "auth_jwt_keyfile_path"),
    own_keys=("auth_jwt_key", "auth_jwt_keyfile_path"),
    demands_claims=False,
    pins_algorithms=False,
    exact_variables=True,
    verifies_on_demand=True,
    excused=frozenset({"OPTIONS"}),
    keyless=WithoutKeys.ADMITS,
)
