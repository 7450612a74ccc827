"""A location requires tokens, but no keys are configured.

Every request is then refused, with a valid token or not.  In NGINX Plus it is worse: tokens with
any signature are accepted.  TeslaGov's module admits every request.  "nginx -t" reports nothing.
(With max-lt's module it does, and nginx does not start.)  Configure "auth_jwt_key_file" or
"auth_jwt_key_request" on the same or an outer level; for TeslaGov's module it is "auth_jwt_key".

Bad:

    location /api/ {
        auth_jwt "api";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.auth_jwt.dialect import Dialect, WithoutKeys
from ...modules.auth_jwt.settings import JwtConf
from ..finding import Severity
from ..model.block import Block
from ..model.keys import NAMES
from ..rule import Hit, Rule

rule = Rule("J01", "auth-without-key", Severity.ERROR, missing=True)


_HINT = 'add "auth_jwt_key_file" or "auth_jwt_key_request"'


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    auth = block.auth
    if not auth.wanted or auth.has_keys:
        return
    if block.is_internal and not block.given(auth.dialect.switch):
        return  # for subrequests perhaps, whose tokens are not checked
    named = block.find(*NAMES)
    if named is not None and any(named.args[:1]):  # it is an error itself
        return
    is_unsigned = bool(block[JwtConf].pyngx_allow_unsigned)
    if not auth.conf.needs_keys or auth.dialect.keyless is WithoutKeys.STOPS:
        return  # the latter is an error of the configuration
    yield Hit(
        block.switch,
        f"{block} requires tokens, but no keys are configured: "
        + _outcome(auth.dialect, is_unsigned=is_unsigned),
        _hint(auth.dialect),
        severity=Severity.INFO if block.is_in_snippet else None,
    )


def _hint(dialect: Dialect) -> str:
    names = " or ".join(f'"{name}"' for name in dialect.own_keys)
    return f"add {names}" if names else _HINT


def _outcome(dialect: Dialect, *, is_unsigned: bool) -> str:
    if dialect.keyless is WithoutKeys.ADMITS:
        message = "TeslaGov's module admits every request"
        return message if is_unsigned else f"{message}, and pyngx does not start"
    return "tokens with any signature are accepted" if is_unsigned else "every token is refused"
