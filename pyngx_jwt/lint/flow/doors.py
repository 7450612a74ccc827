"""Which places let everybody in, and which of them lead to the same thing."""

from __future__ import annotations

from ...conf.known import ENTRY, Class, class_of, reason_of
from ...conf.parse import Statement
from ...modules.core import CoreConf
from ..model.backends import backends_of
from ..model.place import Place

_FOLDER = "root "


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
    return any(is_guard(s) for around in place.outward() for s in notes_of(around))


def is_guard(statement: Statement) -> bool:
    """Whether a directive that is not run would decide who is let in."""
    kind = class_of(statement.name, statement.args)
    return kind is Class.GUARD and reason_of(statement.name) == ENTRY


def notes_of(place: Place) -> list[Statement]:
    """The directives of this block that are known and not run."""
    return place.conf.analysis.collector.notes_of(place.level)


def contents_of(place: Place) -> frozenset[str]:
    """What answers: servers that requests are passed to, else a folder of files."""
    backends = backends_of(place)
    if backends:
        return frozenset(backend.key for backend in backends)
    passed = [s for s in notes_of(place) if passes(s)]
    if passed:
        return frozenset(f"{s.name} {s.args[:1]}" for s in passed)
    return frozenset({f"{_FOLDER}{place[CoreConf].root_path.text}"})


def passes(statement: Statement) -> bool:
    """Whether a directive that is not run would pass requests on."""
    return class_of(statement.name) is Class.HANDLER and statement.name.endswith("_pass")


def serves_files(place: Place) -> bool:
    """Whether it passes requests to nobody."""
    return all(content.startswith(_FOLDER) for content in contents_of(place))


def is_same(one: Place, other: Place) -> bool:
    """Whether both give the same things."""
    return bool(contents_of(one) & contents_of(other))
