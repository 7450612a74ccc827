"""An open prefix passes URIs as they come to an application that has protected paths, too.

Without a URI in "proxy_pass" the application gets what the client wrote, and may read it in
another way: "/public/..;/admin/" is in the prefix /public/ for nginx, and /admin/ for a servlet
container.  Open only what is needed, with an expression that such URIs do not match, or let the
application check tokens as well.

Bad:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location /public/ { proxy_pass http://127.0.0.1:9000; }

Good:

    location /admin/ {
        auth_jwt "admin";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /public/logo.png { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ..backends import backends_of, guarded_backends, passing
from ..doors import is_open
from ..finding import Severity
from ..model import Configuration
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("J37", "raw-uri-to-upstream", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    guarded = guarded_backends(conf.answering)
    for place in conf.answering:
        if not _passes_as_it_comes(place) or not is_open(place):
            continue
        for backend in backends_of(place):
            other = guarded.get(backend.key)
            if other is not None and not _is_all_open(place, other):
                yield Hit(
                    passing(place),
                    f"{place} is open and passes URIs as they come to {backend.name}, "
                    f"for which {other} demands a token",
                    "/..;/ and the like may lead out of the prefix",
                    ((passing(other), "a token is demanded here"),),
                )
                break


def _passes_as_it_comes(place: Place) -> bool:
    core, target = place[CoreConf], place.target
    if not place.is_location or core._modifier not in ("", "^~") or target is None:
        return False
    if any(around.given("rewrite") for around in place.outward()):
        return False
    if target.url is None:
        return target.text.text.endswith("$request_uri")
    return not target.url.uri


def _is_all_open(place: Place, other: Place) -> bool:
    """Whether clients need not lead out of the prefix: another server is open as a whole."""
    inside = other[CoreConf]._name.startswith(place[CoreConf]._name)
    return place.server is not other.server and inside
