"""pyngx --check: asks a running server how it is, for the health checks of containers."""

from __future__ import annotations

import http.client
import socket
import sys
from urllib.parse import urlsplit

from .arguments import CommandParser
from .exits import CLEAN, NEGATIVE

DEFAULT = "http://127.0.0.1/healthz"
TIMEOUT = 5.0  # seconds
ABOUT = 'Requests a URL, which a location with "pyngx_health" should answer.'
STATUSES = (
    "exit status: 0 if the response has a status of 200 to 299; 1 otherwise, with the reason on "
    "stderr; 4 for a wrong command line"
)
URL = (
    "http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH (the certificate is not verified) or "
    f"unix:SOCKET:/PATH (default: {DEFAULT})"
)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def main(words: list[str]) -> int:
    """Returns the exit status."""
    parser = CommandParser(prog="pyngx --check", description=ABOUT, epilog=STATUSES)
    parser.add_argument("url", metavar="URL", nargs="?", default=DEFAULT, help=URL)
    try:
        return check(parser.parse_args(words).url)
    except SystemExit as end:
        return int(end.code or 0)


def check(url: str) -> int:
    """Asks; 0 if all is well."""
    try:
        connection, target = _connection(url)
        try:
            connection.request("GET", target, headers={"User-Agent": "pyngx-check"})
            response = connection.getresponse()
            body = response.read(4096)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _fail(f"{url}: {error or type(error).__name__}")
    if 200 <= response.status < 300:
        return CLEAN
    return _fail(f"{url}: {response.status} {body.decode('utf-8', 'replace').strip()}")


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """The connection and the target of the request; raises ValueError."""
    if url.startswith("unix:"):
        path, _, target = url.removeprefix("unix:").partition(":")
        return UnixConnection(path, TIMEOUT), target or "/"
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT), target
    if parts.scheme == "https" and parts.hostname:
        return _https(parts.hostname, parts.port), target
    raise ValueError("neither http, https nor unix")


def _https(host: str, port: int | None) -> http.client.HTTPConnection:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def _fail(text: str) -> int:
    print(f"pyngx --check: {text}", file=sys.stderr)
    return NEGATIVE
