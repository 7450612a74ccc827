"""A Redis or Valkey server for a test, and a network before it that can be bad."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from .nginx import Nginx
from .process.server import wait_for
from .wire import DEADLINE


class RedisServer:
    """One server, which can be killed and started again with nothing of what it had."""

    def __init__(self, directory: Path, *options: str, name: str = "redis") -> None:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            pytest.skip("no redis-server: see docs/testing.md")
        directory.mkdir(exist_ok=True)
        self.path = str(directory / f"{name}.sock")
        socket_options = ["--unixsocket", self.path, "--unixsocketperm", "777"]
        ports = () if {"--port", "--sentinel"} & {*options} else ("--port", "0")
        self._command = [found, *options, *ports, "--dir", str(directory), *socket_options]
        if "--sentinel" not in options:
            self._command += ["--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.path, **options)

    def start(self) -> None:
        Path(self.path).unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(redis.ConnectionError), self.client() as client:
                with contextlib.suppress(redis.AuthenticationError):  # which it answers
                    client.ping()
                return
            assert time.monotonic() < until and self._process.poll() is None, "redis did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait(DEADLINE)


@contextlib.contextmanager
def redis_server(directory: Path, *options: str, name: str = "redis") -> Iterator[RedisServer]:
    server = RedisServer(directory, *options, name=name)
    try:
        yield server
    finally:
        server.kill()


class BadNetwork:
    """A door to the server that passes all on, or drips, or goes silent."""

    def __init__(self, directory: Path, server: RedisServer) -> None:
        self.path = str(directory / "network.sock")
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        Path(self.path).chmod(0o666)
        self._listener.listen()
        self.pause = 0.0  # seconds before each byte of an answer
        self.silent = threading.Event()  # answers are swallowed
        self.instead = b""  # of the first answer to what comes from now on
        self.greeting: bytes | None = None  # of a server that says this, and nothing else
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            if self.greeting is not None:
                client.sendall(self.greeting)
                while client.recv(65536):
                    pass
                return
            server.connect(self._server.path)
            back = threading.Thread(target=self._answers, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(65536):
                server.sendall(data)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.silent.is_set():
                    continue
                if self.instead:
                    client.sendall(self.instead)
                    break
                if not self.pause:
                    client.sendall(data)
                    continue
                for number in data:
                    time.sleep(self.pause)
                    client.sendall(bytes([number]))
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


STATUS = "location = /up { return 200 $pyngx_zone_store_status; }"


class Machines:
    """Servers with one configuration, each a machine of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.all: list[Nginx] = []

    def __call__(self, count: int, server: str, http: str, **more: Any) -> list[Nginx]:
        """Starts them, and waits until they are connected with the store."""
        for _ in range(count):
            self.start(server, http, **more)
        for machine in self.all:
            wait_until(machine, "UP")
        return self.all

    def start(self, server: str, http: str, **more: Any) -> Nginx:
        """Starts one, which may find no store."""
        machine = self.new()
        machine(server + STATUS, http=http, **more)
        return machine

    def new(self) -> Nginx:
        """One that is not started."""
        prefix = self._directory / f"machine{len(self.all)}"
        prefix.mkdir()
        machine = Nginx(prefix)
        self.all.append(machine)
        return machine

    def stop(self) -> None:
        with contextlib.ExitStack() as ends:
            for machine in self.all:
                ends.callback(machine.stop)


@contextlib.contextmanager
def machines_in(directory: Path) -> Iterator[Machines]:
    machines = Machines(directory)
    try:
        yield machines
    finally:
        machines.stop()


def wait_until(machine: Nginx, status: str) -> None:
    wait_for(status, lambda: machine.request("GET /up").body == status.encode())


def statuses(machines: list[Nginx], uri: str, count: int) -> list[int]:
    """Requests to the machines in turn."""
    return [machines[n % len(machines)].request(f"GET {uri}").status for n in range(count)]
