"""A real nginx that caches what a scripted upstream says."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.oracle import binary
from tests.ports import free_port
from tests.wire import DEADLINE

CONF = """
daemon off; worker_processes 1; pid nginx.pid; error_log error.log info; %(user)s
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path tmp; proxy_temp_path temp 1 2; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp;
    proxy_cache_path %(cache)s levels=1:2 keys_zone=one:%(zone)s %(path)s;
    proxy_cache_key $arg_key$uri;
    proxy_buffer_size 8k;
    server {
        listen 127.0.0.1:%(port)d;
        add_header X-Cache $upstream_cache_status always;
        location / {
            proxy_pass http://127.0.0.1:%(upstream)d;
            proxy_cache one;
            %(location)s
        }
    }
}
"""


class Upstream:
    """Answers each path with its bytes, and paths without with 500."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (more := connection.recv(65536)):
            request += more
        text = request.decode("latin-1")
        self.requests.append(text)
        path = text.split(" ")[1].partition("?")[0] if " " in text else ""
        connection.sendall(self.answers.get(path, b"HTTP/1.1 500 No\r\n\r\n"))

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class RealNginx:
    """A prefix; ``start`` and ``stop`` as often as wanted."""

    def __init__(self, prefix: Path, upstream: Upstream) -> None:
        self.prefix, self.upstream = prefix, upstream
        self.cache = prefix / "cache"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, location: str = "", path: str = "", zone: str = "1m") -> None:
        self.port = free_port()
        values = {
            "cache": self.cache,
            "port": self.port,
            "upstream": self.upstream.port,
            "location": location,
            "path": path,
            "zone": zone,
            "user": "user root;" if os.geteuid() == 0 else "",
        }
        conf = self.prefix / "nginx.conf"
        conf.write_text(CONF % values)
        command = [str(binary()), "-p", str(self.prefix), "-e", "error.log", "-c", str(conf)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.02)
        raise TimeoutError(self.log())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        return (self.prefix / "error.log").read_text("latin-1")

    def get(self, uri: str, headers: Sequence[tuple[str, str]] = ()) -> tuple[str, str, str]:
        """$upstream_cache_status, the head and the body of the answer."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as client:
            client.sendall(f"GET {uri} HTTP/1.0\r\nHost: x\r\n{fields}\r\n".encode("latin-1"))
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode("latin-1")
        head, _, body = answer.partition("\r\n\r\n")
        status = head.partition("\r\nX-Cache: ")[2].partition("\r\n")[0]
        return status, head, body

    def files(self) -> list[Path]:
        return [x for x in self.cache.rglob("*") if x.is_file()]
