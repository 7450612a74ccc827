"""``pyngx lint --reachability``: how every upstream is reached, with a token and without one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..model.backends import backends_of, passing
from ..model.configuration import Configuration
from ..model.place import Place
from ..read.texts import shown
from .redirects import redirects


@dataclass(frozen=True, slots=True)
class Way:
    """A place that passes requests to a server, and how far clients get to it."""

    place: Place
    name: str
    state: str


OPEN, TOKEN, INTERNAL = "without a token", "with a token", "not by clients"


def ways(conf: Configuration) -> dict[str, list[Way]]:
    """The ways to each server, by its address."""
    exposed = _exposed(conf)
    found: dict[str, list[Way]] = {}
    for place in conf.answering:
        for backend in sorted(backends_of(place)):
            way = Way(place, backend.name, _state(place, exposed))
            found.setdefault(backend.key, []).append(way)
    return found


def _state(place: Place, exposed: set[Place]) -> str:
    if place.is_protected:
        return TOKEN
    return OPEN if not place.is_internal or place in exposed else INTERNAL


def _exposed(conf: Configuration) -> set[Place]:
    """Internal places that requests without a token are redirected to: from open places, or
    when a token is refused."""
    found: set[Place] = set()
    edges = [edge for edge in redirects(conf) if edge.target.is_internal]
    while True:
        new = {
            edge.target
            for edge in edges
            if edge.target not in found
            and (edge.denied or not edge.source.is_protected)
            and (not edge.source.is_internal or edge.source in found)
        }
        if not new:
            return found
        found |= new


def reachability(conf: Configuration) -> str:
    """A text for people: the servers, and the ways to each."""
    lines: list[str] = []
    for key, found in sorted(ways(conf).items()):
        names = sorted({way.name for way in found} - {key})
        lines.append(f"{key}" + (f" ({', '.join(names)})" if names else ""))
        for state in (OPEN, TOKEN, INTERNAL):
            lines += _told(state, [way for way in found if way.state == state], conf)
        lines.append("")
    return shown("\n".join(lines) or "nothing is passed on\n")


def _excuses_options(conf: Configuration) -> bool:
    """Whether the JWT module lets OPTIONS pass whatever its token."""
    return "OPTIONS" in conf.dialect.excused | conf.dialect.exempt


def _told(state: str, found: list[Way], conf: Configuration) -> Iterator[str]:
    if found:
        options = " (OPTIONS without one)" if state == TOKEN and _excuses_options(conf) else ""
        yield f"  {state}{options}:"
    for way in found:
        statement = passing(way.place)
        file = statement.file.removeprefix(conf.options.conf_prefix)
        listens = ", ".join(listen.text for listen in way.place.server_listens)
        place = f"{file}:{statement.start_line}"
        yield f"    {way.place} of {way.place.server} on {listens}    [{place}]"
