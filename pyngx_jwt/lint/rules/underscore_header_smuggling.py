"""Clients can send a header that the application cannot distinguish from the identity header.

Applications behind CGI, WSGI or Rack see "X-JWT-Sub" and "X_JWT_Sub" as one variable, and the
client's value can win.  nginx drops names with underscores unless "underscores_in_headers" is on
or "ignore_invalid_headers" is off.  If you need this, clear the other spelling as well:
proxy_set_header X_JWT_Sub "".

Bad:

    server {
        listen 8080;
        underscores_in_headers on;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_set_header X-JWT-Sub $jwt_claim_sub;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_set_header X-JWT-Sub $jwt_claim_sub;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.fields import identity_fields, passes_on
from ..model.backends import passing
from ..model.block import Block
from ..rule import Hit, Rule, each_statement

rule = Rule("J42", "underscore-header-smuggling", Severity.WARN, missing=True)


@rule.whole
@each_statement
def check(block: Block) -> Iterator[Hit]:
    core = block.server[CoreConf]
    if core.underscores_in_headers:
        switch = "underscores_in_headers"
    elif not core.ignore_invalid_headers:
        switch = "ignore_invalid_headers"
    else:
        return
    if block.target is None or block.is_internal:
        return
    for low, name in identity_fields(block).items():
        other = low.replace("-", "_")
        if other != low and passes_on(block, other):
            yield Hit(
                block.server.set_by(switch),
                f'clients can send "{name.replace("-", "_")}", which applications treat as '
                f'"{name}" of {block}',
                related=((passing(block), f'"{name}" is a claim of the token here'),),
            )
            return
