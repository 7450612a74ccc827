"""A server with pyngx's processes and a configuration of a few JSON values.

``python fake.py -p DIR -c FILE`` stands for ``pyngx``: it answers every request with its text
and its pid, so that a test can tell which process and configuration served it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import weakref
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pyngx_jwt.cli import open_standard_files, parse, server_options
from pyngx_jwt.core.module import MasterEvent
from pyngx_jwt.errors import ConfError
from pyngx_jwt.log import FileTarget, Log, OpenFile, OpenFiles, Severity
from pyngx_jwt.options import Options
from pyngx_jwt.process import Control, run
from pyngx_jwt.zones import Zones


@dataclass(frozen=True, slots=True)
class FakeMain:
    daemon: bool = False
    master_process: bool = True
    pid: str = "nginx.pid"
    worker_processes: int = 1
    worker_rlimit_nofile: int = 0
    keeps_net_raw: bool = False
    worker_shutdown_timeout: float = 0.0
    working_directory: str = ""
    user: tuple[int, int] | None = (os.geteuid(), os.getegid())
    env: tuple[str, ...] = ()
    watch: float = -1.0


@dataclass(frozen=True, slots=True)
class FakeListen:
    host: str
    port: int = 0
    family: int = socket.AF_INET
    backlog: int = 511
    reuseport: bool = False
    ipv6only: bool = True
    deferred: bool = False
    so_keepalive: str = ""
    rcvbuf: int = 0
    sndbuf: int = 0
    fastopen: int = 0
    multipath: bool = False
    datagram: bool = False

    @property
    def key(self) -> str:
        return f"udp {self.text}" if self.datagram else self.text

    @property
    def text(self) -> str:
        if self.family == socket.AF_UNIX:
            return f"unix:{self.host}"
        host = f"[{self.host}]" if self.family == socket.AF_INET6 else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FakeCycle:
    main: FakeMain
    listens: tuple[FakeListen, ...]
    log: Log
    open_files: OpenFiles
    directories: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    text: str
    access: OpenFile | None
    crash: str
    zones: Zones = field(default_factory=Zones)
    understanding: str = "as it stands"

    def check_user(self, user: tuple[int, int]) -> None:
        """It can be anybody."""

    def check_continues(self, old: FakeCycle) -> None:
        if self.crash == "continue":
            raise ConfError(self.crash).nowhere()

    def hand_over(self) -> bytes:
        if self.crash == "hand over":
            raise RuntimeError(self.crash)
        return self.text.encode()

    def take_over(self, data: bytes) -> None:
        self.log.write(Severity.NOTICE, f"taken over: {data.decode()}")
        if self.crash == "take over":
            raise RuntimeError(self.crash)

    def let_go(self) -> None:
        """It is made of nothing."""

    def watched(self) -> tuple[str, ...]:
        return ()

    def note(self, event: MasterEvent) -> None:
        """Nothing is counted."""

    def start(self) -> None:
        if self.crash == "start":
            raise ConfError(self.crash).nowhere()
        if self.crash == "bug at start":
            raise RuntimeError(self.crash)

    def exit(self) -> None:
        self.zones.close()


class Garbage:
    """Refers to itself, as much of what an error leaves does."""

    alive: ClassVar[weakref.WeakSet[Garbage]] = weakref.WeakSet()

    def __init__(self) -> None:
        self.itself = self
        Garbage.alive.add(self)


def load(options: Options, log: Log) -> FakeCycle:
    with open(options.conf_file) as file:
        text = file.read()
    conf: dict[str, Any] = json.loads(text)
    if "garbage" in conf:
        Garbage()
        log.write(Severity.NOTICE, f"garbage: {len(Garbage.alive)}")
    if "refuse" in conf:
        raise ConfError(conf["refuse"]).at(options.conf_file, 1)
    if "bug" in conf:
        raise RuntimeError(conf["bug"])
    if "warn" in conf:
        log.write(Severity.WARN, conf["warn"])
    files = OpenFiles()
    target = files.add(options.full_name(conf.get("error_log", "error.log")))
    access = files.add(options.full_name(conf["access_log"])) if "access_log" in conf else None
    zones = Zones()
    for name, size in conf.get("zones", {}).items():
        zones.add(name, size, "fake")
    main = {"pid": "nginx.pid", **conf.get("main", {})}
    main["pid"] = options.full_name(main["pid"])
    main["env"] = tuple(main.get("env", ()))
    return FakeCycle(
        FakeMain(**main),
        tuple(FakeListen(**x) for x in conf.get("listen", ())),
        Log(FileTarget(target, Severity.DEBUG)),
        files,
        tuple(options.full_name(x) for x in conf.get("directories", ())),
        ((options.conf_file, text),),
        conf.get("text", ""),
        access,
        conf.get("crash", ""),
        zones,
    )


class FakeServer:
    def __init__(self, cycle: FakeCycle, control: Control) -> None:
        self.cycle, self.control = cycle, control
        self.idle: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Notes the connection at once: its task may begin after the server was told to quit."""
        task = asyncio.get_running_loop().create_task(self.connection(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.idle.discard(writer)
                await self.answer(head.decode().split(" ")[1], writer)
                if self.control.quit.is_set():
                    break
                self.idle.add(writer)
        self.idle.discard(writer)
        writer.close()

    async def ended(self) -> None:
        for _ in range(10):  # what asyncio has accepted becomes a connection some turns later
            await asyncio.sleep(0)
        while self.tasks:
            await asyncio.wait(self.tasks)

    async def terminated(self) -> None:
        await self.control.terminate.wait()

    async def answer(self, uri: str, writer: asyncio.StreamWriter) -> None:
        if uri.startswith("/wait/"):  # answered when the file is there
            while not os.path.exists(uri.removeprefix("/wait")):
                await asyncio.sleep(0.01)
        if uri.startswith("/env/"):
            body = os.environ.get(uri.removeprefix("/env/"), "-")
        else:
            body = f"{self.cycle.text} {os.getpid()} {self.control.worker}"
        if self.cycle.access is not None:
            self.cycle.access.write(f"{uri}\n".encode(), self.cycle.log)
        last = "close" if self.control.quit.is_set() else "keep-alive"
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: {last}\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()


async def serve(
    cycle: FakeCycle, sockets: list[tuple[FakeListen, socket.socket]], control: Control
) -> None:
    if cycle.crash == "at once":
        raise RuntimeError("told to crash")
    fake = FakeServer(cycle, control)
    servers = [await asyncio.start_server(fake.accepted, sock=x) for _, x in sockets]
    if cycle.crash == "return":
        await asyncio.sleep(0.05)
        return
    await control.quit.wait()
    for server in servers:
        server.close()
    for writer in list(fake.idle):
        writer.close()
    ended = asyncio.create_task(fake.ended())
    terminated = asyncio.create_task(fake.terminated())
    if cycle.crash == "hang":
        await asyncio.sleep(3600)
    await asyncio.wait([ended, terminated], return_when=asyncio.FIRST_COMPLETED)
    terminated.cancel()


def main() -> int:
    open_standard_files()
    return run(server_options(parse(sys.argv[1:])), load, serve)


if __name__ == "__main__":
    sys.exit(main())
