"""The request that is explained: made by hand, sent to nobody."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ...http.head import Head, new_head
from ...http.location import Server
from ...http.ports import Address
from ...http.request import Request, Status
from ...http.status import DONE
from ...http.uri import normalize
from ...log import Level as LogLevel
from ..model import Configuration

PORTS = {"http": 80, "https": 443}


class Wrong(Exception):
    """A question that cannot be asked."""


class Asked(NamedTuple):
    """What the command line asks for."""

    method: str
    url: str
    fields: tuple[tuple[str, str], ...]
    client: str = "127.0.0.1"


class Client:
    """A connection that there is not."""

    number = requests = 1
    remote_port, sent = "50000", 0
    proxy_protocol: Any = None
    closed = False

    def __init__(self, address: str, server_port: int, *, tls: bool) -> None:
        self.remote_addr, self.server_port = address, str(server_port)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.binary_remote_addr = socket.inet_pton(family, address)
        self.server_addr, self.start = "127.0.0.1", time.time()
        nothing = lambda: None  # noqa: E731
        self.ssl: Any = None
        if tls:
            self.ssl = SimpleNamespace(
                version=lambda: "TLSv1.3",
                cipher=lambda: ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256),
                session_reused=False,
                selected_alpn_protocol=nothing,
            )

    def tcp_info(self) -> bytes:
        return b""


class Traced(Request):
    """A request that keeps what it would have logged, and sends nothing."""

    def __init__(self, head: Head, connection: Client, server: Server) -> None:
        nowhere: Any = None
        super().__init__(head, connection, nowhere, server)
        self.told: list[str] = []
        self.answer: bytes | None = None

    def log(self, level: LogLevel, text: str) -> None:
        if level <= LogLevel.INFO:
            self.told.append(text)

    def respond(self, status: Status, body: bytes, content_type: str | None = None) -> Status:
        self.status, self.answer = status, body
        if status in (301, 302, 303, 307, 308):
            self.location_out = body.decode("latin-1")
            return status
        return DONE


def make_request(conf: Configuration, asked: Asked) -> tuple[Traced, Address, str]:
    """The request, the address that it comes in on, and what had to be guessed."""
    scheme, host, port, target = _parts(asked)
    address, guess = _address(conf, port, scheme)
    try:
        client = Client(asked.client, address.listen.port, tls=address.listen.ssl)
    except OSError:
        raise Wrong(f'"{asked.client}" is no address') from None
    head = new_head(0, f"{asked.method} {target} HTTP/1.1")
    head.method, head.http_version = asked.method, 1001
    _fill(head, asked, host)
    r = Traced(head, client, address.names.default)
    length = r.index.get("content-length", "")
    r.content_length_in = int(length) if length.isdigit() else -1
    normal = normalize(target, address.names.default.core.merge_slashes)
    if normal is None:
        raise Wrong(f'nginx answers 400 to "{target}": the URI cannot be decoded')
    r.uri, r.args, r.quoted_uri, r.plus_in_uri = normal
    r.unparsed_uri, r.valid_unparsed_uri = target, True
    return r, address, guess


def _parts(asked: Asked) -> tuple[str, str, int, str]:
    if asked.url.startswith("/"):
        host = next((v for n, v in asked.fields if n.lower() == "host"), "")
        name, _, digits = host.partition(":")
        return "", name.lower(), int(digits) if digits.isdigit() else 0, asked.url
    try:
        url = urlsplit(asked.url)
        port = url.port or PORTS[url.scheme]
    except (ValueError, KeyError):
        raise Wrong(f'"{asked.url}" is neither an http or https URL nor a path') from None
    target = asked.url.split("//", 1)[1]
    target = target[len(url.netloc) :].partition("#")[0] or "/"
    return url.scheme, (url.hostname or "").lower(), port, target


def _address(conf: Configuration, port: int, scheme: str) -> tuple[Address, str]:
    addresses = conf.addresses
    if not addresses:
        raise Wrong("there is no server in the configuration")
    tls = scheme == "https"
    fitting = [a for a in addresses if a.listen.port == port and a.listen.ssl is tls]
    if fitting:
        return fitting[0], ""
    same = [a for a in addresses if a.listen.port == port]
    if same and scheme:
        word = "TLS" if same[0].listen.ssl else "no TLS"
        return same[0], f"port {port} speaks {word}"
    if port and scheme:
        told = f"nothing listens on port {port}, {addresses[0].listen.text} is taken"
        return addresses[0], told
    return addresses[0], ""


def _fill(head: Head, asked: Asked, host: str) -> None:
    given = [(n, v) for n, v in asked.fields if n.lower() != "host"]
    named = next((v for n, v in asked.fields if n.lower() == "host"), host)
    head.headers = [*([("Host", named)] if named else []), *given]
    head.index = _index(head.headers)
    head.host = named.partition(":")[0].lower()


def _index(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
