"""A protected and a public location cache responses under the same keys.

A response to a client with a token is then served to any client that requests the same URI from
the public location.  Use different zones, or add a part to the key that distinguishes the
locations.

Bad:

    proxy_cache_path cache keys_zone=pages:1m;
    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_no_cache $cookie_session;
            proxy_pass http://127.0.0.1:9000;
        }
    }
    server {
        listen 8081;
        location / {
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Good:

    proxy_cache_path cache keys_zone=pages:1m;
    proxy_cache_path public keys_zone=public:1m;
    server {
        listen 8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_cache pages;
            proxy_cache_valid 200 1m;
            proxy_no_cache $cookie_session;
            proxy_pass http://127.0.0.1:9000;
        }
    }
    server {
        listen 8081;
        location / {
            proxy_cache public;
            proxy_cache_valid 200 1m;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.cached import is_cached, is_personal, zone_of
from ..model.configuration import Configuration
from ..model.place import Place
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J52", "cache-zone-shared-with-public", Severity.ERROR)
URIS = {"request_uri", "uri", "document_uri", "request"}
HOSTS = {"host", "http_host"}
SERVERS = {"server_name", "server_port", "server_addr"}
MOST = 20  # kinds of protected places that are looked at for each public one


@dataclass(slots=True)
class Group:
    """Protected places with one zone and one key."""

    by_server: dict[Place, list[Place]] = field(default_factory=dict)
    by_host: dict[str, Place] = field(default_factory=dict)
    by_location: dict[tuple[str, str], Place] = field(default_factory=dict)

    def add(self, place: Place) -> None:
        self.by_server.setdefault(place.server, []).append(place)
        for name in place.server[CoreConf].server_names or ("",):
            self.by_host.setdefault(name, place)
        core = _around(place)[CoreConf]
        self.by_location.setdefault((core.modifier, core.name), place)

    def near(self, place: Place) -> Iterator[Place]:
        """Those that a public place could meet: of its server, of a server with one of its
        names, and one of each kind of location."""
        yield from self.by_server.get(place.server, ())
        for name in place.server[CoreConf].server_names or ("",):
            if name in self.by_host:
                yield self.by_host[name]
        yield from islice(self.by_location.values(), MOST)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    groups: dict[tuple[str, str], Group] = {}
    cached = [place for place in conf.answering if is_cached(place)]
    for place in cached:
        if place.auth.wanted and not is_personal(place.caching.cache_key, place):
            groups.setdefault(_key(place), Group()).add(place)
    for place in cached if groups else ():
        group = None if place.auth.wanted else groups.get(_key(place))
        if group is not None:
            yield from _check(place, group)


def _key(place: Place) -> tuple[str, str]:
    """The zone, and the key as it is written; with the default one also where it goes."""
    zone, key, target = zone_of(place), place.caching.cache_key, place.target
    assert zone is not None and target is not None
    if key is not None:
        return zone.text, key.text
    part = f" of {target.location}" if target.url is not None and target.url.uri else ""
    return zone.text, f"{target.text.text}{part}"


def _check(place: Place, group: Group) -> Iterator[Hit]:
    other = next((other for other in group.near(place) if _can_meet(place, other)), None)
    if other is not None:
        yield Hit(
            place.set_by(place.named("cache")),
            f"{place} serves to all clients what {other} caches for requests with tokens: "
            "both use the same zone and cache key",
            related=((other.set_by(other.named("cache")), "tokens are required here"),),
        )


def _can_meet(place: Place, other: Place) -> bool:
    """Whether some request to each of them has the same key."""
    key = place.caching.cache_key
    names = set(key.names) if key is not None else URIS
    if place.server is not other.server:
        if names & SERVERS or (names & HOSTS and not _share_a_name(place.server, other.server)):
            return False
    elif not names & URIS:
        return True
    elif _around(place) is not _around(other):
        return False
    return not names & URIS or _share_a_uri(place, other)


def _share_a_name(one: Place, other: Place) -> bool:
    names, others = one[CoreConf].server_names, other[CoreConf].server_names
    return not names or not others or bool({*names} & {*others})


def _around(place: Place) -> Place:
    """The location that a block is in, or itself."""
    return next((p for p in place.outward() if p.is_location or p.is_server), place)


def _share_a_uri(one: Place, other: Place) -> bool:
    one, other = _around(one), _around(other)
    if one is other:
        return True
    for uri in {one[CoreConf].name or "/", other[CoreConf].name or "/"}:
        if not uri.startswith("/"):
            continue
        for text in (uri, f"{uri.removesuffix('/')}/x"):
            found = location_of(one.server, text), location_of(other.server, text)
            if found == (one, other):
                return True
    return False
