"""Validates JSON Web Tokens, as the module max-lt/nginx-jwt-module does (dialect "maxlt").

Values of variables are JSON: strings include their quotes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from ....conf.directive import directive, slot
from ....conf.parse import Statement
from ....errors import ConfError
from ....http.contexts import EVERYWHERE, HTTP
from ....http.level import Level
from ....http.module import Module, Phase
from ....http.request import Handler, Request
from ....http.template import Template, without_variables
from ....http.variables import unsettled
from ....jwt import ALGORITHMS, Json, Reason, TokenPolicy, TokenRefusal, all_names, render_sorted
from ..blocks import here
from ..conf import TokenConf
from ..demands import Required, compile_required
from ..dialect import Clue, Dialect, DialectMark, Facts, WithoutKeys, clue, evidence_of
from ..gate import Gate
from ..keyring import FindSource, Keyring
from ..level_keys import sources_of
from ..plan import NO_TOKEN, Plan
from ..secrets import KEY, decode_base64, decode_hex, find_file, fixed, from_file, unusable
from ..settings import policy_with, status_without_keys
from ..variables import add_member_variables, look_for, settles
from ..wire import compile_challenge, compile_token, exact_bearer, no_challenge
from ..words import maxlt_words

ANY = "any"
ANY_ALGORITHM = TokenPolicy().algorithms


class TokenSwitch(NamedTuple):
    """One auth_jwt; without a token of its own it is that of the Authorization field."""

    enforced: bool
    token: Template | None = None


def _switch(name: str, text: str) -> TokenSwitch:
    if text in ("on", "off"):
        return TokenSwitch(text == "on")
    if not text:
        raise ConfError("JWT: Invalid value")
    if not text.startswith("$"):
        raise ConfError(f"JWT: Invalid variable name {text}")
    return TokenSwitch(True, Template(text))


def _alg(name: str, text: str) -> frozenset[str]:
    for known in ALGORITHMS:
        if known.lower() == text.lower():
            return all_names({known})
    if text.lower() == ANY:
        return ANY_ALGORITHM
    raise ConfError(f'invalid value "{text}"')


class MaxltConf(TokenConf):
    auth_jwt = slot(
        TokenSwitch(False),
        _switch,
        EVERYWHERE,
        'Requires a valid token: with "on" from the Authorization header ("Bearer", in exactly '
        "this spelling), with a variable from its value. OPTIONS requests are admitted without "
        "a token.",
        syntax="on | off | $variable",
        shown="off",
    )
    auth_jwt_alg = slot(
        ANY_ALGORITHM,
        _alg,
        EVERYWHERE,
        'Allows one algorithm. With "any", all algorithms that fit the key are allowed.',
        syntax="any | HS256 | RS256 | ...",
        shown="any",
    )

    key: FindSource | None = None
    required_values: tuple[Template, ...] = ()
    required_status = 401

    @property
    def has_key(self) -> bool:
        return self.key is not None or self.has_key_source

    @property
    def token(self) -> Template | None:
        return self.auth_jwt.token

    @property
    def demanded_values(self) -> tuple[Required, ...]:
        values = self.required_values
        return (Required(values, self.required_status),) if values else ()

    @directive(EVERYWHERE, syntax="auth_jwt_key value [utf8 | hex | base64 | file];")
    def auth_jwt_key(self, value: str, encoding: str = "utf8") -> None:
        """Sets the key: a secret or a PEM public key, as text, hexadecimal, base64 or in a file.  A
        relative file name starts from the working directory.  Unlike in the module, an empty key, a
        private key or a variable is an error."""
        self.once("key", "auth_jwt_key")
        without_variables("auth_jwt_key", value, is_file=encoding == "file")
        if encoding == "file":
            self.key = self._file(value)
            return
        decode = _ENCODINGS.get(encoding)
        if decode is None:
            raise ConfError(f'invalid encoding "{encoding}"')
        if not value:
            raise ConfError("JWT: Invalid key")
        octets = decode(value)
        if not octets:
            self.key = unusable("the key is empty")
            raise ConfError("JWT: Invalid key").told_by("unsigned-admitted")
        if "$" in value:
            self.scope.warn('"$" in "auth_jwt_key" is literal, it is part of the secret')
        self.key = fixed(octets, self.scope, "auth_jwt_key")

    def _file(self, path: str) -> FindSource:
        full = here(path)
        try:
            with open(full.encode("latin-1"), "rb") as file:
                empty = not file.read(1)
        except OSError as error:
            number = error.errno or 0
            raise ConfError(f'JWT: stat() "{path}" failed ({number}: {error.strerror})') from None
        if empty:
            raise ConfError(f'JWT: key file "{path}" is empty')
        find = from_file(full, KEY, self.scope)
        if failure := find_file(find).read(self.scope):
            raise ConfError(f"JWT: Invalid key: {failure.text}")
        return find

    @directive(EVERYWHERE, syntax="auth_jwt_require $value ... [error=401 | 403];")
    def auth_jwt_require(self, value: str, *values: str) -> None:
        """Requires that the variables are neither empty nor the number 0, after the token has been
        verified.  Claims are JSON in this dialect, so the strings "" and "0" meet the requirement.
        The response is 401, or 403 with "error=403"."""
        self.once("required_values", "auth_jwt_require")
        texts = [value, *values]
        for at, text in enumerate(texts):
            if text.startswith("error="):
                if at < len(texts) - 1:
                    raise ConfError(
                        f"{text} must be the last element of jwt_auth_require directive"
                    )
                if at == 0:
                    error = f"{text} cannot be the single element of jwt_auth_require directive"
                    raise ConfError(error)
                self.required_status = _status(texts.pop()[6:])
            elif not text.startswith("$"):
                raise ConfError(f'invalid variable name "{text}"')
        self.required_values = tuple(Template(text) for text in texts)


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfError(f"failed to parse error code {text}")
    if text not in ("401", "403"):
        raise ConfError(f"invalid error code {text}")
    return int(text)


def _hex(text: str) -> bytes:
    if len(text) % 2:
        raise ConfError("JWT: Invalid hex string")
    octets = decode_hex(text)
    if octets is None:
        raise ConfError("JWT: Failed to turn hex key into binary")
    return octets


def _base64(text: str) -> bytes:
    octets = decode_base64(text)
    if octets is None:
        raise ConfError("JWT: Failed to turn base64 key into binary")
    return octets


_ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf8": lambda text: text.encode("latin-1"),
    "hex": _hex,
    "base64": _base64,
}

auth_jwt_maxlt = Module("auth_jwt_maxlt", MaxltConf)
settles(auth_jwt_maxlt)
look = look_for(MaxltConf)


@auth_jwt_maxlt.after_merge
def check_key(conf: MaxltConf, level: Level) -> None:
    """There has to be one wherever a token is demanded."""
    if level.context is HTTP or not conf.auth_jwt.enforced:
        return
    if not conf.has_key:
        statement = level.set_by("auth_jwt")[-1]
        error = ConfError(f"JWT: key not set{evidence_of(level.scope)}")
        raise error.at(statement.file, statement.line)


@auth_jwt_maxlt.handler(Phase.ACCESS)
def check_token(conf: MaxltConf, level: Level) -> Handler | None:
    """Enforces auth_jwt, except for OPTIONS."""
    switch = conf.auth_jwt
    if not switch.enforced:
        return None
    sources = (*([conf.key] if conf.key else []), *sources_of(conf, level))
    gate = conf.gate = Gate(
        Plan(
            find_token=compile_token(switch.token, level) if switch.token else exact_bearer,
            keyring=Keyring(level, policy_of(conf, level), sources, lenient=True),
            challenge=compile_challenge(conf, level, no_challenge),
            words=MAXLT.words,
            no_token=_no_variable if switch.token else _no_bearer,
            unavailable=status_without_keys(level, 503),
            no_keys="no keys can be had",
            demands=compile_required(conf.demanded_values, level),
            applies=lambda r: r.method not in MAXLT.exempt,
        )
    )
    return gate.handle


_NO_VARIABLE = TokenRefusal(Reason.MISSING, "", {"why": "JWT: Variable not found or empty."})
_SHORT = TokenRefusal(Reason.MISSING, "", {"why": "JWT: Invalid Authorization length"})
_NO_SCHEME = TokenRefusal(Reason.MISSING, "", {"why": "JWT: Invalid authorization header content"})


def _no_variable(r: Request) -> TokenRefusal:
    return _NO_VARIABLE


def _no_bearer(r: Request) -> TokenRefusal:
    text = r.index.get("authorization")
    if text is None:
        return NO_TOKEN
    return _SHORT if len(text) <= len("Bearer ") else _NO_SCHEME


def policy_of(conf: MaxltConf, level: Level) -> TokenPolicy:
    """The requirements of a level that have no variables."""
    policy = replace(MAXLT.policy, algorithms=conf.auth_jwt_alg, leeway=conf.auth_jwt_leeway)
    return policy_with(policy, level)


def _find(name: str) -> Callable[[dict[str, Json]], str]:
    return lambda members: render_sorted(members[name]) if name in members else ""


add_member_variables(auth_jwt_maxlt, look, _find)


@auth_jwt_maxlt.variable("jwt_headers")
@unsettled
def jwt_headers(r: Request) -> str | None:
    """The JOSE header as JSON, members sorted by name."""
    token = look(r)
    return render_sorted(token.header) if token is not None else None


@auth_jwt_maxlt.variable("jwt_payload")
@unsettled
def jwt_payload(r: Request) -> str | None:
    """The claims as JSON, members sorted by name."""
    token = look(r)
    return render_sorted(token.claims) if token is not None else None


# -- the dialect ------------------------------------------------------------------------------


def _encoding(statement: Statement, facts: Facts) -> str | None:
    """A key with the encoding that it has."""
    known = (*_ENCODINGS, "file")
    words = statement.args
    return words[1] if len(words) == 2 and words[1] in known else None


def _any_algorithm(statement: Statement, facts: Facts) -> str | None:
    """Beside auth_jwt_key, which tizpuppi's module has not, nor "any"."""
    return "" if facts.keys or statement.args == ("any",) else None


