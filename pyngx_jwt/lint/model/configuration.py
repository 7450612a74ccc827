"""A compiled configuration as rules look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from ...conf.parse import Statement
from ...http.contexts import SERVER, http_levels
from ...http.level import Level
from ...http.ports import Built, ListenAddress
from ...http.request import Location
from ...modules.auth_jwt import Dialect
from ..read.analysis import Analysis
from ..read.texts import Texts
from .place import Place

T = TypeVar("T")


class Configuration:
    """Its blocks, and what refers to what."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.scope = analysis.scope
        self.options = analysis.options
        self._places: dict[Level, Place] = {}
        self._made: dict[Callable[[Configuration], Any], Any] = {}

    @property
    def dialect(self) -> Dialect:
        """That of its JWT directives."""
        return self.analysis.choice.dialect

    @property
    def texts(self) -> Texts:
        return self.analysis.texts

    def place(self, level: Level) -> Place:
        """The place of a level."""
        found = self._places.get(level)
        if found is None:
            found = self._places[level] = Place(level, self)
        return found

    @cached_property
    def http(self) -> Place | None:
        """The http block, None if there is none."""
        levels = http_levels(self.analysis.root)
        return self.place(levels[0]) if levels else None

    @cached_property
    def servers(self) -> tuple[Place, ...]:
        """The servers in their order."""
        return tuple(self.http.inner(SERVER)) if self.http else ()

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """All blocks of the http server, from the outside in; none of the upstreams."""
        return tuple(self.http.walk()) if self.http else ()

    @cached_property
    def answering(self) -> tuple[Place, ...]:
        """The places that answer requests."""
        return tuple(place for place in self.places if place.answers)

    @cached_property
    def by_location(self) -> dict[Location, Place]:
        """The place that was compiled to a location."""
        return {p.level.location: p for p in self.places if p.level.location is not None}

    def statements(self, *names: str) -> Iterator[tuple[Place, Statement]]:
        """All statements of these names within http, with their places."""
        for level, statement in self.analysis.named(*names):
            if isinstance(level, Level):
                yield self.place(level), statement

    def once(self, make: Callable[[Configuration], T]) -> T:
        """What is made from the whole configuration, once for all who ask for it."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    def entries(self, block: Statement) -> list[Statement]:
        """The entries of a block such as ``map``."""
        return self.analysis.collector.entries.get(block, [])

    @cached_property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """The addresses that are listened on, with their servers."""
        ports = self.scope.shared(Built).ports.values()
        return tuple(a for port in ports for a in (port.address, *port.others.values()))
