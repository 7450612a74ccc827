""" "auth_jwt on" sets the realm to "on".

In NGINX Plus and kjdev's module, the argument of "auth_jwt" is the realm, which is sent to
clients.  "auth_jwt on" is written for max-lt's module, and other lines copied with it have a
different meaning here too.

Bad:

    location /api/ {
        auth_jwt on;
        auth_jwt_key_file keys/jwks.json;
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

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("D07", "realm-on", Severity.WARN)


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.dialect.has_realm:
        return
    for statement in block.given("auth_jwt"):
        if statement.args[:1] == ("on",):
            yield Hit(
                statement,
                '"on" is the realm here, not a switch',
                'set a realm, as in auth_jwt "api", or choose the module with "pyngx_jwt_dialect"',
                word=1,
            )
