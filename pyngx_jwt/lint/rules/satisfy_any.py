""" "satisfy any" with "allow" admits requests without a token.

With "satisfy any", one permission is enough.  Behind a load balancer, every request has the
balancer's address, so that one "allow" for it admits every client.

Bad:

    location / {
        satisfy any;
        allow 10.0.0.0/8;
        deny all;
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location / {
        satisfy all;
        allow 10.0.0.0/8;
        deny all;
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.access import AccessConf
from ...modules.core import CoreConf
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J28", "satisfy-any", Severity.ERROR)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted or block[CoreConf].satisfy != "any":
        return
    if any(not entry.deny for entry in block[AccessConf].rules):
        allow = block.set_by("allow")
        yield Hit(
            block.set_by("satisfy"),
            f'{block} requires no token from addresses that "allow" permits',
            '"satisfy all" requires both',
            ((allow, "this alone admits the request"),),
        )
