"""Which places let everybody in, and which of them lead to the same thing."""

from __future__ import annotations

import re

from ..conf.parse import Statement
from ..modules.core import CoreConf
from .backends import backends_of
from .place import Place

# What another module passes requests to, and what may ask for credentials of its own.
_PASSES = frozenset({"fastcgi_pass", "grpc_pass", "memcached_pass", "scgi_pass", "uwsgi_pass"})
_FOLDER = "root "
_GUARDS = re.compile(r"access_by_lua|auth_|js_access|oauth|oidc|phantom_token|secure_link|jwt_")


def is_open(place: Place) -> bool:
    """Whether everybody gets there, and something there, without credentials of any kind."""
    location = place.level.location
    if location is None or location.internal or place.auth.wanted or place.given("return"):
        return False
    return not is_guarded(place)


def is_guarded(place: Place) -> bool:
    """Whether anything but tokens decides who is let in: addresses, passwords, subrequests."""
    location = place.level.location
    if location is not None and len(location.handlers) > len(location.subrequest_handlers):
        return True  # handlers of the access phase
    return any(_GUARDS.match(s.name) for around in place.outward() for s in notes_of(around))


def notes_of(place: Place) -> list[Statement]:
    """The directives of this block that are known and not run."""
    return place.conf.analysis.collector.notes_of(place.level)


def contents_of(place: Place) -> frozenset[str]:
    """What answers: servers that requests are passed to, else a folder of files."""
    backends = backends_of(place)
    if backends:
        return frozenset(backend.key for backend in backends)
    passed = [s for s in notes_of(place) if s.name in _PASSES]
    if passed:
        return frozenset(f"{s.name} {s.args[:1]}" for s in passed)
    return frozenset({f"{_FOLDER}{place[CoreConf].root_path.text}"})


def serves_files(place: Place) -> bool:
    """Whether it passes requests to nobody."""
    return all(content.startswith(_FOLDER) for content in contents_of(place))


def is_same(one: Place, other: Place) -> bool:
    """Whether both give the same things."""
    return bool(contents_of(one) & contents_of(other))
