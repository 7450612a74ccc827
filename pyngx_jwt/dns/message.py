"""Messages of DNS, as far as a resolver needs them (RFC 1035, 2782, 3596).

Names are latin-1 text in lower case, without a dot at the end.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import NamedTuple

import dns.exception
import dns.name
import dns.wire

from .answers import Service

A, CNAME, AAAA, SRV, DNAME = 1, 5, 28, 33, 39
LARGEST_UDP = 4096  # bytes; more is cut, as nginx cuts it

_IN = 1
_HEADER = Struct("!6H")
_QUESTION = Struct("!2H")  # type, class
_RECORD = Struct("!HHlH")  # type, class, ttl, length
_SERVICE = Struct("!3H")  # priority, weight, port
_RECURSION = 0x0100
_TRUNCATED = 0x0200
# A response to a standard query; no bit that must be zero is set.
_KIND, _RESPONSE = 0xF870, 0x8000
_NO_TTL = 0xFFFFFFFF
_POINTER = 0xC0  # bits of a label that is a pointer
_LENGTH = {A: 4, AAAA: 16}
_FAMILY = {A: socket.AF_INET, AAAA: socket.AF_INET6}
_TYPE_NAMES = {A: "A", AAAA: "AAAA"}


class BadMessage(Exception):
    """A message that is left aside, and why, in nginx's words."""


class BadName(Exception):
    """A name that DNS cannot have."""


class Question(NamedTuple):
    """What is asked: the addresses or services of a name."""

    name: str
    type: int


class Head(NamedTuple):
    """The first twelve bytes."""

    ident: int
    flags: int
    questions: int
    answers: int

    @property
    def code(self) -> int:
        return self.flags & 0xF

    @property
    def is_truncated(self) -> bool:
        return bool(self.flags & _TRUNCATED)

    @property
    def is_response(self) -> bool:
        return self.flags & _KIND == _RESPONSE


class Response(NamedTuple):
    """An answer to a question; `records` is how many there are, of all types."""

    code: int
    records: int = 0
    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    alias: str = ""
    ttl: int = _NO_TTL  # the shortest of the records, in seconds
    unexpected: tuple[int, ...] = ()  # types of other records


def query(question: Question, ident: int) -> bytes:
    """The message that asks; raises BadName."""
    labels = [label.encode("latin-1") for label in question.name.split(".")]
    try:
        name = dns.name.Name([*labels, b""]).to_wire()
    except dns.exception.DNSException:
        raise BadName(question.name) from None
    assert name is not None
    head = _HEADER.pack(ident, _RECURSION, 1, 0, 0, 0)
    return head + name + question.type.to_bytes(2, "big") + _IN.to_bytes(2, "big")


def read_head(data: bytes) -> Head:
    """Raises BadMessage."""
    if len(data) < _HEADER.size:
        raise BadMessage("short DNS response")
    return Head(*_HEADER.unpack_from(data)[:4])


class Reader:
    """Reads a response whose head is known, piece by piece: what follows the question is not
    looked at before the question has been compared.  All methods raise BadMessage."""

    def __init__(self, data: bytes, head: Head) -> None:
        self.head = head
        self._parser = dns.wire.Parser(data, _HEADER.size)

    def question(self) -> Question:
        if self.head.questions != 1:
            raise BadMessage("invalid number of questions in DNS response")
        name = self._name()
        if not name:
            raise BadMessage("zero-length domain name in DNS response")
        kind, space = self._numbers(_QUESTION)
        if space != _IN:
            raise BadMessage(f"unknown query class {space} in DNS response")
        return Question(name, kind)

    def response(self, question: Question) -> Response:
        """The rest, which belongs to a question that has been asked."""
        code, count = self.head.code, self.head.answers
        addresses, services, unexpected = list[str](), list[Service](), list[int]()
        alias, ttl = "", _NO_TTL
        for _ in range(count):
            self._skip_name()
            kind, space, lasts, length = self._numbers(_RECORD)
            if space != _IN:
                raise BadMessage(f"unexpected RR class {space} in DNS response")
            ttl = min(ttl, max(lasts, 0))
            start = self._parser.current
            if kind in _LENGTH and question.type != SRV:
                addresses.append(self._address(kind, length, question))
            elif kind == CNAME:
                alias = self._name()
            elif kind == SRV and question.type == SRV:
                priority, weight, port = self._numbers(_SERVICE)
                services.append(Service(priority, weight, port, self._name()))
            elif kind != DNAME:
                unexpected.append(kind)
            self._skip(start + length)
        return Response(
            code, count, tuple(addresses), tuple(services), alias, ttl, tuple(unexpected)
        )

    def _address(self, kind: int, length: int, question: Question) -> str:
        if kind != question.type:
            raise BadMessage(f"unexpected {_TYPE_NAMES[kind]} record in DNS response")
        if length != _LENGTH[kind]:
            raise BadMessage(f"invalid {_TYPE_NAMES[kind]} record in DNS response")
        try:
            return socket.inet_ntop(_FAMILY[kind], self._parser.get_bytes(length))
        except dns.exception.DNSException:
            raise BadMessage("short DNS response") from None

    def _skip(self, end: int) -> None:
        if end > self._parser.end:
            raise BadMessage("short DNS response")
        self._parser.seek(end)

    def _skip_name(self) -> None:
        """Passes over the name of a record, which may be an alias of the one that was asked."""
        parser, start = self._parser, self._parser.current
        try:
            while (length := parser.get_uint8()) and not length & _POINTER:
                parser.get_bytes(length)
            if length:
                parser.get_uint8()
        except dns.exception.DNSException:
            raise BadMessage("short DNS response") from None
        if parser.current - start < 2:
            raise BadMessage("invalid name in DNS response")

    def _numbers(self, struct: Struct) -> tuple[int, ...]:
        try:
            return struct.unpack(self._parser.get_bytes(struct.size))
        except dns.exception.DNSException:
            raise BadMessage("short DNS response") from None

    def _name(self) -> str:
        try:
            labels = dns.name.from_wire_parser(self._parser).labels
        except dns.name.BadLabelType:
            raise BadMessage("invalid label type in DNS response") from None
        except dns.name.BadPointer:
            raise BadMessage("compression pointers loop in DNS response") from None
        except dns.exception.DNSException:
            raise BadMessage("name is out of DNS response") from None
        return b".".join(labels[:-1]).decode("latin-1").lower()
