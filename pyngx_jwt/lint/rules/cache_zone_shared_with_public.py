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
from typing import NamedTuple

from ...http.template import Template
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.cached import is_cached, is_personal, zone_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("J52", "cache-zone-shared-with-public", Severity.ERROR, missing=True)
URIS = {"request_uri", "uri", "document_uri", "request"}
RAW = {"request_uri", "request"}
HOSTS = {"host", "http_host"}
SERVERS = {"server_name", "server_port", "server_addr"}
MOST = 20  # kinds of protected blocks that are looked at for each public one


@dataclass(slots=True)
class ProtectedCaches:
    """Protected blocks with one zone and one key."""

    by_server: dict[Block, list[Block]] = field(default_factory=dict)
    by_host: dict[str, Block] = field(default_factory=dict)
    by_location: dict[tuple[str, str], Block] = field(default_factory=dict)

    def add(self, block: Block) -> None:
        self.by_server.setdefault(block.server, []).append(block)
        for name in block.server[CoreConf].server_names or ("",):
            self.by_host.setdefault(name, block)
        core = _around(block)[CoreConf]
        self.by_location.setdefault((core.modifier, core.name), block)

    def near(self, block: Block) -> Iterator[Block]:
        """Those that a public block could meet: of its server, of a server with one of its
        names, and one of each kind of location."""
        yield from self.by_server.get(block.server, ())
        for name in block.server[CoreConf].server_names or ("",):
            if name in self.by_host:
                yield self.by_host[name]
        yield from islice(self.by_location.values(), MOST)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    groups: dict[tuple[str, str], ProtectedCaches] = {}
    cached = [block for block in conf.answering if is_cached(block)]
    for block in cached:
        if block.auth.wanted and not is_personal(block.caching.cache_key, block):
            groups.setdefault(_key(block), ProtectedCaches()).add(block)
    for block in cached if groups else ():
        group = None if block.auth.wanted else groups.get(_key(block))
        if group is not None:
            yield from _check(block, group)


def _key(block: Block) -> tuple[str, str]:
    """The zone, and the key as it is written; with the default one also where it goes."""
    zone, key, target = zone_of(block), block.caching.cache_key, block.target
    assert zone is not None and target is not None
    if key is not None:
        return zone.text, key.text
    path = target.url.uri if target.url is not None else ""
    return zone.text, target.text.text.removesuffix(path)


def _check(block: Block, group: ProtectedCaches) -> Iterator[Hit]:
    other = next((other for other in group.near(block) if _can_meet(block, other)), None)
    if other is not None:
        yield Hit(
            block.set_by(block.named("cache")),
            f"{block} serves to all clients what {other} caches for requests with tokens: "
            "both use the same zone and cache key",
            related=((other.set_by(other.named("cache")), "tokens are required here"),),
        )


def _can_meet(block: Block, other: Block) -> bool:
    """Whether some request to each of them has the same key."""
    key = block.caching.cache_key
    names = set(key.names) if key is not None else URIS
    one_server = block.server is other.server
    if not one_server and names & SERVERS:
        return False
    if not one_server and names & HOSTS and not _share_a_name(block.server, other.server):
        return False
    if not names & URIS:
        return True
    prefixes = _prefix(block, key), _prefix(other, key)
    if any(prefix.is_moved for prefix in prefixes):
        one, two = (prefix.text for prefix in prefixes)
        return bool(one and two) and (one.startswith(two) or two.startswith(one))
    if one_server and _around(block) is not _around(other):
        return False
    return _share_a_uri(block, other)


class Prefix(NamedTuple):
    """What the URIs in the keys of a block begin with, "" if that is not known."""

    text: str
    is_moved: bool = False  # not the name of the location


def _prefix(block: Block, key: Template | None) -> Prefix:
    """With the default key, these are URIs that are passed on; with $uri, those after rewrites."""
    core, target = _around(block)[CoreConf], block.target
    name = core.name if core.modifier in ("", "^~", "=") else ""
    text = target.url.uri if key is None and target is not None and target.url is not None else ""
    if key is None or not RAW & {*key.names}:
        for statement in block.given("rewrite"):
            if "break" in statement.args[2:]:
                text = text or statement.args[1].partition("$")[0]
    return Prefix(text or name, bool(text) and text != name)


def _share_a_name(one: Block, other: Block) -> bool:
    names, others = one[CoreConf].server_names, other[CoreConf].server_names
    return not names or not others or bool({*names} & {*others})


def _around(block: Block) -> Block:
    """The location that a block is in, or itself."""
    return next((p for p in block.outward() if p.is_location or p.is_server), block)


def _share_a_uri(one: Block, other: Block) -> bool:
    one, other = _around(one), _around(other)
    if one is other:
        return True
    for uri in {one[CoreConf].name or "/", other[CoreConf].name or "/"}:
        if not uri.startswith("/"):
            continue
        for text in (uri, f"{uri.removesuffix('/')}/x"):
            locations = location_of(one.server, text), location_of(other.server, text)
            if locations == (one, other):
                return True
    return False
