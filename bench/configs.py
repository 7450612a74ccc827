"""Processor time and memory for large configurations, beside nginx: python -m bench.configs.

Each configuration is read by -t; then it is served and reloaded, by a master and one worker.  Time
is that of all processes together, up to the first response of the new worker.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.oracle import binary

ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 300.0  # seconds


def servers(count: int) -> Iterator[str]:
    """Virtual servers of 14 lines on a few addresses."""
    for number in range(count):
        yield f"server {{\n  listen 127.0.0.1:{20000 + number % 20};"
        yield f"  server_name host{number}.example.com www.host{number}.example.com;"
        yield f"  root /var/www/host{number};\n  location / {{"
        yield "    try_files $uri $uri/ /index.html;\n    add_header X-Frame-Options DENY;\n  }"
        yield "  location /api/ {\n    proxy_pass http://127.0.0.1:9000;"
        yield "    proxy_set_header Host $host;\n    proxy_set_header X-Real-IP $remote_addr;"
        yield "  }\n}"


def entries(count: int) -> Iterator[str]:
    """One map."""
    yield "map_hash_max_size 1000000; map_hash_bucket_size 128;\nmap $uri $target {"
    for number in range(count):
        yield f"  /old/{number} /new/{number};"
    yield "}\nserver { listen 127.0.0.1:20000; location / { return 200 $target; } }"


def locations(count: int) -> Iterator[str]:
    """One server."""
    yield "server {\n  listen 127.0.0.1:20000;"
    for number in range(count):
        yield f"  location /api/r{number}/ {{ proxy_pass http://127.0.0.1:9000/x{number}/; }}"
    yield "}"


SUBJECTS: dict[str, tuple[Callable[[int], Iterator[str]], int]] = {
    "servers": (servers, 7_000),
    "map entries": (entries, 100_000),
    "locations": (locations, 20_000),
}
PROGRAMS = {"pyngx": [sys.executable, "-m", "pyngx_jwt"], "nginx": [str(binary())]}


def write(prefix: Path, lines: Iterator[str], port: int, generation: int) -> None:
    own = f"server {{ listen 127.0.0.1:{port}; return 200 {generation}; }}"
    head = "daemon off; worker_processes 1; pid pid; error_log stderr crit; events { }"
    sizes = "server_names_hash_max_size 65536; server_names_hash_bucket_size 128;"
    text = "\n".join([head, "http {", sizes, "access_log off;", own, *lines, "}", ""])
    (prefix / "nginx.conf").write_text(text)


def command(program: str, prefix: Path) -> list[str]:
    return [*PROGRAMS[program], "-p", str(prefix), "-c", "nginx.conf", "-e", "stderr"]


def test_seconds(program: str, prefix: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command(program, prefix), "-t", "-q"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Running:
    """A server with one worker."""

    def __init__(self, program: str, prefix: Path, port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(command(program, prefix))

    def wait_for(self, generation: int) -> None:
        """Waits for the worker that has the configuration, and for the end of the others."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._answer() == str(generation) and len(self.pids()) == 2:
                return
            time.sleep(0.02)
        raise TimeoutError(generation)

    def _answer(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        return ""

    def pids(self) -> list[int]:
        master = self.process.pid
        text = Path(f"/proc/{master}/task/{master}/children").read_text()
        return [master, *map(int, text.split())]

    def seconds(self) -> float:
        """Of the processes there are, and of those that have ended."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in self.pids()]
        master, *workers = [list(map(int, text.split()[11:15])) for text in fields]
        return (sum(master) + sum(sum(times[:2]) for times in workers)) / TICKS

    def megabytes(self) -> float:
        """What the master and the worker use together, shared pages once."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids()]
        lines = [line for text in texts for line in text.splitlines() if line.startswith("Pss:")]
        return sum(int(line.split()[1]) for line in lines) / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def measure(program: str, subject: str, prefix: Path) -> Iterator[float]:
    make, count = SUBJECTS[subject]
    port = free_port()
    write(prefix, make(count), port, 1)
    yield min(test_seconds(program, prefix) for _ in range(ROUNDS))
    server = Running(program, prefix, port)
    try:
        server.wait_for(1)
        started = server.seconds()
        yield started
        yield server.megabytes()
        write(prefix, make(count), port, 2)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(2)
        yield server.seconds() - started
        yield server.megabytes()
    finally:
        server.stop()


def main() -> None:
    print(f"{'':26}{'-t':>9}{'start':>9}{'':>9}{'reload':>9}")
    for subject, (_, count) in SUBJECTS.items():
        for program in PROGRAMS:
            with tempfile.TemporaryDirectory() as directory:
                test, start, before, reload, after = measure(program, subject, Path(directory))
            print(
                f"{count:>8,} {subject:<12}{program:<6}{test:7.2f} s{start:7.2f} s{before:6.0f} MB"
                f"{reload:7.2f} s{after:6.0f} MB"
            )


if __name__ == "__main__":
    main()
