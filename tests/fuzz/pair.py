"""pyngx and nginx with one configuration, and what they make of a case."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ..nginx import TROUBLE, Nginx
from .answers import read
from .case import SENTINEL, Case, Outcome, Setting
from .recorder import Recorder, Visit

DEADLINE = 6.0  # seconds; the servers give up everything in less than two
PAUSE = 0.003  # seconds between packets
SETTLED = 0.1  # seconds until all of a suspicious case has happened
COMMON = """
server_tokens off;
client_header_timeout 800ms; client_body_timeout 800ms; keepalive_timeout 800ms; send_timeout 1s;
lingering_timeout 500ms; lingering_time 1s;
proxy_connect_timeout 500ms; proxy_read_timeout 600ms; proxy_send_timeout 500ms;
proxy_set_header X-Case $remote_port;
proxy_ignore_client_abort on;
"""


class Client(asyncio.Protocol):
    """Keeps all that comes until the server closes."""

    def __init__(self, *, takes_its_time: bool) -> None:
        self.takes_its_time = takes_its_time
        self.received = bytearray()
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.takes_its_time:
            connected = self.transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.takes_its_time and not self.transport.is_closing():
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(PAUSE, self._go_on)

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


MEANT_ALERT = re.compile(r"pcre2_match\(\) failed|\"alias\" cannot be used in location")


@dataclass(slots=True)
class Side:
    """One of the two servers with its upstream."""

    nginx: Nginx
    upstream: Recorder

    async def start(self, setting: Setting) -> None:
        for name, content in setting.files.items():
            os.utime(self.nginx.write(name, content), (10**9, 10**9))
        await self.upstream.start(self.nginx.port("up"))
        first, *others = setting.servers
        listening = [f"listen 127.0.0.1:%%PORT%%;\n{server}" for server in others]
        http = COMMON + setting.http
        await asyncio.to_thread(self.nginx, first, http=http, servers=listening)

    async def stop(self) -> None:
        self.upstream.stop()
        await asyncio.to_thread(self.nginx.stop)

    async def play(self, case: Case, settle: float) -> Outcome:
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(
            lambda: Client(takes_its_time=case.takes_its_time), "127.0.0.1", self.nginx.port()
        )
        port = transport.get_extra_info("sockname")[1]
        visit = self.upstream.visits[port] = Visit(case.script)
        hangs = False
        try:
            async with asyncio.timeout(DEADLINE):
                await _send(transport, case)
                await client.closed
            await asyncio.sleep(settle)
        except TimeoutError:
            hangs = True
        finally:
            transport.abort()
            del self.upstream.visits[port]
        answers = read(self._without_ports(bytes(client.received)))
        requests = [
            self._without_ports(r.encode("latin-1")).decode("latin-1") for r in visit.requests
        ]
        return Outcome(answers, tuple(requests), hangs)

    def _without_ports(self, data: bytes) -> bytes:
        """With names of the same length instead of them, as lengths are compared, too."""
        for name, port in ((b"OWN", self.nginx.port()), (b"UP", self.nginx.port("up"))):
            number = b"%d" % port
            data = re.sub(rb"(?<!\d)%b(?!\d)" % number, name.ljust(len(number), b"_"), data)
        return data


@dataclass(slots=True)
class Pair:
    ours: Side
    theirs: Side
    plays: int = 0

    async def play(self, case: Case, settle: float = 0.0) -> tuple[Outcome, Outcome]:
        """%%RUN%% is another number each time, for what a cache must not know yet."""
        self.plays += 1
        run = b"%d" % self.plays
        case = replace(case, packets=tuple(p.replace(b"%%RUN%%", run) for p in case.packets))
        ours, theirs = await asyncio.gather(
            self.ours.play(case, settle), self.theirs.play(case, settle)
        )
        return ours, theirs


@asynccontextmanager
async def started(setting: Setting, folder: Path, binary: str) -> AsyncIterator[Pair]:
    """Both servers; AssertionError if one refuses the setting, or pyngx logs an [alert]."""
    sides = []
    for name, program in (("pyngx", None), ("nginx", binary)):
        (folder / name).mkdir(parents=True)
        sides.append(Side(Nginx(folder / name, program), Recorder()))
    try:
        await asyncio.gather(*(side.start(setting) for side in sides))
        yield Pair(sides[0], sides[1])
    finally:
        await asyncio.gather(*(side.stop() for side in sides))
        _check_logs(sides[0].nginx)


def _check_logs(nginx: Nginx) -> None:
    """These are an [alert] in nginx, too."""
    for name in ("logs/error.log", "logs/stderr"):
        text = nginx.read(name)
        for found in TROUBLE.finditer(text):
            assert MEANT_ALERT.search(found[0]), text[found.start() :]


async def _send(transport: asyncio.Transport, case: Case) -> None:
    for number, packet in enumerate((*case.packets[:-1], case.packets[-1] + SENTINEL)):
        if number:
            await asyncio.sleep(PAUSE)
        if transport.is_closing():
            return
        transport.write(packet)
