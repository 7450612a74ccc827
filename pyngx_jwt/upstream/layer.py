"""Records in which a protocol wraps its responses; a connection unwraps them as they come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Layer(Protocol):
    """The records of one exchange."""

    closed: bool  # the exchange is over: nothing of it follows
    exact: bool  # nothing stood behind its end, so that another may follow

    def unwrap(self, data: bytes) -> Iterator[bytes]:
        """The response's bytes in what has come, piece by piece: each has been dealt with before
        the next one is looked for.  Raises UpstreamError."""

    def wrap(self, head: bytes) -> bytes:
        """A response's head in records, as a cache keeps it."""
