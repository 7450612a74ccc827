"""Validates JSON Web Tokens, as ngx_http_auth_jwt_module of NGINX Plus does.

The directives of NGINX Plus (dialect "plus"), and with "auth_jwt_validate_claim" and
"auth_jwt_algorithm" those of pyngx (dialect "pyngx").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ....conf.directive import directive, slot, time
from ....conf.parse import Statement
from ....errors import ConfError
from ....http.contexts import HTTP
from ....http.level import Level
from ....http.module import AnyModule, Module, Phase
from ....http.request import Handler, Request
from ....http.template import Template
from ....http.variables import unsettled, variable_name
from ....jwt import (
    SIG_AND_ENC,
    ClaimRequirement,
    Form,
    KeySet,
    Reason,
    TokenPolicy,
    TokenRefusal,
    Verified,
    getter,
    read,
    render_payload,
)
from ..blocks import answers, opened_at, place_of
from ..conf import INSIDE, Compared, TokenConf
from ..demands import Denial, RequestDemand, Required, compile_required
from ..dialect import Dialect, DialectMark, Facts, clue, is_plain_switch
from ..gate import Gate
from ..key_sets import KeyForm
from ..keyring import Keyring
from ..level_keys import keyring_of
from ..plan import Plan, without_token
from ..settings import JwtConf, policy_with, status_without_keys
from ..variables import add_member_variables, claim_getter, header_getter, look_lasting, settles
from ..wire import bearer, compile_challenge, compile_realm, compile_token, no_bearer, with_realm
from ..words import plus_words


class RealmSwitch(NamedTuple):
    """One auth_jwt; without a token of its own it is that of the Authorization field."""

    enforced: bool
    realm: Template
    token: Template | None


class ClaimDemand(NamedTuple):
    """One auth_jwt_validate_claim; `constant` is None if a value has variables."""

    name: str
    values: tuple[Template, ...]
    constant: ClaimRequirement | None


def parse_switch(name: str, realm: str, parameter: str | None = None) -> RealmSwitch:
    token = None if parameter is None else _token(parameter)
    if realm == "off":
        return RealmSwitch(False, Template(""), token)
    return RealmSwitch(True, Template(realm), token)


def _token(parameter: str) -> Template:
    name, _, text = parameter.partition("=")
    token = Template(text)
    if name != "token" or token.is_constant:
        raise ConfError(f'invalid parameter "{parameter}"')
    return token


def _type(name: str, text: str) -> Form:
    if text not in [*Form]:
        raise ConfError(f'invalid value "{text}"')
    return Form(text)


class PlusConf(TokenConf):
    auth_jwt: RealmSwitch | None = slot(
        None,
        parse_switch,
        INSIDE,
        'Requires a valid token, from the Authorization header ("Bearer") or from the variable'
        ' of "token=". The realm is sent in the WWW-Authenticate header and can contain '
        'variables. "off" cancels an inherited value; with "token=", the variables then have '
        "the values of that token, which is verified if keys are configured. Unlike in NGINX "
        "Plus, a missing key is an error.",
        syntax="realm [token=$variable] | off [token=$variable]",
        shown="off",
        arity=(1, 2),
    )
    auth_jwt_key_cache = time(
        0,
        INSIDE,
        'Caches the keys of "auth_jwt_key_request" for this time, unless its URI has variables.'
        " 0 leaves caching to the location that answers the request. Unlike in NGINX Plus, key "
        "files are checked every second regardless.",
        shown="0",
    )
    auth_jwt_type = slot(
        Form.SIGNED,
        _type,
        INSIDE,
        'Sets the type of tokens: "signed" (JWS), "encrypted" (JWE), or "nested", which is '
        "signed and then encrypted. A token of another type is refused.",
        syntax="signed | encrypted | nested",
    )

    jwk_set = KeyForm("jwks", partial(KeySet.parse, uses=SIG_AND_ENC))
    claims: tuple[ClaimDemand, ...] = ()
    algorithms = TokenPolicy().algorithms

    @property
    def is_wanted(self) -> bool:
        """Whether the directives show that tokens are expected to be validated."""
        return self.auth_jwt is not None and self.auth_jwt.enforced

    @property
    def token(self) -> Template | None:
        return self.auth_jwt.token if self.auth_jwt is not None else None

    @property
    def key_lifetime(self) -> float:
        return self.auth_jwt_key_cache

    @property
    def compared(self) -> tuple[Compared, ...]:
        return tuple(Compared(demand.name, demand.values) for demand in self.claims)

    @directive(HTTP, syntax="{name} $variable name ...")
    def auth_jwt_claim_set(self, variable: str, name: str, *names: str) -> None:
        """Sets a variable to a claim.  Several names address a member of a nested object, from the
        outside in.  Elements of arrays are joined with commas, objects are JSON."""
        self._define(variable, claim_getter, name, *names)

    @directive(HTTP, syntax="{name} $variable name ...")
    def auth_jwt_header_set(self, variable: str, name: str, *names: str) -> None:
        """Sets a variable to a member of the JOSE header.  Several names address a member of a
        nested object."""
        self._define(variable, header_getter, name, *names)

    def _define(self, variable: str, make: Callable[..., object], *names: str) -> None:
        name = variable_name(variable)
        try:
            find = getter(*names)
        except ValueError:
            raise ConfError(f'invalid name "{".".join(names)}"') from None
        self.level.variables.define(name, make(look_lasting(type(self)), find))

    @directive(INSIDE, syntax="auth_jwt_require $value ... [error=401 | 403];")
    def auth_jwt_require(self, value: str, *values: str) -> None:
        """Requires that all values are neither empty nor "0", after the token has been verified.
        Each value must start with a variable, usually one set by "map".  The response is 401, or
        403 with "error=403".  Inherited if and only if the level has none of its own."""
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


def _status(text: str) -> int:
    if text not in ("error=401", "error=403"):
        raise ConfError(f'invalid parameter "{text}"')
    return int(text[6:])


# -- building ---------------------------------------------------------------------------------


def refuse_without_keys(conf: PlusConf, level: Level) -> None:
    """A forgotten line must not open a location, nor close it without a word."""
    switch = conf.auth_jwt
    if switch is None or not switch.enforced or conf.has_key_source:
        return
    if level[JwtConf].pyngx_allow_unsigned or not answers(level):
        return
    error = ConfError(
        f'"auth_jwt" is on without keys in {place_of(level)}: name an "auth_jwt_key_file" or '
        '"auth_jwt_key_request", or accept unsigned tokens with "pyngx_allow_unsigned on"'
    )
    raise error.at(*opened_at(level)).told_by("auth-without-key")


def build(conf: PlusConf, level: Level) -> Handler | None:
    """Enforces auth_jwt; where it is off but names a token, at most fetches its keys."""
    switch = conf.auth_jwt
    if switch is None or not (switch.enforced or switch.token):
        return None
    refuse_without_keys(conf, level)
    usual = with_realm(compile_realm(switch.realm, level))
    policy = policy_of(conf, level)
    gate = conf.gate = Gate(
        Plan(
            find_token=compile_token(switch.token, level) if switch.token else bearer,
            no_token=without_token if switch.token else no_bearer,
            keyring=_keyring(conf, level, switch),
            challenge=compile_challenge(conf, level, usual),
            words=PLUS.words,
            demands=(*_claims(conf, level), *compile_required(conf.required, level)),
            enforced=switch.enforced,
            read=partial(read, limits=policy.limits, padded=policy.padded),
            unavailable=status_without_keys(level, 500),
            lasting=True,
        )
    )
    if switch.enforced:
        return gate.handle
    return gate.prepare if conf.key_requests else None


def _keyring(conf: PlusConf, level: Level, switch: RealmSwitch) -> Keyring | None:
    policy = policy_of(conf, level)
    keyring = keyring_of(conf, level, policy, cache=conf.auth_jwt_key_cache, reads=True)
    if keyring is None and switch.enforced and level[JwtConf].pyngx_allow_unsigned:
        return Keyring(level, replace(policy, check_signature=False), ())
    return keyring


def policy_of(conf: PlusConf, level: Level) -> TokenPolicy:
    """The requirements of a level that have no variables."""
    return policy_with(
        replace(
            PLUS.policy,
            algorithms=conf.algorithms,
            leeway=conf.auth_jwt_leeway,
            form=conf.auth_jwt_type,
            demands=tuple(d.constant for d in conf.claims if d.constant is not None),
        ),
        level,
    )


def _claims(conf: PlusConf, level: Level) -> tuple[RequestDemand, ...]:
    return tuple(_claim(demand, level) for demand in conf.claims if demand.constant is None)


def _claim(demand: ClaimDemand, level: Level) -> RequestDemand:
    name = demand.name
    texts = [text.bind(level.variables) for text in demand.values]
    text = "has none of the values of auth_jwt_validate_claim"
    denial = Denial(401, TokenRefusal(Reason.CLAIM, f'"{name}" {text}'))

    def check(r: Request, token: Verified) -> Denial | None:
        try:
            given = [value for text in texts if (value := text(r))]  # an empty one says nothing
            required = ClaimRequirement.of(name, given)
        except UnicodeError:  # no claim has this value
            return denial
        return None if required.met(token.claims) else denial

    words = (name, *(text.text for text in demand.values))
    return RequestDemand("auth_jwt_validate_claim", words, check)


def declare(kind: type[PlusConf], name: str) -> AnyModule:
    """The module of a conf that has all that NGINX Plus has."""
    module = Module(name, kind)
    look = look_lasting(kind)
    module.handler(Phase.ACCESS)(build)
    settles(module)
    add_member_variables(module, look, getter)

    @module.variable("jwt_payload")
    @unsettled
    def jwt_payload(r: Request) -> str | None:
        """The token's payload: its claims as JSON, as they were signed or encrypted; of a
        nested token the enclosed JWS."""
        token = look(r)
        return render_payload(token.payload) if token is not None else None

    return module


auth_jwt = declare(PlusConf, "auth_jwt")


# -- the dialect ------------------------------------------------------------------------------


def _claim_path(statement: Statement, facts: Facts) -> str | None:
    """A path of several names; kjdev's module takes but one."""
    return " ".join(statement.args) if len(statement.args) > 2 else None


