"""Settings of pyngx for tokens in all dialects: the dialect itself, limits, and switches for
behaviour that is refused by default."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, cast

from ...conf.directive import Conf, Declaration, directive, enum, flag, slot, time
from ...conf.values import parse_number, parse_size
from ...errors import ConfError
from ...http.contexts import EVERYWHERE, HTTP, SERVER
from ...http.level import Level
from ...http.module import Module
from ...http.request import Request, Status
from ...jwt import Limits, Presence, Reason, TokenPolicy
from ...jwt.encoding import unicode
from .blocks import here
from .contexts import refusal_of

LIMITS = Limits()
UNAVAILABLE = ("401", "500", "503")


class KeyIssuer(NamedTuple):
    """One pyngx_jwt_key_issuer: the names of a source of keys, and who has these keys."""

    names: frozenset[str]
    issuers: frozenset[str]


def _limit(parse: Callable[[str], int], default: int, doc: str, shown: str | None = None) -> int:
    def parse_limit(name: str, text: str) -> int:
        try:
            limit = parse(text)
        except ValueError:
            limit = 0
        if not limit:
            raise ConfError(f'"{name}" directive invalid value')
        return limit

    kind = "size" if parse is parse_size else "number"
    return slot(default, parse_limit, HTTP, doc, syntax=kind, shown=shown)


class JwtConf(Conf):
    pyngx_allow_unsigned = flag(
        False,
        EVERYWHERE,
        "Allows a configuration to require tokens without configuring keys. In the dialect of "
        "NGINX Plus, tokens with any signature are then accepted; in TeslaGov's, every request "
        "is admitted. Use it only where a trusted server in front has verified the tokens.",
    )
    pyngx_jwt_validate_nbf = flag(
        True,
        EVERYWHERE,
        'Refuses tokens before their "nbf". The modules of kjdev, TeslaGov, max-lt and tizpuppi'
        " do not check it; turn it off to behave like them.",
    )
    pyngx_jwt_allow_padding = flag(
        False,
        EVERYWHERE,
        'Accepts tokens whose parts are padded with "=", which RFC 7515 does not allow. '
        "Load balancers of AWS sign such tokens.",
    )
    pyngx_jwt_keys_stale = time(
        3600,
        EVERYWHERE,
        'Keeps the keys of "auth_jwt_key_request" in use for this time after the last successful'
        " fetch if newer ones cannot be fetched, because the issuer is down or does not respond "
        "with a key set. Fetches are repeated in the background. It applies to responses that "
        "requests share. 0 refuses tokens as soon as a fetch fails.",
        shown="1h",
    )
    pyngx_jwt_keys_unavailable = enum(
        "",
        UNAVAILABLE,
        EVERYWHERE,
        "Sets the status for requests with a token while the keys of "
        '"auth_jwt_key_request" are not available: before the first successful fetch, and after '
        '"pyngx_jwt_keys_stale". 503 is sent with Retry-After. The default is the status of the '
        "module: 500 for NGINX Plus and 401 for kjdev. The modules of TeslaGov, max-lt and "
        "tizpuppi have no such requests; the default for these dialects is 503. A token that other "
        "keys of the level verify is accepted, except in the dialects of NGINX Plus. With "
        '"satisfy any", 401 is used instead of 503.',
    )
    pyngx_jwt_prefetch = flag(
        False,
        HTTP | SERVER,
        'Fetches the keys of "auth_jwt_key_request" when a worker starts, and again in the '
        "background before they are too old, instead of when a request needs them. Workers share "
        "the keys. It applies to responses that requests share. Keys are also fetched early if a "
        'location has "pyngx_health".',
    )
    pyngx_jwt_max_token_size = _limit(
        parse_size, LIMITS.token_size, "Limits the size of a token. A larger one is refused.", "16k"
    )
    pyngx_jwt_max_header_size = _limit(
        parse_size, LIMITS.header_size, "Limits the size of a token's header.", "8k"
    )
    pyngx_jwt_max_depth = _limit(
        parse_number,
        LIMITS.depth,
        "Limits the nesting depth of JSON in tokens and key sets.",
    )
    pyngx_jwt_max_key_set_size = _limit(
        parse_size,
        LIMITS.set_size,
        "Limits the size of a key set. A larger one cannot be used.",
        "256k",
    )
    pyngx_jwt_max_keys = _limit(
        parse_number, LIMITS.set_keys, "Limits the number of keys in a key set."
    )

    key_issuers: tuple[KeyIssuer, ...] = ()

    @directive(EVERYWHERE, syntax="pyngx_jwt_key_issuer source issuer ...;")
    def pyngx_jwt_key_issuer(self, source: str, issuer: str, *issuers: str) -> None:
        """Binds the keys of a source to issuers: they verify only tokens whose "iss" is one of
        them.  The source is named as in "auth_jwt_key_file", "auth_jwt_key_request" and such, or is
        "auth_jwt_key" for the key itself.  If one source of a level is bound, all have to be.
        Inherited if and only if the level has none of its own."""
        names = frozenset({source, self.scope.conf_name(source), here(source)})
        try:
            bound = KeyIssuer(names, frozenset(unicode(name) for name in (issuer, *issuers)))
        except ValueError:
            raise ConfError("an issuer is not UTF-8") from None
        self.key_issuers = (*vars(self).get("key_issuers", ()), bound)

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


# What could end a JSON string, or begin a tag of HTML.
_UNSAFE = str.maketrans({'"': "'", "\\": "/", "<": "(", ">": ")", "&": "+"})


@jwt_settings.variable("jwt_error", changeable=True)
def jwt_error(r: Request) -> str:
    """A word for the reason why the token was refused: missing, malformed, unsupported, algorithm,
    unknown_kid, no_source, no_key, signature, decryption, date, expired, not_yet_valid, issuer,
    claim, revoked or condition.  Empty if no token was refused.  An addition of pyngx, in all
    dialects."""
    refusal = refusal_of(r)
    return "" if refusal is None else refusal.reason.code


@jwt_settings.variable("jwt_refusal", changeable=True)
def jwt_refusal(r: Request) -> str:
    """The reason why the token was refused, in the words of the error log, for responses and logs.
    It contains neither the token nor a key nor the value of a claim other than times, and no
    characters that have to be escaped in JSON or HTML.  Empty if no token was refused.  An
    addition of pyngx, in all dialects."""
    refusal = refusal_of(r)
    if refusal is None:
        return ""
    told = str(refusal.reason) if refusal.reason is Reason.NO_SOURCE else refusal.text
    return told.translate(_UNSAFE)


def declare_dialects(names: Iterable[str]) -> None:
    """Declares pyngx_jwt_dialect: only who has all dialects knows their names."""
    slot_of = slot(
        "",
        lambda name, text: text,  # looked at before anything else is read
        HTTP,
        "Sets the dialect of the JWT directives. By default it is detected from the directives "
        'that are used; "pyngx -t -v" prints it. nginx does not know this directive.',
        syntax=" | ".join(names),
        shown="—",
    )
    JwtConf.declare("pyngx_jwt_dialect", cast(Declaration, slot_of))


def status_without_keys(level: Level, usual: Status) -> Status:
    """What answers if keys that are asked for cannot be had; `usual` is the dialect's."""
    return int(level[JwtConf].pyngx_jwt_keys_unavailable or usual)


def policy_with(policy: TokenPolicy, level: Level) -> TokenPolicy:
    """A dialect's policy with these settings."""
    conf = level[JwtConf]
    nbf = policy.nbf if conf.pyngx_jwt_validate_nbf else Presence.IGNORED
    return replace(policy, nbf=nbf, padded=conf.pyngx_jwt_allow_padding, limits=conf.limits)
