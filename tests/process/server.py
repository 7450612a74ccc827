"""Starts the fake server as real processes and waits for what it does."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..ports import free_port
from ..wire import DEADLINE

ROOT = Path(__file__).parent.parent.parent
FAKE = Path(__file__).with_name("fake.py")
T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T], deadline: float = DEADLINE) -> T:
    """The first true value of the condition."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise TimeoutError(what)


class Server:
    """One prefix folder with its configuration, processes and logs."""

    def __init__(self, prefix: Path) -> None:
        self.prefix, self.port = prefix, free_port()
        self.executable = FAKE
        self.environ: dict[str, str] = {}  # added to ours
        self.process: subprocess.Popen[bytes] | None = None
        self.conf: dict[str, Any] = {"listen": [{"host": "127.0.0.1", "port": self.port}]}

    def write(self, **conf: Any) -> None:
        """Changes the configuration file; ``main=`` values are added to those there."""
        main = {**self.conf.get("main", {}), **conf.pop("main", {})}
        self.conf = {**self.conf, **conf, "main": main}
        (self.prefix / "nginx.conf").write_text(json.dumps(self.conf))

    def command(self, *options: str) -> list[str]:
        return [
            sys.executable,
            str(self.executable),
            "-p",
            f"{self.prefix}/",
            "-c",
            "nginx.conf",
            *options,
        ]

    def run(self, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Runs the command to its end."""
        return subprocess.run(
            self.command(*options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            **more,
        )

    def start(self, **conf: Any) -> int:
        """Starts in the foreground and returns the pid once it is in the pid file."""
        self.write(**conf)
        with open(self.prefix / "stderr", "wb") as stderr:
            self.process = subprocess.Popen(self.command(), env=self.environment, stderr=stderr)
        return wait_for("pid file", self.pid)

    def start_daemon(self, **conf: Any) -> int:
        self.write(**{**conf, "main": {**conf.get("main", {}), "daemon": True}})
        started = self.run()
        assert started.returncode == 0, started.stderr
        return self.pid()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KEPT": "kept",
            "DROPPED": "dropped",
            **self.environ,
        }

    def pid(self, name: str = "nginx.pid") -> int:
        try:
            return int((self.prefix / name).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid(), number)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def get(self, uri: str = "/", port: int = 0) -> list[str]:
        """Text, pid and worker number of who answers, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=DEADLINE)
        connection.request("GET", uri)
        try:
            return connection.getresponse().read().decode().split(" ")
        finally:
            connection.close()

    def log(self) -> str:
        try:
            return (self.prefix / "error.log").read_text()
        except FileNotFoundError:
            return ""

    def logged(self, pattern: str, times: int = 1) -> list[str]:
        """Waits until ``times`` lines have a match; the matches (or first groups)."""

        def found() -> list[str]:
            matches = re.findall(pattern, self.log(), re.MULTILINE)
            return matches if len(matches) >= times else []

        try:
            return wait_for(pattern, found)
        except TimeoutError:
            raise AssertionError(f"{pattern!r} is not in:\n{self.log()}") from None

    def workers(self, times: int = 1) -> list[int]:
        """The pids of all workers ever started, of at least so many."""
        return [int(x) for x in self.logged(r"start worker process (\d+)$", times)]

    def wait(self) -> int:
        """The exit status of the foreground process."""
        assert self.process
        return self.process.wait(DEADLINE)

    def stop(self) -> None:
        """Ends whatever of it still runs, by pid."""
        found = {*map(int, re.findall(r"start (?:worker|new binary) process (\d+)", self.log()))}
        found |= {self.pid(), self.pid("nginx.pid.oldbin")} - {0}
        for pid in sorted(found):
            if _is_ours(pid, self.prefix):
                os.kill(pid, signal.SIGKILL)
        if self.process:
            self.process.kill()
            self.process.wait(DEADLINE)


def _is_ours(pid: int, prefix: Path) -> bool:
    """Whether the pid is still a process of this test; pids are used again."""
    try:
        return str(prefix).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def running(pid: int) -> bool:
    """Whether the process is there and not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
