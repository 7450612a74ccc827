"""What is our own about tokens, whatever dialect the configuration has: which dialect that is,
limits, and switches for what is refused by default."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ...conf.directive import EVERYWHERE, HTTP, Conf, flag, slot
from ...conf.parse import Statement
from ...conf.scope import Scope
from ...conf.values import parse_number, parse_size
from ...errors import ConfError
from ...http.level import Level
from ...http.module import Module
from ...jwt import Limits, Policy, Presence
from .dialects import Choice, choose_dialect, foreign_directive
from .sources import Sources

LIMITS = Limits()


def _limit(parse: Callable[[str], int], default: int, doc: str, shown: str | None = None) -> int:
    def parse_limit(name: str, text: str) -> int:
        try:
            found = parse(text)
        except ValueError:
            found = 0
        if not found:
            raise ConfError(f'"{name}" directive invalid value')
        return found

    kind = "size" if parse is parse_size else "number"
    return slot(default, parse_limit, HTTP, doc, syntax=kind, shown=shown)


class JwtConf(Conf):
    pyngx_jwt_dialect = slot(
        "",
        lambda name, text: text,  # looked at before anything else is read
        HTTP,
        "Names the module whose JWT directives these are; without it they tell themselves.",
        syntax="plus | pyngx | kjdev | tesla | maxlt | tizp",
        shown="—",
    )
    pyngx_allow_unsigned = flag(
        False,
        EVERYWHERE,
        "Lets a configuration demand tokens without naming keys: where NGINX Plus takes tokens "
        "with any signature, so does pyngx, and where TeslaGov's module lets everybody pass.",
    )
    pyngx_jwt_validate_nbf = flag(
        True,
        EVERYWHERE,
        'Refuses tokens before their "nbf".  The modules of kjdev, TeslaGov and max-lt do not '
        "look at it.",
    )
    pyngx_jwt_max_token_size = _limit(
        parse_size, LIMITS.token_size, "Sets the largest size of a token.", "16k"
    )
    pyngx_jwt_max_header_size = _limit(
        parse_size, LIMITS.header_size, "Sets the largest size of a token's header.", "8k"
    )
    pyngx_jwt_max_depth = _limit(
        parse_number,
        LIMITS.depth,
        "Sets how deep JSON values in tokens and key sets may be nested.",
    )
    pyngx_jwt_max_key_set_size = _limit(
        parse_size, LIMITS.set_size, "Sets the largest size of a set of keys.", "256k"
    )
    pyngx_jwt_max_keys = _limit(
        parse_number, LIMITS.set_keys, "Sets the largest number of keys of a set."
    )

    @property
    def limits(self) -> Limits:
        """What the configuration says of sizes."""
        return Limits(
            token_size=self.pyngx_jwt_max_token_size,
            header_size=self.pyngx_jwt_max_header_size,
            depth=self.pyngx_jwt_max_depth,
            set_size=self.pyngx_jwt_max_key_set_size,
            set_keys=self.pyngx_jwt_max_keys,
        )


jwt_settings = Module("jwt_settings", JwtConf)


@jwt_settings.before_read
def choose(scope: Scope) -> None:
    """Finds out the dialect, unless that has been done."""
    if Choice not in scope.things:
        scope.things[Choice] = choose_dialect(scope.options, scope.files)
    choice: Choice = scope.things[Choice]
    scope.dialect = choice.name
    _prepare_key_sets(scope, choice)


@jwt_settings.understanding
def tell_dialect(scope: Scope) -> str:
    choice: Choice = scope.things[Choice]
    return choice.text


@jwt_settings.unknown
def advise(statement: Statement, level: Level) -> bool:
    """A directive of another dialect, or of no module, is an error that names its like."""
    if advice := foreign_directive(statement.name, level.scope.dialect):
        raise ConfError(advice)
    return False


def _prepare_key_sets(scope: Scope, choice: Choice) -> None:
    """Makes limits count that are yet to be read: key files are read as soon as they are named.
    Errors are left to whoever runs the directives."""
    conf = JwtConf(scope)
    for statement in choice.limits:
        found = JwtConf.directives.get(statement.name)
        if found is not None and len(statement.args) == 1:
            with suppress(ConfError):
                found.set(conf, *statement.args)
    scope.shared(Sources).sets.limits = conf.limits


def policy_with(policy: Policy, level: Level) -> Policy:
    """A dialect's policy with these settings."""
    nbf = policy.nbf if level[JwtConf].pyngx_jwt_validate_nbf else Presence.IGNORED
    return replace(policy, nbf=nbf, limits=level[JwtConf].limits)
