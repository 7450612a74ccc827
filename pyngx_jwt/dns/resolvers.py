"""The resolvers of a configuration."""

from __future__ import annotations

from ..log import Log
from .answers import Resolves
from .servers import NameServers

# What is counted, in the words of NGINX Plus: questions by kind (of names, services, addresses),
# then answers by their code, "timedout" and "unknown".
NUMBERS = (
    *("name", "srv", "addr", "noerror", "formerr", "servfail", "nxdomain", "notimp"),
    *("refused", "timedout", "unknown"),
)


class Resolvers:
    """One for each directive that is used; without one, no library for DNS is loaded.

    Tools that must not ask anybody give one that stands for all."""

    def __init__(self, instead: Resolves | None = None) -> None:
        self._instead = instead
        self._made: dict[NameServers, Resolves] = {}
        # Questions and answers by status_zone: see NUMBERS.
        self.counts: dict[str, list[int]] = {}

    def of(self, servers: NameServers, log: Log) -> Resolves:
        if self._instead is not None:
            return self._instead
        from .resolver import Resolver

        if servers not in self._made:
            counts = self.counts.setdefault(servers.status_zone, [0] * len(NUMBERS))
            self._made[servers] = Resolver(servers, log, counts)
        return self._made[servers]
