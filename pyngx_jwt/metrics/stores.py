"""What a worker counts of the store that zones share with other machines."""

from __future__ import annotations

from .kinds import (
    DISCARDED,
    MICROSECONDS,
    RECEIVED,
    REQUESTS,
    SENT,
    STORE,
    STORE_CONNECTIONS,
    STORE_COPIED,
    STORE_FALLBACKS,
    STORE_LOST,
    STORE_STEPS,
    bucket_of,
)
from .tallies import Tallies


class StoreCounts:
    """One per worker: exchanges and their times, and for which zones there was no store."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._row = tallies.row(STORE)

    def connected(self) -> None:
        """There is a new connection."""
        self._row.add(STORE_CONNECTIONS)

    def exchanged(self, steps: int, seconds: float) -> None:
        """A batch was answered."""
        numbers = self._row.numbers
        numbers[REQUESTS] += 1
        numbers[STORE_STEPS] += steps
        numbers[MICROSECONDS] += int(seconds * 1e6)
        numbers[bucket_of(seconds)] += 1
        self._row.changed()

    def moved(self, sent: int, received: int) -> None:
        """So many bytes more have gone both ways."""
        self._row.numbers[SENT] += sent
        self._row.add(RECEIVED, received)

    def copied(self, records: int) -> None:
        """So many changes of maps have come."""
        self._row.add(STORE_COPIED, records)

    def failed(self) -> None:
        """A connection was not made, or was given up."""
        self._row.add(DISCARDED)

    def fell_back(self, zone: str, *, denied: bool) -> None:
        """The store could not be asked about the zone."""
        self._tallies.row(STORE_FALLBACKS, zone).add(int(denied))

    def lost(self, zone: str) -> None:
        """A change of the zone was not taken or not sent."""
        self._tallies.row(STORE_LOST, zone).add(0)
