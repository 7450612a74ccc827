"""The locations that keys of tokens are fetched from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...cache.freshness import valid_seconds
from ...conf.parse import Statement
from ..model.backends import passing
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.probe import falls_through, location_of
from ..rule import Hit
from .fields import passes_on

REQUEST = "auth_jwt_key_request"


class KeyLocation(NamedTuple):
    """A block that answers with keys, and the statement that asks it."""

    block: Block
    request: Statement
    uri: str
    asking: Block

    @property
    def related(self) -> tuple[tuple[Statement, str], ...]:
        """What a finding about the location refers to."""
        return ((self.request, "the keys are requested here"),)

    def fault(self, message: str, hint: str) -> Hit:
        """A finding about the way in which the location fetches them."""
        return Hit(passing(self.block), message, hint, self.related)


class KeyRequested(NamedTuple):
    """A URI that keys are asked of, by a block that demands tokens."""

    uri: str
    statement: Statement
    asking: Block


def key_requests(conf: Configuration) -> Iterator[KeyRequested]:
    """The constant URIs that protected blocks fetch keys from."""
    for asking in conf.answering:
        if not asking.auth.wanted:
            continue
        for name in asking.auth.key_requests:
            if name.text.is_constant:
                statement = _requesting(asking, name.text.text)
                yield KeyRequested(name.text.text, statement, asking)


def key_locations(conf: Configuration) -> Iterator[KeyLocation]:
    """The locations behind these, each once."""
    known: set[tuple[int, Statement]] = set()
    for key_request in key_requests(conf):
        block = location_of(key_request.asking.server, key_request.uri.partition("?")[0])
        if block is not None and (id(block), key_request.statement) not in known:
            known.add((id(block), key_request.statement))
            yield KeyLocation(block, key_request.statement, key_request.uri, key_request.asking)


def proxied_key_locations(conf: Configuration) -> Iterator[KeyLocation]:
    """Those of them that are for this purpose and ask another server."""
    for key_location in key_locations(conf):
        if key_location.block.target is not None and not falls_through(
            key_location.block, key_location.uri
        ):
            yield key_location


def nginx_key_locations(conf: Configuration) -> Iterator[KeyLocation]:
    """As proxied_key_locations(), none if only pyngx can run the configuration: it passes no
    field but "User-Agent" to key servers, and requests share what these answer."""
    return iter(()) if conf.is_for_pyngx else proxied_key_locations(conf)


def leaks(fetched: KeyLocation) -> list[str]:
    """The fields with credentials of clients that the key server gets."""
    return [n for n in ("Authorization", "Cookie") if passes_on(fetched.block, n.lower())]


def _requesting(asking: Block, uri: str) -> Statement:
    for block in asking.outward():
        for statement in block.given(REQUEST):
            if statement.args[:1] == (uri,):
                return statement
    return asking.set_by(REQUEST)


def kept_in_cache(block: Block) -> int:
    """The seconds that a cache keeps the keys which a block fetches; 0: not, or who knows."""
    cache = block.caching
    return valid_seconds(cache.valid, 200) if cache.zone is not None else 0


def kept_by_module(asking: Block) -> float:
    """The seconds of auth_jwt_key_cache, 0 where the dialect has none."""
    return asking.auth.conf.key_lifetime
