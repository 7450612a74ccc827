"""A name server inside tests: it answers, refuses, is silent, truncates and lies.

What it says of a name is a list of steps, one for each question; the last one stays:

    server = nginx.names("dns", {"a.example": records("127.0.0.1")})
    server.zone["a.example"] = [REFUSED, records("127.0.0.1", truncated=True)]
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from .wire import DEADLINE

TTL = 3600
MOST_BYTES = 65535


@dataclass(frozen=True, slots=True)
class Records:
    """Records of a name: addresses, "CNAME host", "SRV priority weight port host"."""

    texts: tuple[str, ...] = ()
    ttl: int = TTL
    truncated: bool = False  # over UDP; over TCP the answer is whole

    def of(self, kind: str) -> list[str]:
        """The data of the records that answer a question of this type."""
        found = [_record(text) for text in self.texts]
        return [f"{name} {data}" for name, data in found if name in (kind, "CNAME")]


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer without records."""

    code: dns.rcode.Rcode


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes in the place of an answer, made of the question; several are sent one by one."""

    make: Callable[[bytes], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Slow:
    """Another step, which waits for an event."""

    step: Step
    event: threading.Event


Step = Records | Refused | Raw | Slow | None  # None: silence
NXDOMAIN, SERVFAIL = Refused(dns.rcode.NXDOMAIN), Refused(dns.rcode.SERVFAIL)
REFUSED, FORMERR = Refused(dns.rcode.REFUSED), Refused(dns.rcode.FORMERR)
NOTIMP, YXDOMAIN = Refused(dns.rcode.NOTIMP), Refused(dns.rcode.YXDOMAIN)


def records(*texts: str, ttl: int = TTL, truncated: bool = False) -> Records:
    return Records(texts, ttl, truncated)


def _record(text: str) -> tuple[str, str]:
    kind, _, data = text.partition(" ")
    if data:
        return kind, data
    return ("AAAA" if ":" in text else "A"), str(ipaddress.ip_address(text))


@dataclass(slots=True)
class NameServer:
    """Listens on UDP and TCP of one port of 127.0.0.1; `zone` can be changed at any time."""

    port: int
    zone: dict[str, Step | list[Step]]
    asked: Counter[str] = field(default_factory=Counter)  # "A a.example", "TCP A a.example"
    sources: set[int] = field(default_factory=set)  # ports of the clients
    drip: float = 0  # seconds between the bytes of an answer over TCP
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _sockets: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener = socket.socket()
        for bound in (datagrams, listener):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(("127.0.0.1", self.port))
        listener.listen()
        self._sockets = [datagrams, listener]
        for run, bound in ((self._serve_udp, datagrams), (self._serve_tcp, listener)):
            threading.Thread(target=run, args=(bound,), daemon=True).start()

    def stop(self) -> None:
        for bound in self._sockets:
            with contextlib.suppress(OSError):
                bound.shutdown(socket.SHUT_RDWR)
            bound.close()

    def wait_until_asked(self, question: str, count: int = 1, seconds: float = DEADLINE) -> None:
        """Waits for so many questions "A name" in all."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.asked[question] >= count, seconds), (
                self.asked
            )

    def _serve_udp(self, bound: socket.socket) -> None:
        while True:
            try:
                data, client = bound.recvfrom(MOST_BYTES)
            except OSError:
                return
            if not client:  # it has been stopped
                return
            self.sources.add(client[1])

            def answer(data: bytes = data, client: tuple[str, int] = client) -> None:
                for message in self._answers(data, tcp=False):
                    with contextlib.suppress(OSError):
                        bound.sendto(message, client)

            threading.Thread(target=answer, daemon=True).start()

    def _serve_tcp(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file, contextlib.suppress(OSError):
            while length := file.read(2):
                for message in self._answers(file.read(int.from_bytes(length, "big")), tcp=True):
                    self._send(connection, len(message).to_bytes(2, "big") + message)

    def _send(self, connection: socket.socket, data: bytes) -> None:
        if not self.drip:
            connection.sendall(data)
            return
        for byte in data:
            connection.sendall(bytes((byte,)))
            time.sleep(self.drip)

    def _answers(self, data: bytes, *, tcp: bool) -> Sequence[bytes]:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        step = self._step(name, kind, tcp=tcp)
        while isinstance(step, Slow):
            step.event.wait()
            step = step.step
        if step is None:
            return ()
        if isinstance(step, Raw):
            return step.make(data)
        return (_message(query, kind, step, tcp=tcp),)

    def _step(self, name: str, kind: str, *, tcp: bool) -> Step:
        """What is said now: A and AAAA of a name are one question."""
        with self._arrived:
            self.asked[f"TCP {kind} {name}" if tcp else f"{kind} {name}"] += 1
            self._arrived.notify_all()
            steps = self.zone.get(name, NXDOMAIN)
            if not isinstance(steps, list):
                return steps
            return steps[min(self.asked[f"{kind} {name}"], len(steps)) - 1]


def _message(query: dns.message.Message, kind: str, step: Records | Refused, *, tcp: bool) -> bytes:
    answer = dns.message.make_response(query)
    if isinstance(step, Refused):
        answer.set_rcode(step.code)
        return answer.to_wire()
    if step.truncated and not tcp:
        answer.flags |= dns.flags.TC
        return answer.to_wire()
    for record in step.of(kind):
        text, _, rest = record.partition(" ")
        rrset = dns.rrset.from_text(query.question[0].name, step.ttl, "IN", text, rest)
        answer.answer.append(rrset)
    return answer.to_wire(max_size=MOST_BYTES)
