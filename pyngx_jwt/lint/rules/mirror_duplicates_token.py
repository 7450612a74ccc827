"""Requests are mirrored with their tokens.

The operator of the server that gets the copies can use the tokens in them.  A mirror rarely
needs them: use proxy_set_header Authorization "" in its location.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        mirror /_mirror;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_mirror {
        internal;
        proxy_pass http://127.0.0.1:9001$request_uri;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        mirror /_mirror;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_mirror {
        internal;
        proxy_set_header Authorization "";
        proxy_pass http://127.0.0.1:9001$request_uri;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.mirror import MirrorConf
from ..finding import Severity
from ..flow.destinations import is_shared
from ..flow.fields import forwarded, removal, shown
from ..model.backends import passing
from ..model.block import Block
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J65", "mirror-duplicates-token", Severity.INFO, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted or block.is_internal:
        return
    for uri in block[MirrorConf].uris or ():
        other = location_of(block.server, uri)
        if other is None or other is block or is_shared(block, other):
            continue
        field = next(forwarded(block, other), "")
        if field:
            yield Hit(
                block.set_by("mirror"),
                f'requests that {block} mirrors to {other} contain the token in "{shown(field)}"',
                removal(other, shown(field)),
                ((passing(other), "they are sent here"),),
            )
