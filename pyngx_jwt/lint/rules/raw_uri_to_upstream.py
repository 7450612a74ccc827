"""An open prefix passes unmodified URIs to an application that also has protected paths.

Without a URI in "proxy_pass", the application gets the URI as the client sent it and may
interpret it differently: "/public/..;/admin/" is in the prefix /public/ for nginx, but /admin/
for a servlet container.  Open only what is needed, with a regular expression that such URIs do
not match, or let the application check tokens too.

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
from ..finding import Severity
from ..flow.doors import is_open
from ..model.backends import backends_of, guarded_backends, passing
from ..model.configuration import Configuration
from ..model.place import Place
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
                    f"{place} requires no token and passes unmodified URIs to {backend.name}, "
                    f"for which {other} requires one",
                    "/..;/ and similar segments may leave the prefix",
                    ((passing(other), "a token is required here"),),
                )
                break


def _passes_as_it_comes(place: Place) -> bool:
    core, target = place[CoreConf], place.target
    if not place.is_location or core.modifier not in ("", "^~") or target is None:
        return False
    if any(around.given("rewrite") for around in place.outward()):
        return False
    if target.url is None:
        return target.text.text.endswith("$request_uri")
    return not target.url.uri


def _is_all_open(place: Place, other: Place) -> bool:
    """Whether clients need not lead out of the prefix: another server is open as a whole."""
    inside = other[CoreConf].name.startswith(place[CoreConf].name)
    return place.server is not other.server and inside
