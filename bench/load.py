"""What asks the servers: wrk, h2load, and clients of its own for the rest.

wrk sends requests that were composed beforehand, each connection the next one of all; h2load
varies what it can, the target, so that tokens travel in the query there.  Neither is the
bottleneck, as what counts is the processor time of the server over the answers.
"""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .http3 import ask
from .requests import common_head, requests, targets, write_requests
from .rows import Row
from .servers import Server, Used

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 32
STREAMS = 10  # of each connection of HTTP/2
SHAKING = 4  # threads that shake hands
BUSY = NEW = 200  # connections that keep a server busy, and that come new
LEAD = 0.7  # seconds in which the busy connections get busy


class Percentiles(NamedTuple):
    """Milliseconds that half, 99 % and 99.9 % of the responses have taken at most."""

    p50: float
    p99: float
    p999: float


class Report(NamedTuple):
    answers: int
    percentiles: Percentiles


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests of a row, written down for the programs that send them."""

    row: Row
    varied: bool
    path: Path  # requests for wrk, or targets for h2load
    texts: Sequence[bytes]

    @classmethod
    def write(cls, row: Row, tokens: Sequence[str], folder: Path, *, varied: bool) -> Traffic:
        texts = requests(row, tokens, varied=varied)
        path = folder / f"{row.key}-{'varied' if varied else 'identical'}"
        if row.load == "h2load":
            path.write_text("".join(f"{it}\n" for it in targets(row, tokens, varied=varied)))
        else:
            write_requests(path, texts)
        return cls(row, varied, path, texts)


class Meter:
    """Measures a server with the requests of a row, and goes on where it stopped."""

    def __init__(self, server: Server, traffic: Traffic) -> None:
        self.server, self.traffic = server, traffic
        self._asked = 0

    def measure(self, seconds: int) -> Used:
        """Microseconds of processor time per answer."""
        before = self.server.used()
        answers = self._load(seconds)
        after = self.server.used()
        self._asked += answers
        each = 1e6 / answers
        return Used((after.user - before.user) * each, (after.system - before.system) * each)

    def _load(self, seconds: int) -> int:
        row = self.traffic.row
        port = self.server.ports.of(row.way)
        if row.load == "handshake":
            return shake_hands(port, self.traffic.texts[0], seconds, resumes=row.resumes)
        if row.load == "http3":
            return ask(port, self.traffic.texts, seconds, self._asked)
        if row.load == "h2load":
            return h2load(self.server.name, self.traffic, port, seconds, self._asked)
        return wrk(self.server.name, self.traffic, port, seconds, self._asked).answers


def wrk(
    name: str,
    traffic: Traffic,
    port: int,
    seconds: int,
    asked: int = 0,
    connections: int = CONNECTIONS,
) -> Report:
    """Asks for so long, beginning after so many of the requests; an answer that fails ends the
    program."""
    command = wrk_command(traffic, port, seconds, asked, connections)
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counted = re.search(r"^answers (\d+) failures (\d+) bytes (\d+)$", report, re.M)
    times = re.search(r"^p50 (\d+) p99 (\d+) p99.9 (\d+)$", report, re.M)
    if not counted or not times:
        sys.exit(f"{name}, {traffic.row.name}: wrk says\n{report}")
    answers, failures, size = map(int, counted.groups())
    if not answers or failures or (size < answers * traffic.row.size and not traffic.row.gzips):
        sys.exit(f"{name}, {traffic.row.name}: not all requests succeeded\n{report}")
    return Report(answers, Percentiles(*(int(micro) / 1000 for micro in times.groups())))


def wrk_command(
    traffic: Traffic, port: int, seconds: int, asked: int, connections: int
) -> list[str]:
    scheme = "https" if traffic.row.way == "tls" else "http"
    return [
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"),
        *("-s", str(SCRIPT), f"{scheme}://127.0.0.1:{port}/", "--", str(traffic.path)),
        str(asked),
    ]


def h2load(name: str, traffic: Traffic, port: int, seconds: int, asked: int) -> int:
    """The number of answers.  Each connection takes the targets from the top: so the list is
    turned before."""
    listed = traffic.path.read_text().splitlines()
    turned = traffic.path.with_suffix(".turned")
    at = asked % len(listed)
    lines = (f"https://127.0.0.1:{port}{target}\n" for target in listed[at:] + listed[:at])
    turned.write_text("".join(lines))
    head = [word for line in common_head() for word in ("-H", f"{line[0].lower()}: {line[1]}")]
    report = subprocess.run(
        [
            *("h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}"),
            *("-i", str(turned), *head),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    counted = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", report)
    if not counted or not int(counted[1]) or any(int(n) for n in counted.groups()[1:]):
        sys.exit(f"{name}, {traffic.row.name}: not all requests succeeded\n{report}")
    return int(counted[1])


# -- handshakes ------------------------------------------------------------------------------


def shake_hands(port: int, request: bytes, seconds: int, *, resumes: bool) -> int:
    """The number of handshakes in so many seconds; each connection asks once."""
    until = time.monotonic() + seconds
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(_shake(port, request, until, resumes)))
        for _ in range(SHAKING)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < SHAKING:
        sys.exit("a handshake failed")
    return sum(counts)


def _shake(port: int, request: bytes, until: float, resumes: bool) -> int:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session: ssl.SSLSession | None = None
    count = 0
    while not count or time.monotonic() < until:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="bench.example", session=session) as tls,
        ):
            tls.sendall(request)
            answer = tls.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(answer[:80])
            if session is not None and not tls.session_reused:
                raise ConnectionError("the session was not resumed")
            session = tls.session if resumes else None
        count += 1
    return count


# -- latency ---------------------------------------------------------------------------------


def last_of_new(server: Server, traffic: Traffic) -> float:
    """Milliseconds until the last of many new connections is answered while others are busy."""
    port = server.ports.of(traffic.row.way)
    command = wrk_command(traffic, port, 10, 0, BUSY)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as busy:
        time.sleep(LEAD)
        try:
            return _open_all(port, traffic.texts[0]) * 1000
        finally:
            busy.kill()


def _open_all(port: int, request: bytes) -> float:
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(NEW):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            selector.register(sock, selectors.EVENT_WRITE)
        waiting = NEW
        while waiting:
            for key, events in selector.select():
                sock = key.fileobj  # type: ignore[assignment]
                if events & selectors.EVENT_WRITE:
                    sock.sendall(request)
                    selector.modify(sock, selectors.EVENT_READ)
                    continue
                if not sock.recv(65536).startswith(b"HTTP/1.1 200"):
                    sys.exit("a new connection was not answered")
                selector.unregister(sock)
                sock.close()
                waiting -= 1
    return time.perf_counter() - began
