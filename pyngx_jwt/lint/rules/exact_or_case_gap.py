"""One spelling of a URI is protected, and equivalent ones are not.

"location = /admin" protects this URI only: "/admin/" goes to another location.  Prefixes are
case-sensitive: "/ADMIN/" is not "/admin/".  If the other location passes requests to the same
application without a token, and the application treats the spellings alike, the protection is
bypassed.  Protect the location that gets the other spellings too.

Bad:

    location = /admin {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location / { proxy_pass http://127.0.0.1:9000; }

Good:

    auth_jwt "site";
    auth_jwt_key_file keys/jwks.json;
    location = /admin { proxy_pass http://127.0.0.1:9000; }
    location / { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.destinations import is_shared
from ..flow.doors import is_open
from ..model.backends import passing
from ..model.block import Block
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J33", "exact-or-case-gap", Severity.ERROR, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    core = block[CoreConf]
    if not block.is_location or not block.auth.wanted or core.regex or core.is_named:
        return
    for uri in _spellings(core.name, exact=core.modifier == "="):
        other = location_of(block.server, uri)
        if other is None or other is block or not is_open(other):
            continue
        if is_shared(block, other):
            yield Hit(
                block.statement,
                f"{block} requires a token, but {uri} goes to {other} of the same upstream "
                "without one",
                related=((passing(other), "no token is required here"),),
            )
            return


def _spellings(name: str, *, exact: bool) -> Iterator[str]:
    """Other URIs that applications take for the same."""
    if exact and name != "/":
        yield name.removesuffix("/") if name.endswith("/") else f"{name}/"
    elif name.endswith("/") and len(name) > 1:
        yield name.removesuffix("/")
    if name.upper() != name:
        yield name.upper()
