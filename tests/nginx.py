"""The server under test: pyngx, or the real nginx that TEST_NGINX_BINARY names.

A configuration is written around a snippet, the inside of ``server { }``. In all texts
``%%PORT%%`` is the port of that server, ``%%PORT_name%%`` another port that is kept free for the
test (a server listens there if the configuration or a backend makes it, else connections are
refused), and ``%%DIR%%`` the prefix.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .backend import Backend, Script
from .launch import BINARY, Process, start
from .nameserver import NameServer, Step
from .ports import HeldPort
from .transcript import compose, exchanges
from .wire import DEADLINE, Answer, Wire

if TYPE_CHECKING:
    from .http2client import Http2Client
    from .http3client import Http3Client

START = 30.0  # seconds for start, reload and end
TROUBLE = re.compile(r"^.*(?:\[alert\]|\[emerg\]|Traceback \(most recent call last\)).*$", re.M)
REFUSAL = re.compile(r"^nginx: \[emerg\] (.*?)(?: in \S*/nginx\.conf:(\d+))?$", re.M)

T = TypeVar("T")


@dataclass(slots=True)
class Conversation:
    """One connection to the server."""

    wire: Wire
    keepalive: bool = True

    def exchange(self, transcript: str) -> None:
        """Plays the requests one after the other on this connection."""
        for exchange in exchanges(transcript):
            self.wire.send(exchange.request(self.keepalive))
            assert exchange.told(self.wire.answer(exchange.method)) == exchange.text

    def request(self, *head: str, body: str = "") -> Answer | None:
        """Sends one request of these head lines and reads its answer."""
        self.wire.send(compose([*head], body, keepalive=self.keepalive))
        return self.wire.answer(head[0].partition(" ")[0])


class Nginx:
    """A server with a prefix of its own; started by a call, stopped by the fixture."""

    def __init__(self, prefix: Path, binary: str | None = BINARY) -> None:
        self.prefix = prefix
        self.binary = binary
        self.process: Process | None = None
        self.trouble_is_expected = False
        self._ports: dict[str, HeldPort] = {}
        self._backends: list[Backend] = []
        self._name_servers: list[NameServer] = []
        self._checked: dict[str, int] = {}
        for folder in ("html", "logs"):
            (prefix / folder).mkdir()

    def __call__(
        self,
        server: str = "",
        *,
        http: str = "",
        main: str = "",
        events: str = "",
        files: Mapping[str, str | bytes] | None = None,
        servers: Sequence[str] = (),
        listen: str = "127.0.0.1:%%PORT%%",
        options: Sequence[str] = (),
    ) -> None:
        """Serves the snippets, after writing the files (paths relative to the prefix)."""
        for path, content in (files or {}).items():
            self.write(path, content)
        self._configure(server, http, main, events, servers, listen)
        arguments = [*options, *self._arguments()]
        self.process = start(arguments, self.prefix / "logs/stderr", self.binary)
        self._wait(self._has_started, "nginx did not start", START)

    # What is asked of a running server.

    def exchange(self, transcript: str, port: str = "") -> None:
        """Plays every exchange on a connection of its own, which the server has to close."""
        for exchange in exchanges(self.filled(transcript)):
            with self._connected(port) as wire:
                wire.send(exchange.request())
                answer = wire.answer(exchange.method)
                assert exchange.told(answer) == exchange.text
                assert wire.closed(), f"more after the answer: {wire.rest(1)!r}"

    def request(self, *head: str, body: str = "", port: str = "") -> Answer:
        """One request of these head lines, completed as in a transcript, and its answer."""
        with self._connected(port) as wire:
            wire.send(compose([self.filled(line) for line in head], body))
            answer = wire.answer(head[0].partition(" ")[0])
            assert answer is not None, "closed without an answer"
            return answer

    def raw(self, data: bytes, port: str = "", *, seconds: float = DEADLINE) -> bytes:
        """Sends bytes as they are and returns all that comes until the server closes."""
        with self._connected(port) as wire:
            wire.send(data)
            return wire.rest(seconds)

    @contextmanager
    def connect(self, port: str = "") -> Iterator[Conversation]:
        """A connection for several requests, or for bytes by its ``wire``."""
        with self._connected(port) as wire:
            yield Conversation(wire)

    @contextmanager
    def http2(self, port: str = "") -> Iterator[Http2Client]:
        """A connection with prior knowledge of HTTP/2."""
        from .http2client import Http2Client

        with socket.create_connection(("127.0.0.1", self.port(port)), DEADLINE) as sock:
            yield Http2Client(sock)

    def http3(self, port: str = "", **settings: Any) -> Http3Client:
        """A connection of HTTP/3, after its handshake."""
        from .http3client import Http3Client

        return Http3Client(self.port(port), **settings)

    # What is asked of a configuration.

    def stream(self, text: str, **more: Any) -> None:
        """As a call, with servers of "stream" instead of one of HTTP on %%PORT%%."""
        self(main=f"stream {{\n{_dedented(text)}\n}}", **more)

    def rejects(
        self,
        server: str = "",
        message: str | re.Pattern[str] = "",
        *,
        line: int | None = None,
        http: str = "",
        main: str = "",
        events: str = "",
        options: Sequence[str] = (),
    ) -> None:
        """Expects "nginx -t" to fail with exactly this message.

        ``line`` is that of the snippet, counted from 1; None takes any place, 0 wants none.
        """
        self._configure(server, http, main, events)
        status, output = self._test(options)
        found = REFUSAL.search(output)
        assert status == 1 and found, f"not rejected:\n{output}"
        if isinstance(message, str):
            assert found[1] == self.filled(message)
        else:
            assert message.fullmatch(found[1]), found[1]
        if line is not None:
            assert int(found[2] or 0) == (line and line + self._offset(server or http or main))

    def refused(self, server: str = "", *, http: str = "", main: str = "") -> str:
        """Expects "nginx -t" to fail, and returns all that it wrote."""
        self._configure(server, http, main)
        status, output = self._test()
        assert status == 1, output
        return output

    def accepts(
        self, server: str = "", *, http: str = "", main: str = "", options: Sequence[str] = ()
    ) -> str:
        """Expects "nginx -t" to succeed, and returns what it wrote."""
        self._configure(server, http, main)
        status, output = self._test(options)
        assert status == 0, output
        return output

    # Logs.

    def error_log(self) -> str:
        return self.read("logs/error.log")

    def wait_for_log(
        self,
        pattern: str,
        count: int = 1,
        seconds: float = DEADLINE,
        *,
        name: str = "error.log",
    ) -> str:
        """Waits until so many lines of error.log have a match, and returns the last of them."""

        def found() -> tuple[bool, list[str]]:
            text = self.read(f"logs/{name}")
            lines = [line for line in text.splitlines() if re.search(pattern, line)]
            return len(lines) >= count, lines

        return self._wait(found, f"not in {name}: {pattern}", seconds)[-1]

    def access_log(self, count: int = 0, name: str = "access.log") -> list[str]:
        """The lines of a file in logs, once there are at least so many."""

        def lines() -> tuple[bool, list[str]]:
            found = self.read(f"logs/{name}").split("\n")[:-1]
            return len(found) >= count, found

        return self._wait(lines, f"fewer than {count} lines in {name}", DEADLINE)

    def check_logs(self) -> None:
        """Asserts that nothing bad has been logged since the last check."""
        for name in ("logs/error.log", "logs/stderr"):
            text = self.read(name)
            start, self._checked[name] = self._checked.get(name, 0), len(text)
            found = TROUBLE.search(text, start)
            assert self.trouble_is_expected or found is None, text[start:]
        for backend in self._backends:
            assert not backend.failures, backend.failures

    # Surroundings.

    def port(self, name: str = "") -> int:
        """A port by name, free and kept so."""
        if name not in self._ports:
            self._ports[name] = HeldPort()
        return self._ports[name].number

    def backend(self, name: str, *scripts: bytes | Script) -> Backend:
        """Starts a scripted upstream on %%PORT_name%%."""
        self.port(name)
        backend = Backend(self._ports[name].tcp, scripts)
        backend.start()
        self._backends.append(backend)
        return backend

    def names(self, name: str, zone: dict[str, Step | list[Step]]) -> NameServer:
        """Starts a name server on %%PORT_name%%."""
        server = NameServer(self.port(name), zone)
        server.start()
        self._name_servers.append(server)
        return server

    def write(self, path: str, content: str | bytes) -> Path:
        """Writes a file of the prefix."""
        file = self.prefix / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode("latin-1") if isinstance(content, str) else content)
        return file

    def read(self, path: str) -> str:
        """A file of the prefix, "" if there is none."""
        file = self.prefix / path
        return file.read_bytes().decode("latin-1") if file.exists() else ""

    def filled(self, text: str) -> str:
        """The text with ports and the prefix filled in."""
        text = re.sub(r"%%PORT(?:_(\w+?))?%%", lambda m: str(self.port(m[1] or "")), text)
        return text.replace("%%DIR%%", str(self.prefix))

    # Life and death.

    def reload(
        self,
        server: str = "",
        *,
        http: str = "",
        main: str = "",
        listen: str = "127.0.0.1:%%PORT%%",
    ) -> None:
        """Replaces the configuration and waits until only the new one is served."""
        workers = _workers(self.read("nginx.conf"))
        self._configure(server, http, main, listen=listen)
        log = self.error_log()
        emergencies, done = log.count("[emerg]"), log.count("gracefully shutting down")
        self.send_signal(signal.SIGHUP)

        def reloaded() -> tuple[bool, None]:
            log = self.error_log()
            assert log.count("[emerg]") == emergencies, log
            return log.count("gracefully shutting down") >= done + workers, None

        self._wait(reloaded, "not reloaded", START)

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def pid(self) -> int:
        return int(self.read("logs/nginx.pid"))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server, which has to exit with status 0."""
        for backend in self._backends:
            backend.stop()
        for server in self._name_servers:
            server.stop()
        for held in self._ports.values():
            held.close()
        process, self.process = self.process, None
        if process is None:
            return
        os.kill(process.pid, number)
        try:
            status = process.wait(START)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(START)
            raise
        assert status == 0, self.read("logs/stderr")

    def _configure(
        self,
        server: str,
        http: str = "",
        main: str = "",
        events: str = "",
        servers: Sequence[str] = (),
        listen: str = "127.0.0.1:%%PORT%%",
    ) -> None:
        user = "user root;" if os.geteuid() == 0 else ""
        others = "\n".join(f"server {{\n{text}\n}}" for text in servers)
        self.write(
            "nginx.conf",
            self.filled(
                f"daemon off; {user} pid logs/nginx.pid; error_log logs/error.log info;\n"
                f"{_dedented(main)}\nevents {{ {events} }}\n"
                f"http {{\naccess_log off;\n{_dedented(http)}\n"
                f"server {{\nlisten {listen};\n{_dedented(server)}\n}}\n{others}\n}}\n"
            ),
        )

    def _offset(self, snippet: str) -> int:
        """The number of lines before the snippet in nginx.conf."""
        text = self.read("nginx.conf")
        return text[: text.index(f"\n{self.filled(_dedented(snippet))}\n") + 1].count("\n")

    def _arguments(self, log: str = "error.log") -> list[str]:
        prefix = str(self.prefix)
        return ["-p", prefix, "-c", f"{prefix}/nginx.conf", "-e", f"{prefix}/logs/{log}"]

    def _test(self, options: Sequence[str] = ()) -> tuple[int, str]:
        """The exit status of "-t" and what it wrote."""
        output = self.prefix / "logs/test"
        output.unlink(missing_ok=True)
        arguments = ["-t", *options, *self._arguments("test.log")]
        status = start(arguments, output, self.binary).wait(START)
        return status, self.read("logs/test")

    def _has_started(self) -> tuple[bool, None]:
        assert self.process
        if self.process.poll() is not None:
            status, self.process = self.process.poll(), None
            self.trouble_is_expected = True  # and told here
            raise AssertionError(f"exit status {status}:\n{self.read('logs/stderr')}")
        return bool(self.read("logs/nginx.pid")), None

    @contextmanager
    def _connected(self, port: str) -> Iterator[Wire]:
        with socket.create_connection(("127.0.0.1", self.port(port)), DEADLINE) as client:
            yield Wire(client)

    def _wait(self, condition: Callable[[], tuple[bool, T]], failure: str, seconds: float) -> T:
        """Waits for a condition to hold, and returns what it found."""
        deadline = time.monotonic() + seconds
        while True:
            holds, found = condition()
            if holds:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"{failure}\n{self.error_log()}{self.read('logs/stderr')}")
            time.sleep(0.01)


def _workers(conf: str) -> int:
    """How many processes serve with this configuration."""
    found = re.search(r"\bworker_processes (\d+);", conf)
    return max(int(found[1]), 1) if found and "master_process off;" not in conf else 1


def _dedented(text: str) -> str:
    return textwrap.dedent(text).strip("\n")
