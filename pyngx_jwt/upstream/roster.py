"""The addresses that names of a group were resolved to, as all workers know them.

A roster is written by one worker and read by all (`Shared`).  Its peers come after those with
fixed addresses, in the order of their arrival.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


class Answer(NamedTuple):
    """What DNS says of a server."""

    address: PeerAddress
    name: str
    weight: int
    backup: bool


class Roster(NamedTuple):
    """All of them; `valid` says of a directive until when its addresses are (Unix time)."""

    found: tuple[Found, ...] = ()
    valid: Mapping[int, int] = {}
    last: int = 0  # the serial that was given out last

    def renewed(self, server: int, answers: Sequence[Answer], valid: int) -> Roster:
        """With the addresses that the name of a server stands for now.  What is still there
        stays where it is, and what is new comes last (ngx_http_upstream_zone_resolve_handler)."""
        new = list(answers)
        found = [one for one in self.found if one.server != server or _is_still(one, new)]
        found += [Found(self.last + n, server, *answer) for n, answer in enumerate(new, 1)]
        return Roster(tuple(found), {**self.valid, server: valid}, self.last + len(new))

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


def _is_still(found: Found, answers: list[Answer]) -> bool:
    """Whether it is among the answers, from which it is taken then."""
    answer = Answer(*found[2:])
    if answer in answers:
        answers.remove(answer)
        return True
    return False
