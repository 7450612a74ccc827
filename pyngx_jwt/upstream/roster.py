"""The addresses that names of a group were resolved to, and the servers that were added or
changed while it was in use, as all workers know them.

A roster is written by one worker and read by all (`Shared`).  Its peers come after those with
fixed addresses, in the order of their arrival.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .address import PeerAddress, inet_address, unix_address


class Lookup(NamedTuple):
    """What is asked of DNS, again and again, for the addresses of a server."""

    host: str
    port: int
    service: str = ""  # its SRV records name hosts and ports


class Found(NamedTuple):
    """An address of a server whose name is resolved at run time."""

    serial: int  # what comes again after it was gone is another peer
    parent: int  # the serial of that server
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
    """A server that was added, or takes the place of one with the same serial; what has a name
    that is resolved at run time has no address."""

    serial: int
    address: PeerAddress | None
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
    lookup: Lookup | None = None


class Roster(NamedTuple):
    """All of them; `valid` says of a server with a name until when its addresses are (Unix time),
    and `removed` are the serials of servers of the configuration that are not used any more."""

    found: tuple[Found, ...] = ()
    valid: Mapping[int, int] = {}
    last: int = 0  # the serial that was given out last
    edits: tuple[Edit, ...] = ()
    removed: tuple[int, ...] = ()

    def renewed(self, parent: int, answers: Sequence[Answer], valid: int) -> Roster:
        """With the addresses that the name of a server stands for now.  What is still there
        stays where it is, and what is new comes last (ngx_http_upstream_zone_resolve_handler)."""
        new = list(answers)
        found = [one for one in self.found if one.parent != parent or _is_still(one, new)]
        found += [Found(self.last + n, parent, *answer) for n, answer in enumerate(new, 1)]
        return self._replace(
            found=tuple(found),
            valid={**self.valid, parent: valid},
            last=self.last + len(new),
            edits=self._edits_without(set(self.found).difference(found)),
        )

    def _edits_without(self, gone: Iterable[Found]) -> tuple[Edit, ...]:
        serials = [one.serial for one in gone]
        return tuple([edit for edit in self.edits if edit.serial not in serials])

    def added(self, edit: Edit) -> Roster:
        """With one more server; its serial is the next one."""
        serial = self.last + 1
        return self._replace(edits=(*self.edits, edit._replace(serial=serial)), last=serial)

    def changed(self, edit: Edit) -> Roster:
        """With another version of a server.  The addresses of a name have its weight, unless it
        is a service, whose records have weights, and does not say."""
        others = [one for one in self.edits if one.serial != edit.serial]
        found = self.found
        if edit.lookup is not None and (edit.weight != 1 or not edit.lookup.service):
            found = tuple(
                [
                    one._replace(weight=edit.weight) if one.parent == edit.serial else one
                    for one in found
                ]
            )
        return self._replace(edits=(*others, edit), found=found)

    def without(self, serial: int) -> Roster:
        """Without a server that was added, or one of the configuration, and its addresses."""
        gone = [one for one in self.found if one.parent == serial]
        edits = tuple([one for one in self._edits_without(gone) if one.serial != serial])
        removed = (*self.removed, serial) if serial < 0 else self.removed
        found = tuple([one for one in self.found if one.parent != serial])
        valid = {parent: time for parent, time in self.valid.items() if parent != serial}
        return self._replace(edits=edits, removed=removed, found=found, valid=valid)

    def encode(self) -> bytes:
        found = [
            (one.serial, one.parent, one.address.host, one.address.port, *one[3:])
            for one in self.found
        ]
        edits = [(one.serial, *_parts(one.address), *one[2:]) for one in self.edits]
        return json.dumps(
            (found, list(self.valid.items()), self.last, edits, self.removed)
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Roster:
        found, valid, last, edits, removed = json.loads(data)
        return cls(
            tuple(
                Found(serial, parent, inet_address(host, port), *rest)
                for serial, parent, host, port, *rest in found
            ),
            dict(valid),
            last,
            tuple(
                Edit(serial, address_of(host, port), *rest)._replace(lookup=_lookup(lookup))
                for serial, host, port, *rest, lookup in edits
            ),
            tuple(removed),
        )


def address_of(host: str, port: int) -> PeerAddress | None:
    """The address of an IP address or, without a port, of a unix socket."""
    if not host:
        return None
    return inet_address(host, port) if port else unix_address(host)


def _lookup(parts: Sequence[Any] | None) -> Lookup | None:
    return None if parts is None else Lookup(*parts)


def _parts(address: PeerAddress | None) -> tuple[str, int]:
    return ("", 0) if address is None else (address.host, address.port)


def _is_still(found: Found, answers: list[Answer]) -> bool:
    """Whether it is among the answers, from which it is taken then."""
    answer = Answer(*found[2:])
    if answer in answers:
        answers.remove(answer)
        return True
    return False
