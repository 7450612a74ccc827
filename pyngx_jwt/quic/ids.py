"""Connection ids: whose they are can be read off them, so that packets find their worker.

The first bytes name a worker, by chance numbers that are drawn when it starts; the others are
drawn for each id.
"""

from __future__ import annotations

import os

SIZE = 20  # bytes of an id of ours (NGX_QUIC_SERVER_CID_LEN)
OWNER = 6  # bytes of it that name the worker


def new_owner() -> bytes:
    """A name for a worker."""
    return os.urandom(OWNER)


def new_id(owner: bytes) -> bytes:
    """An id of a worker's connection."""
    return owner + os.urandom(SIZE - OWNER)


def owner_of(connection_id: bytes) -> bytes:
    """The worker that an id names, if it is one of ours; b"" if it cannot be."""
    return connection_id[:OWNER] if len(connection_id) == SIZE else b""