def _realm_with_variables(statement: Statement, facts: Facts) -> str | None:
    realm = statement.args[0] if statement.args else ""
    return realm if "$" in realm and not is_plain_switch(statement) else None


PLUS = Dialect(
    name="plus",
    project="NGINX Plus",
    module=auth_jwt,
    policy=TokenPolicy(),
    words=plus_words,
    target="plus",
    marks=(DialectMark(frozenset({"auth_jwt_claim_set", "auth_jwt_header_set"}), _claim_path),),
    weak_marks=(
        DialectMark(frozenset({"auth_jwt"}), _realm_with_variables, rank=2),
        DialectMark(
            frozenset({"auth_oidc", "oidc_provider", "keyval_zone", "zone_sync"})
            | {"health_check", "mgmt"},
            rank=3,
        ),
    ),
    shape=lambda facts: [clue(s, " ".join(s.args[:1])) for s in facts.common],
    unsure='ambiguous: "kjdev" has the same directives, but requires "exp", does not check "nbf", '
    'and answers 401 instead of 500 if keys are not available; set "pyngx_jwt_dialect" to choose',
    is_loaded=False,
    shared=frozenset({"auth_jwt", "auth_jwt_claim_set", "auth_jwt_header_set", "auth_jwt_require"}),
    rereads_keys=True,
)
