"""A double slash bypasses a protected location, because "merge_slashes" is off.

"//admin/" is then a different URI from "/admin/" and reaches another location.  Applications and
file systems treat them alike.  Leave "merge_slashes" on, or require tokens everywhere.

Bad:

    server {
        merge_slashes off;
        location /admin/ {
            auth_jwt "admin";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
        location / { proxy_pass http://127.0.0.1:9000; }
    }

Good:

    server {
        merge_slashes off;
        auth_jwt "site";
        auth_jwt_key_file keys/jwks.json;
        location /admin/ { proxy_pass http://127.0.0.1:9000; }
        location / { proxy_pass http://127.0.0.1:9000; }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.doors import is_open, is_same
from ..model.block import Block
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J36", "merge-slashes-off", Severity.ERROR, missing=True)


@rule.each_server
def check(server: Block) -> Iterator[Hit]:
    if server[CoreConf].merge_slashes:
        return
    for block in server.walk():
        core = block[CoreConf]
        if not block.is_location or not block.auth.wanted or core.regex or core.is_named:
            continue
        for uri in _doubled(core.name):
            other = location_of(server, uri)
            if other is not None and is_open(other) and is_same(block, other):
                yield Hit(
                    server.set_by("merge_slashes"),
                    f"{uri} reaches {other}, which requires no token, instead of {block}",
                    "leave it on",
                    ((block.statement, "a token is required here"),),
                )
                return


def _doubled(name: str) -> Iterator[str]:
    """The URI with one of its slashes twice."""
    for at, character in enumerate(name):
        if character == "/":
            yield f"{name[:at]}/{name[at:]}"
