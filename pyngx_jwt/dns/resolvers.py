"""The resolvers of a configuration."""

from __future__ import annotations

from ..log import Log
from .answers import Resolves
from .servers import NameServers


class Resolvers:
    """One for each directive that is used; without one, no library for DNS is loaded.

    Tools that must not ask anybody give one that stands for all."""

    def __init__(self, instead: Resolves | None = None) -> None:
        self._instead = instead
        self._made: dict[NameServers, Resolves] = {}

    def of(self, servers: NameServers, log: Log) -> Resolves:
        if self._instead is not None:
            return self._instead
        from .resolver import Resolver

        if servers not in self._made:
            self._made[servers] = Resolver(servers, log)
        return self._made[servers]
