"""Clients that speak TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .nginx import Nginx
from .wire import DEADLINE, Answer, Wire


def client_context(
    version: ssl.TLSVersion | None = None,
    ciphers: str = "",
    alpn: tuple[str, ...] = (),
    identity: Path | None = None,
) -> ssl.SSLContext:
    """A client's, that trusts every server; `identity` is a file with its certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if identity is not None:
        context.load_cert_chain(identity)
    return context


@contextmanager
def shaken(
    nginx: Nginx,
    name: str | None = None,
    context: ssl.SSLContext | None = None,
    before: bytes = b"",
    address: str = "127.0.0.1",
    port: str = "",
    **settings: Any,
) -> Iterator[tuple[ssl.SSLSocket, Wire]]:
    """A connection after its handshake for this server name."""
    with socket.create_connection((address, nginx.port(port)), DEADLINE) as plain:
        plain.sendall(before)
        context = context or client_context()
        with context.wrap_socket(plain, server_hostname=name, **settings) as client:
            yield client, Wire(client)


def ask(
    nginx: Nginx,
    name: str | None = None,
    *head: str,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> tuple[Answer, ssl.SSLSession | None]:
    """The answer to one request over a connection of its own, and the session to resume."""
    lines = head or ("GET / HTTP/1.0",)
    host = () if any(line.startswith("Host:") for line in lines) else (f"Host: {name or 'x'}",)
    with shaken(nginx, name, context, session=session) as (client, wire):
        wire.send("\r\n".join([*lines, *host, "", ""]).encode("latin-1"))
        answer = wire.answer()
        assert answer is not None, "closed without an answer"
        return answer, client.session
