"""Requests are limited by a claim before the token is verified.

"limit_req" and "limit_conn" run before tokens are checked.  In NGINX Plus, the claim is then
that of any token: with unsigned tokens, an attacker can use up another user's quota.  In kjdev's
module the variable is empty unless "auth_jwt_phase preaccess" is set, and an empty key is not
limited at all.  pyngx verifies the token first, and fetches keys for it if necessary, but other
servers with this configuration do not.  Limit by address, or in a named location that is reached
after the check.

Bad:

    limit_req_zone $jwt_claim_sub zone=users:1m rate=10r/s;
    server {
        location / {
            limit_req zone=users;
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    limit_req_zone $binary_remote_addr zone=users:1m rate=10r/s;
    server {
        location / {
            limit_req zone=users;
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.limit_conn import LimitConnConf
from ...modules.limit_req import LimitReqConf
from ..finding import Severity
from ..flow.claims import token_variable, token_variables
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D15", "claim-in-limit-key", Severity.WARN)
ZONES = ("limit_req_zone", "limit_conn_zone")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if conf.dialect.verifies_on_demand or conf.is_for_pyngx:
        return
    known: dict[str, str] | None = None
    for _, statement in conf.statements(*ZONES):
        if "$" not in statement.args[0]:
            continue
        if known is None:
            known = token_variables(conf)
        variable = token_variable(statement.args[0], known)
        block = _counting(conf, statement.args) if variable else None
        if block is None:
            continue
        used = block.set_by(statement.name.removesuffix("_zone"))
        if conf.dialect.has("auth_jwt_phase"):
            message = f"{variable} is empty when requests are counted, so nothing is limited"
            hint = 'set "auth_jwt_phase preaccess"'
        else:
            message = f"{variable} comes from an unverified token when requests are counted"
            hint = "limit by address, or in a named location after the check"
        yield Hit(statement, message, hint, ((used, "requests are counted here"),), word=1)


def _counting(conf: Configuration, args: tuple[str, ...]) -> Block | None:
    """A block that counts in the zone before it verifies tokens."""
    name = next((a[5:].partition(":")[0] for a in args if a.startswith("zone=")), "")
    for block in conf.answering:
        if block.auth.conf.is_early or block.is_internal:
            continue
        counted = {limit.zone.name for limit in block[LimitReqConf].limits}
        counted |= {limit.zone.name for limit in block[LimitConnConf].limits}
        if name in counted:
            return block
    return None
