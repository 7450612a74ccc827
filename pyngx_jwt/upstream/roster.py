"""The addresses that names of a group were resolved to, and the servers that were added or
changed while it was in use, as all workers know them.

A roster is written by one worker and read by all (`Shared`).  Its peers come after those with
fixed addresses, in the order of their arrival.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .address import PeerAddress, inet_address, unix_address


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


class Edit(NamedTuple):
    """A server that was added, or takes the place of one with the same serial."""

    serial: int
    address: PeerAddress
    name: str  # as it was given
    weight: int = 1
    max_conns: int = 0
    max_fails: int = 1
    fail_timeout: int = 10
    backup: bool = False
    down: bool = False
    drain: bool = False
    slow_start: float = 0.0
    route: str = ""


class Roster(NamedTuple):
    """All of them; `valid` says of a directive until when its addresses are (Unix time), and
    `removed` are the serials of fixed servers that are not used any more."""

    found: tuple[Found, ...] = ()
    valid: Mapping[int, int] = {}
    last: int = 0  # the serial that was given out last
    edits: tuple[Edit, ...] = ()
    removed: tuple[int, ...] = ()

    def renewed(self, server: int, answers: Sequence[Answer], valid: int) -> Roster:
        """With the addresses that the name of a server stands for now.  What is still there
        stays where it is, and what is new comes last (ngx_http_upstream_zone_resolve_handler)."""
        new = list(answers)
        found = [one for one in self.found if one.server != server or _is_still(one, new)]
        found += [Found(self.last + n, server, *answer) for n, answer in enumerate(new, 1)]
        return self._replace(
            found=tuple(found), valid={**self.valid, server: valid}, last=self.last + len(new)
        )

    def added(self, edit: Edit) -> Roster:
        """With one more server; its serial is the next one."""
        serial = self.last + 1
        return self._replace(edits=(*self.edits, edit._replace(serial=serial)), last=serial)

    def changed(self, edit: Edit) -> Roster:
        """With another version of a server."""
        others = [one for one in self.edits if one.serial != edit.serial]
        return self._replace(edits=(*others, edit))

    def without(self, serial: int) -> Roster:
        """Without a server that was added, or a fixed one."""
        edits = tuple([one for one in self.edits if one.serial != serial])
        removed = (*self.removed, serial) if serial < 0 else self.removed
        return self._replace(edits=edits, removed=removed)

    def encode(self) -> bytes:
        found = [
            (one.serial, one.server, one.address.host, one.address.port, *one[3:])
            for one in self.found
        ]
        edits = [(one.serial, one.address.host, one.address.port, *one[2:]) for one in self.edits]
        return json.dumps(
            (found, list(self.valid.items()), self.last, edits, self.removed)
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Roster:
        found, valid, last, edits, removed = json.loads(data)
        return cls(
            tuple(
                Found(serial, server, inet_address(host, port), *rest)
                for serial, server, host, port, *rest in found
            ),
            dict(valid),
            last,
            tuple(
                Edit(serial, address_of(host, port), *rest) for serial, host, port, *rest in edits
            ),
            tuple(removed),
        )


def address_of(host: str, port: int) -> PeerAddress:
    """The address of an IP address or, without a port, of a unix socket."""
    return inet_address(host, port) if port else unix_address(host)


def _is_still(found: Found, answers: list[Answer]) -> bool:
    """Whether it is among the answers, from which it is taken then."""
    answer = Answer(*found[2:])
    if answer in answers:
        answers.remove(answer)
        return True
    return False
