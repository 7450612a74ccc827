"""The directives of signed tokens: those of NGINX Plus, and a few of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ...conf.directive import (
    EVERYWHERE,
    HTTP,
    LIMIT_EXCEPT,
    Conf,
    directive,
    seconds,
    slot,
    time,
)
from ...conf.parse import Statement
from ...errors import ConfError
from ...http.request import Request
from ...http.template import Template
from ...http.variables import Getter, variable_name
from ...jwt import ALGORITHMS, PLUS_ALGORITHMS, ClaimRequirement, Token, Verified, getter
from .dialects import SUPPORTED, not_supported
from .sources import Sources

if TYPE_CHECKING:
    from .gate import Gate

INSIDE = EVERYWHERE | LIMIT_EXCEPT
KEY = "auth_jwt"  # in r.contexts: the location that looked at the token, and what it found


class Switch(NamedTuple):
    """One auth_jwt; without a token of its own it is that of the Authorization field."""

    enforced: bool
    realm: Template
    token: Template | None


class Required(NamedTuple):
    """One auth_jwt_require: the status that answers if a value is empty or "0"."""

    values: tuple[Template, ...]
    status: int


class ClaimDemand(NamedTuple):
    """One auth_jwt_validate_claim; `constant` is None if a value has variables."""

    name: str
    values: tuple[Template, ...]
    constant: ClaimRequirement | None


def _switch(name: str, realm: str, parameter: str | None = None) -> Switch:
    token = None if parameter is None else _token(parameter)
    if realm == "off":
        return Switch(False, Template(""), token)
    return Switch(True, Template(realm), token)


def _token(parameter: str) -> Template:
    name, _, text = parameter.partition("=")
    token = Template(text)
    if name != "token" or token.is_constant:
        raise ConfError(f'invalid parameter "{parameter}"')
    return token


def _type(name: str, text: str) -> str:
    if text in ("encrypted", "nested"):
        raise ConfError(f'"auth_jwt_type {text}" is not supported yet')
    if text != "signed":
        raise ConfError(f'invalid value "{text}"')
    return text


def _dialect(name: str, text: str) -> str:
    if text not in SUPPORTED:
        raise not_supported(f'the value "{text}"', text)
    return text


class AuthJwtConf(Conf):
    pyngx_jwt_dialect = slot(
        "",
        _dialect,
        HTTP,
        "Names the module whose JWT directives these are; without it they tell themselves.",
        syntax="plus | pyngx",
        shown="—",
    )
    auth_jwt: Switch | None = slot(
        None,
        _switch,
        INSIDE,
        'Demands a valid token, of the Authorization field ("Bearer") or of a variable; "off" '
        "demands none, but with token= the variables of that token have values.",
        syntax="realm [token=$variable] | off [token=$variable]",
        shown="off",
        arity=(1, 2),
    )
    auth_jwt_key_cache = time(
        0,
        INSIDE,
        "Keeps the keys of an auth_jwt_key_request without variables for that time.",
        shown="0",
    )
    auth_jwt_leeway = seconds(
        0, EVERYWHERE, 'Sets the clock skew that is allowed for in "exp" and "nbf".', shown="0s"
    )
    auth_jwt_type = slot(
        "signed", _type, INSIDE, "Tells the form of tokens that are expected.", syntax="signed"
    )

    key_files: tuple[Template, ...] = ()
    key_requests: tuple[Template, ...] = ()
    required: tuple[Required, ...] = ()
    claims: tuple[ClaimDemand, ...] = ()
    algorithms: frozenset[str] = PLUS_ALGORITHMS
    _gate: Gate | None = None  # what this level compiles to
    _extension: Statement | None = None  # a directive here that only the pyngx dialect has

    @directive(HTTP)
    def auth_jwt_claim_set(self, variable: str, name: str, *names: str) -> None:
        """Sets a variable to the claim that the names lead to, from the outside in.  Arrays
        become comma-separated lists."""
        self._define(variable, claim_getter, name, *names)

    @directive(HTTP)
    def auth_jwt_header_set(self, variable: str, name: str, *names: str) -> None:
        """Sets a variable to the member of the JOSE header that the names lead to."""
        self._define(variable, header_getter, name, *names)

    def _define(self, variable: str, make: Callable[..., Getter], *names: str) -> None:
        name = variable_name(variable)
        try:
            get = make(*names)
        except ValueError:
            raise ConfError(f'invalid name "{".".join(names)}"') from None
        self._level.variables.define(name, get)

    @directive(INSIDE, syntax="auth_jwt_key_file file;")
    def auth_jwt_key_file(self, file: str, format: str = "") -> None:
        """Names a file with a JWK Set, beside the configuration file unless its path is
        absolute.  Several are used together; a change is seen within a second."""
        if format:
            raise not_supported(f'the parameter "{format}" of "auth_jwt_key_file"', "kjdev")
        path = Template(file)
        if path.is_constant:
            self._scope.shared(Sources).file(self._scope.conf_name(file)).load(self._scope)
        self.key_files = (*vars(self).get("key_files", ()), path)

    @directive(INSIDE, syntax="auth_jwt_key_request uri;")
    def auth_jwt_key_request(self, uri: str, format: str = "") -> None:
        """Fetches a JWK Set by a subrequest.  Several are used together, and with files."""
        if format:
            raise not_supported(f'the parameter "{format}" of "auth_jwt_key_request"', "kjdev")
        self.key_requests = (*vars(self).get("key_requests", ()), Template(uri))

    @directive(INSIDE, syntax="auth_jwt_require $value ... [error=401 | 403];")
    def auth_jwt_require(self, value: str, *values: str) -> None:
        """Demands that the values, which begin with a variable, be neither empty nor "0"."""
        texts, status = [value, *values], 401
        if texts[-1].startswith("error="):
            status = _status(texts.pop())
        for text in texts:
            if not text.startswith("$"):
                raise ConfError(f'invalid parameter "{text}"')
        if not texts:
            raise ConfError('"auth_jwt_require" has no value')
        demand = Required(tuple(Template(text) for text in texts), status)
        self.required = (*vars(self).get("required", ()), demand)

    @directive(INSIDE)
    def auth_jwt_algorithm(self, algorithm: str, *algorithms: str) -> None:
        """Allows these algorithms and no others.  By default all that NGINX Plus has."""
        if "algorithms" in vars(self):
            raise ConfError('"auth_jwt_algorithm" directive is duplicate')
        names = frozenset({algorithm, *algorithms})
        if unknown := sorted(names - ALGORITHMS.keys()):
            raise ConfError(f'invalid value "{unknown[0]}"')
        self.algorithms, self._extension = names, self._scope.statement

    @directive(INSIDE)
    def auth_jwt_validate_claim(self, name: str, value: str, *values: str) -> None:
        """Demands a claim with one of the values; of an array one element must have it.
        Several demands must all be met."""
        texts = tuple(Template(text) for text in (value, *values))
        constant = None
        try:
            if all(text.is_constant for text in texts):
                constant = ClaimRequirement.of(name, [text.text for text in texts])
            else:
                ClaimRequirement.of(name, [])
        except ValueError:
            raise ConfError(f'"{name}" or its value is not UTF-8') from None
        self.claims = (*vars(self).get("claims", ()), ClaimDemand(name, texts, constant))
        self._extension = self._scope.statement


def _status(text: str) -> int:
    code = text.removeprefix("error=")
    if code in ("401", "403"):
        return int(code)
    if code.isascii() and code.isdigit() and 400 <= int(code) <= 599:
        raise not_supported(f'the parameter "{text}"', "kjdev")
    raise ConfError(f'invalid parameter "{text}"')


# -- what a request's token says ------------------------------------------------------------


def token_of(r: Request) -> Verified | Token | None:
    """The token that the request's location accepts; None if there is none, or not yet.

    Before the access phase it is verified here, if that needs no waiting."""
    found = r.contexts.get(KEY)
    if found is not None and found[0] is r.location:
        token: Verified | Token | None = found[1]
        return token
    gate: Gate | None = r.location.conf(AuthJwtConf)._gate
    return gate.peek(r) if gate is not None else None


def claim_getter(*names: str) -> Getter:
    """A variable with the claim of that path; ValueError if a name is not UTF-8."""
    find = getter(*names)

    def get(r: Request) -> str | None:
        token = token_of(r)
        return (find(token.claims) or None) if token is not None else None

    return get


def header_getter(*names: str) -> Getter:
    """A variable with the member of the JOSE header; ValueError if a name is not UTF-8."""
    find = getter(*names)

    def get(r: Request) -> str | None:
        token = token_of(r)
        return (find(token.header) or None) if token is not None else None

    return get
