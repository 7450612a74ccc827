"""Applications behind SCGI, uwsgi and FastCGI: scripts for a backend that speak one of them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .backend import Backend, Peer, Script
from .nginx import Nginx

Environ = list[tuple[str, str]]
STDIN, STDOUT, STDERR, END_REQUEST = 5, 6, 7, 3
PROTOCOLS = ("scgi", "uwsgi", "fastcgi")


def record(kind: int, data: bytes = b"", padding: int = 0, *, request: int = 1) -> bytes:
    """A record of FastCGI."""
    return struct.pack(">BBHHBx", 1, kind, request, len(data), padding) + data + bytes(padding)


def end_request(padding: int = 0) -> bytes:
    return record(END_REQUEST, bytes(8), padding)


@dataclass(slots=True)
class Call:
    """One request to an application."""

    peer: Peer
    protocol: str
    environ: Environ = field(default_factory=list)
    keeps: bool = False  # the connection is to be left open
    modifiers: tuple[int, int] = (0, 0)
    body_sizes: list[int] = field(default_factory=list)  # of FastCGI's records, without the last

    def read_head(self) -> None:
        """The parameters; they have to be well-formed."""
        pairs = {"scgi": self._scgi, "uwsgi": self._uwsgi, "fastcgi": self._fastcgi}
        self.environ = [*pairs[self.protocol]()]
        self.peer.on_head()

    def __getitem__(self, name: str) -> str:
        return dict(self.environ)[name]

    def body(self, length: int | None = None) -> bytes:
        """The body, or so much of it; FastCGI says where it ends, the others in a parameter."""
        if self.protocol == "fastcgi":
            return b"".join(self._stdin(length))
        if length is None:
            length = int(dict(self.environ).get("CONTENT_LENGTH") or 0)
        return self.peer.exactly(length)

    def send(self, data: bytes) -> None:
        """A part of the response."""
        if self.protocol != "fastcgi":
            self.peer.send(data)
            return
        for at in range(0, len(data), 0xFFFF):
            piece = data[at : at + 0xFFFF]
            self.peer.send(record(STDOUT, piece, -len(piece) % 8))

    def end(self) -> None:
        """The response is complete."""
        if self.protocol == "fastcgi":
            self.peer.send(record(STDOUT) + end_request())

    def _scgi(self) -> Iterator[tuple[str, str]]:
        length = int(self.peer.until(b":")[:-1])
        words = self.peer.exactly(length).decode("latin-1").split("\0")
        assert self.peer.exactly(1) == b"," and words.pop() == ""
        return zip(words[::2], words[1::2], strict=True)

    def _uwsgi(self) -> Iterator[tuple[str, str]]:
        first, length, second = struct.unpack("<BHB", self.peer.exactly(4))
        self.modifiers = first, second
        data, words = self.peer.exactly(length), []
        while data:
            size = int.from_bytes(data[:2], "little")
            words.append(data[2 : size + 2].decode("latin-1"))
            assert len(data) >= size + 2
            data = data[size + 2 :]
        return zip(words[::2], words[1::2], strict=True)

    def _record(self) -> tuple[int, bytes]:
        version, kind, request, length, padding = struct.unpack(">BBHHBx", self.peer.exactly(8))
        assert (version, request) == (1, 1)
        data = self.peer.exactly(length)
        self.peer.exactly(padding)
        return kind, data

    def _fastcgi(self) -> Iterator[tuple[str, str]]:
        kind, data = self._record()
        assert kind == 1 and data[:2] == b"\0\1" and data[3:] == bytes(5)
        self.keeps = bool(data[2] & 1)
        packed = b""
        while True:
            kind, data = self._record()
            assert kind == 4
            if not data:
                return _unpacked(packed)
            packed += data

    def _stdin(self, length: int | None) -> Iterator[bytes]:
        size = 0
        while length is None or size < length:
            kind, data = self._record()
            assert kind == STDIN
            if not data:
                assert length is None, "the body is too short"
                return
            self.body_sizes.append(len(data))
            size += len(data)
            yield data


def _unpacked(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        sizes = []
        for _ in range(2):
            width = 4 if data[0] & 0x80 else 1
            sizes.append(int.from_bytes(data[:width], "big") & 0x7FFFFFFF)
            data = data[width:]
        name, value, data = data[: sizes[0]], data[sizes[0] : sum(sizes)], data[sum(sizes) :]
        yield name.decode("latin-1"), value.decode("latin-1")


Application = Callable[[Call], None]


def serving(protocol: str, application: bytes | Application) -> Script:
    """A script of an application that answers one request, and closes; with no bytes at all it
    only closes."""

    def script(peer: Peer) -> None:
        call = Call(peer, protocol)
        call.read_head()
        if application == b"":
            return
        if isinstance(application, bytes):
            call.send(application)
        else:
            application(call)
        call.end()

    return script


def echo(call: Call) -> None:
    """Answers with the parameters, and the body if there is one."""
    body = call.body()
    lines = [f"{name}={value}".encode("latin-1") for name, value in call.environ]
    call.send(b"Content-Type: text/plain\r\n\r\n" + b"\n".join([*lines, *([body] if body else [])]))


@dataclass(frozen=True, slots=True)
class Site:
    """A server under test that passes its requests on by one of the protocols: what is called
    cgi_* in a configuration is that protocol's."""

    nginx: Nginx
    protocol: str

    def __call__(self, snippet: str, *, http: str = "") -> None:
        self.nginx(self.named(snippet), http=self.named(http))

    def named(self, text: str) -> str:
        return text.replace("cgi_", f"{self.protocol}_")

    def application(self, *applications: bytes | Application, name: str = "b") -> Backend:
        """Applications for one connection after the other."""
        scripts = [serving(self.protocol, one) for one in applications]
        return self.nginx.backend(name, *scripts)

    def accepts(self, snippet: str, *, http: str = "") -> str:
        return self.nginx.accepts(self.named(snippet), http=self.named(http))

    def rejects(self, snippet: str, message: str | re.Pattern[str], *, http: str = "") -> None:
        if isinstance(message, str):
            expected: str | re.Pattern[str] = self.named(message)
        else:
            expected = re.compile(self.named(message.pattern))
        self.nginx.rejects(self.named(snippet), expected, http=self.named(http))
