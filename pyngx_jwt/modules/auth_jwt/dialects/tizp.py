"""Validates JSON Web Tokens, as the module tizpuppi/ngx_http_auth_jwt_module does (dialect
"tizp")."""

from __future__ import annotations

import os
from dataclasses import replace

from ....conf.directive import directive, slot
from ....conf.parse import Statement, full_name
from ....errors import ConfError
from ....http.contexts import EVERYWHERE, LIMIT_EXCEPT
from ....http.level import Level
from ....http.module import Module, Phase
from ....http.request import Handler
from ....http.template import Template, without_variables
from ....jwt import ALGORITHMS, Presence, TokenPolicy, all_names, getter
from ..blocks import here
from ..conf import TokenConf
from ..dialect import Clue, Dialect, DialectMark, Facts, clue
from ..gate import Gate
from ..keyring import FindSource, Keyring
from ..level_keys import sources_of
from ..plan import Plan, without_token
from ..secrets import LINE, find_file, from_file
from ..settings import policy_with, status_without_keys
from ..variables import add_member_variables, look_lasting, settles
from ..wire import bearer, compile_challenge, compile_realm, compile_token, no_bearer, with_realm
from ..words import plus_words
from .plus import RealmSwitch, parse_switch


def _alg(name: str, text: str) -> frozenset[str]:
    if text not in ALGORITHMS:
        raise ConfError(f'invalid value "{text}"')
    return all_names({text})


class TizpConf(TokenConf):
    auth_jwt: RealmSwitch | None = slot(
        None,
        parse_switch,
        EVERYWHERE | LIMIT_EXCEPT,
        'Requires a valid token, from the Authorization header ("Bearer") or from the variable '
        'of "token=". "exp" is required in this dialect. The realm is sent in the '
        "WWW-Authenticate header.",
        syntax="realm [token=$variable] | off",
        shown="off",
        arity=(1, 2),
    )
    auth_jwt_alg: frozenset[str] = slot(
        frozenset(),
        _alg,
        EVERYWHERE | LIMIT_EXCEPT,
        "Sets the only allowed algorithm. Without it, every token is refused.",
        syntax="HS256 | RS256 | ...",
        shown="—",
    )

    key: FindSource | None = None

    @property
    def has_key(self) -> bool:
        return self.key is not None or self.has_key_source

    @property
    def token(self) -> Template | None:
        return self.auth_jwt.token if self.auth_jwt is not None else None

    @directive(EVERYWHERE | LIMIT_EXCEPT)
    def auth_jwt_key_file(self, file: str) -> None:
        """Sets a file with a secret or a PEM public key.  A relative name starts from the working
        directory.  Unlike in the module, only a line end is removed at the end of the file, and the
        file is re-read after a change."""
        self.once("key", "auth_jwt_key_file")
        without_variables("auth_jwt_key_file", file)
        self.key = from_file(here(file), LINE, self.scope)
        if failure := find_file(self.key).read(self.scope):
            raise ConfError(f'"auth_jwt_key_file" cannot be used: {failure.text}')


auth_jwt_tizp = Module("auth_jwt_tizp", TizpConf)
add_member_variables(auth_jwt_tizp, look_lasting(TizpConf), getter)
settles(auth_jwt_tizp)


@auth_jwt_tizp.handler(Phase.ACCESS)
def check_token(conf: TizpConf, level: Level) -> Handler | None:
    """Enforces auth_jwt."""
    switch = conf.auth_jwt
    if switch is None or not switch.enforced:
        return None
    usual = with_realm(compile_realm(switch.realm, level))
    sources = (*([conf.key] if conf.key else []), *sources_of(conf, level))
    gate = conf.gate = Gate(
        Plan(
            find_token=compile_token(switch.token, level) if switch.token else bearer,
            no_token=without_token if switch.token else no_bearer,
            keyring=Keyring(level, policy_of(conf, level), sources, lenient=True),
            challenge=compile_challenge(conf, level, usual),
            words=TIZP.words,
            unavailable=status_without_keys(level, 503),
            success=None,
            lasting=True,
        )
    )
    return gate.handle


def policy_of(conf: TizpConf, level: Level) -> TokenPolicy:
    """The requirements of a level that have no variables."""
    policy = replace(TIZP.policy, algorithms=conf.auth_jwt_alg, leeway=conf.auth_jwt_leeway)
    return policy_with(policy, level)


# -- the dialect ------------------------------------------------------------------------------

_HEAD = 256  # bytes of a key file that show its form


def _algorithm(statement: Statement, facts: Facts) -> str | None:
    """Beside a key file, and not beside max-lt's auth_jwt_key."""
    is_maxlt = facts.keys or statement.args == ("any",)
    return "" if facts.key_files and not is_maxlt else None


def _shape(facts: Facts) -> list[Clue]:
    """A key file that is no JWK Set."""
    form = None if facts.keys else _sniff(facts)
    if form is None:
        return []
    statement, what = form
    if not facts.realms:
        raise ConfError(
            f'"auth_jwt_key_file" with a {what} belongs to max-lt\'s module before 3.0: '
            f'write "auth_jwt_key {statement.args[0]} file"'
        ).at(statement.file, statement.line)
    return [clue(statement, f"with a {what}")]


def _sniff(facts: Facts) -> tuple[Statement, str] | None:
    """The first key file that is not JSON, if one can be read, and what it is."""
    for statement in facts.key_files:
        name = statement.args[0] if statement.args else "$"
        if "$" in name:
            continue
        for directory in (facts.conf_prefix, "."):
            head = _head_of(full_name(name, directory))
            if head.startswith(b"-----BEGIN"):
                return statement, "PEM"
            if not head:
                continue
            if head.lstrip().startswith(b"{") or os.path.splitext(name)[1] == ".json":
                break
            return statement, "raw secret"
    return None


def _head_of(path: str) -> bytes:
    try:
        with open(path.encode("latin-1"), "rb") as file:
            return file.read(_HEAD)
    except (OSError, ValueError):
        return b""


TIZP = Dialect(
    name="tizp",
    project="tizpuppi/ngx_http_auth_jwt_module",
    module=auth_jwt_tizp,
    policy=TokenPolicy(exp=Presence.REQUIRED, whole_exp=True),
    words=plus_words,
    marks=(DialectMark(frozenset({"auth_jwt_alg"}), _algorithm),),
    shape=_shape,
    own_keys=("auth_jwt_key_file",),
    demands_claims=False,
    verifies_on_demand=True,
)
