"""The locations that keys of tokens are fetched from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..conf.parse import Statement
from .model import Configuration
from .place import Place
from .probe import location_of

REQUEST = "auth_jwt_key_request"


class KeyLocation(NamedTuple):
    """A place that answers with keys, and the statement that asks it."""

    place: Place
    request: Statement
    uri: str


class KeyRequested(NamedTuple):
    """A URI that keys are asked of, by a place that demands tokens."""

    uri: str
    statement: Statement
    asking: Place


def key_requests(conf: Configuration) -> Iterator[KeyRequested]:
    """The constant URIs that protected places fetch keys from."""
    for asking in conf.answering:
        if not asking.auth.wanted:
            continue
        for name in asking.auth.key_requests:
            if name.text.is_constant:
                statement = _asked(asking, name.text.text)
                yield KeyRequested(name.text.text, statement, asking)


def key_locations(conf: Configuration) -> Iterator[KeyLocation]:
    """The locations behind these, each once."""
    seen: set[tuple[int, Statement]] = set()
    for found in key_requests(conf):
        place = location_of(found.asking.server, found.uri.partition("?")[0])
        if place is not None and (id(place), found.statement) not in seen:
            seen.add((id(place), found.statement))
            yield KeyLocation(place, found.statement, found.uri)


def _asked(asking: Place, uri: str) -> Statement:
    for place in asking.outward():
        for statement in place.given(REQUEST):
            if statement.args[:1] == (uri,):
                return statement
    return asking.set_by(REQUEST)
