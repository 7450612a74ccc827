"""The addresses that names of a group were resolved to, as all workers know them.

A roster is written by one worker and read by all (`Shared`).  Its peers come after those with
fixed addresses, in the order of their arrival.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from .address import PeerAddress, inet_address


class Found(NamedTuple):
    """An address of a server whose name is resolved at run time."""

    serial: int  # what comes again after it was gone is another peer
    server: int  # the place of its "server" directive in the group
    address: PeerAddress
    name: str  # what consistent hashing knows it by
    weight: int
    backup: bool


class Roster(NamedTuple):
    """All of them; `valid` says of a directive until when its addresses are (Unix time)."""

    found: tuple[Found, ...] = ()
    valid: Mapping[int, int] = {}
    last: int = 0  # the serial that was given out last

    def encode(self) -> bytes:
        found = [
            (one.serial, one.server, one.address.host, one.address.port, *one[3:])
            for one in self.found
        ]
        return json.dumps((found, list(self.valid.items()), self.last)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Roster:
        found, valid, last = json.loads(data)
        return cls(
            tuple(
                Found(serial, server, inet_address(host, port), *rest)
                for serial, server, host, port, *rest in found
            ),
            dict(valid),
            last,
        )
