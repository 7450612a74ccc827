"""What is generated, and what a server made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

SENTINEL = b"GET /end HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Script:
    """How an upstream answers a request: bytes in pieces, and then "close", "reset" or "open"."""

    pieces: tuple[bytes, ...]
    end: str

    @property
    def text(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Case:
    """One connection of a client.

    A request that ends the connection follows the packets: its answer shows that what came before
    was taken for neither more nor less than it was.
    """

    packets: tuple[bytes, ...]
    script: Script | None = None
    about: str = ""  # the configuration, if it was generated
    takes_its_time: bool = False  # to read

    @property
    def sent(self) -> bytes:
        return b"".join(self.packets)


@dataclass(frozen=True, slots=True)
class Setting:
    """The configuration of both servers, in the parts that the harness takes."""

    http: str
    servers: tuple[str, ...]  # the first is the default server
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read leniently."""

    status: str  # the whole line
    fields: tuple[str, ...]
    body: bytes

    @property
    def code(self) -> str:
        return self.status.partition(" ")[2][:3]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client and the upstream saw of one server."""

    answers: tuple[Answer, ...]
    upstream: tuple[str, ...]
    hangs: bool

    @property
    def codes(self) -> list[str]:
        return [answer.code for answer in self.answers]

    def __str__(self) -> str:
        lines = [f"{a.status} {' | '.join(a.fields)}\n    {a.body!r}" for a in self.answers]
        lines += [f"upstream: {request}" for request in self.upstream]
        return "\n  ".join([*lines, "(hangs)" if self.hangs else "(closed)"])


@dataclass(frozen=True, slots=True)
class Kind:
    """A generator of cases; a batch of them shares a setting, and so a pair of servers."""

    name: str
    setting: Callable[[Random, int], Setting]  # of the batch with this number
    case: Callable[[Random, Setting, int], Case]  # the number is that within the batch
