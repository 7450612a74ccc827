"""What is our own about tokens, whatever dialect the configuration has: which dialect that is,
limits, and switches for what is refused by default."""

from __future__ import annotations

from dataclasses import replace

from ...conf.directive import EVERYWHERE, HTTP, Conf, flag, number, size, slot
from ...http.level import Level
from ...http.module import Module
from ...jwt import Limits, Policy, Presence

LIMITS = Limits()


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
    pyngx_jwt_max_token_size = size(
        LIMITS.token_size, HTTP, "Sets the largest size of a token.", shown="16k"
    )
    pyngx_jwt_max_header_size = size(
        LIMITS.header_size, HTTP, "Sets the largest size of a token's header.", shown="8k"
    )
    pyngx_jwt_max_depth = number(
        LIMITS.depth, HTTP, "Sets how deep JSON values in tokens and key sets may be nested."
    )
    pyngx_jwt_max_key_set_size = size(
        LIMITS.set_size, HTTP, "Sets the largest size of a set of keys.", shown="256k"
    )
    pyngx_jwt_max_keys = number(LIMITS.set_keys, HTTP, "Sets the largest number of keys of a set.")


jwt_settings = Module("jwt_settings", JwtConf)


def limits_of(level: Level) -> Limits:
    """What the configuration says of sizes."""
    conf = level[JwtConf]
    return Limits(
        token_size=conf.pyngx_jwt_max_token_size,
        header_size=conf.pyngx_jwt_max_header_size,
        depth=conf.pyngx_jwt_max_depth,
        set_size=conf.pyngx_jwt_max_key_set_size,
        set_keys=conf.pyngx_jwt_max_keys,
    )


def policy_with(policy: Policy, level: Level) -> Policy:
    """A dialect's policy with these settings."""
    nbf = policy.nbf if level[JwtConf].pyngx_jwt_validate_nbf else Presence.IGNORED
    return replace(policy, nbf=nbf, limits=limits_of(level))
