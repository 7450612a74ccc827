"""pyngx --check: asks a running server how it is, for the health checks of containers."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
from urllib.parse import urlsplit

from .arguments import CommandParser
from .exits import CLEAN, NEGATIVE, USAGE

DEFAULT = "http://127.0.0.1/healthz"
TIMEOUT = 5.0  # seconds
ABOUT = 'Requests a URL, which a location with "pyngx_health" should answer.'
NOT_A_URL = "it has to begin with http://, https:// or unix:"
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
    except ValueError as error:
        _fail(f'invalid URL "{url}": {error}')
        return USAGE
    try:
        try:
            connection.request("GET", target, headers={"User-Agent": "pyngx-check"})
            response = connection.getresponse()
            body = response.read(4096)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _fail(f"{url}: {_reason(error)}")
    if 200 <= response.status < 300:
        return CLEAN
    return _fail(f"{url}: {response.status} {_said(response, body)}")


def _reason(error: Exception) -> str:
    """Why there is no response."""
    if isinstance(error, TimeoutError):
        return f"no response in {TIMEOUT:g} seconds"
    if isinstance(error, http.client.HTTPException):
        return "the response is not HTTP: is this the right port?"
    if type(error).__name__.startswith("SSL"):  # the module is not loaded for other URLs
        return "the TLS handshake failed: is this a port for plain HTTP?"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot connect: {error.strerror}"
    return str(error)


def _said(response: http.client.HTTPResponse, body: bytes) -> str:
    """What a response says of itself: the reasons of "pyngx_health", or else a short text."""
    kind = response.headers.get_content_type()
    text = body.decode("utf-8", "replace").strip()
    if kind == "application/json":
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return "; ".join(json.loads(text)["reasons"])
    if response.status in (301, 302, 303, 307, 308):
        return f"{response.reason}, to {response.headers.get('Location', 'nowhere')}"
    if kind == "text/html" or not text:
        return response.reason
    return text.splitlines()[0]


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """The connection and the target of the request; raises ValueError."""
    for prefix in ("unix:", "http://unix:"):  # as "proxy_pass" writes it
        if url.startswith(prefix):
            path, _, target = url.removeprefix(prefix).partition(":")
            return UnixConnection(path, TIMEOUT), target or "/"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is not a number up to 65535") from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http" and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, port, timeout=TIMEOUT), target
    if parts.scheme == "https" and parts.hostname:
        return _https(parts.hostname, port), target
    raise ValueError(NOT_A_URL)


def _https(host: str, port: int | None) -> http.client.HTTPConnection:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def _fail(text: str) -> int:
    print(f"pyngx --check: {text}", file=sys.stderr)
    return NEGATIVE
