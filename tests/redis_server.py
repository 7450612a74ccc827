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

import pytest
import redis

DEADLINE = 20.0  # seconds


class RedisServer:
    """One server, which can be killed and started again with nothing of what it had."""

    def __init__(self, directory: Path) -> None:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            pytest.skip("no redis-server: see docs/testing.md")
        self._command = found
        self.path = str(directory / "redis.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self.path)

    def start(self) -> None:
        Path(self.path).unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", self.path, "--save", ""]
        options += ["--unixsocketperm", "777", "--appendonly", "no"]
        self._process = subprocess.Popen([self._command, *options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(redis.RedisError), self.client() as client:
                client.ping()
                return
            assert time.monotonic() < until and self._process.poll() is None, "redis did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait(DEADLINE)


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[RedisServer]:
    server = RedisServer(directory)
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