def _shape(facts: Facts) -> list[Clue]:
    """A switch beside the key, or "on" alone, of which the error is then what is missing."""
    if facts.keys and facts.any_switch:
        key = facts.keys[0]
        if not facts.switches:
            raise ConfError(
                'JWT dialect unclear: with "auth_jwt_key" and no "auth_jwt" but "off", max-lt\'s '
                "module requires no token and TeslaGov's module does; "
                '"pyngx_jwt_dialect NAME;" in "http" sets the dialect'
            ).at(key.file, key.line)
        return [clue(s) for s in facts.keys]
    bare = [s for s in facts.switches if s.args == ("on",)]
    if bare and not (facts.keys or facts.realms or facts.key_files or facts.key_requests):
        return [clue(bare[0], "on")]
    return []


MAXLT = Dialect(
    name="maxlt",
    project="max-lt/nginx-jwt-module",
    module=auth_jwt_maxlt,
    policy=TokenPolicy(exp_inclusive=True),
    words=maxlt_words,
    target="max-lt",
    marks=(
        DialectMark(frozenset({"auth_jwt_key"}), _encoding),
        DialectMark(frozenset({"auth_jwt_alg"}), _any_algorithm),
    ),
    variables=frozenset({"jwt_headers"}),
    shape=_shape,
    shared=frozenset({"auth_jwt_alg", "auth_jwt_key"}),
    has_realm=False,
    key_directives=("auth_jwt_key_file", "auth_jwt_key"),
    own_keys=("auth_jwt_key",),
    encodes_keys=True,
    json_variables=True,
    verifies_on_demand=True,
    exempt=frozenset({"OPTIONS"}),
    keyless=WithoutKeys.STOPS,
)
