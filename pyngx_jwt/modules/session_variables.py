"""The variables of every session: of requests, and of connections of "stream"."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from .. import NGINX_VERSION
from ..http.date import iso8601, local_time
from ..http.session import Session
from ..http.session_module import SessionModule
from ..log import Severity

GetOfSession = Callable[[Session], "str | None"]
_now: Final = time.time
_VARIABLES: dict[str, GetOfSession] = {}


def add_session_variables(module: SessionModule[Any, Any]) -> None:
    """Declares all of them."""
    for name, get in _VARIABLES.items():
        module.variable(name)(get)
    module.prefix("proxy_protocol_tlv_")(proxy_protocol_tlv)


def _variable(name: str) -> Callable[[GetOfSession], GetOfSession]:
    def register(get: GetOfSession) -> GetOfSession:
        _VARIABLES[name] = get
        return get

    return register


@_variable("hostname")
def hostname(r: Session) -> str:
    """Name of this machine."""
    return socket.gethostname()


@_variable("server_addr")
def server_addr(r: Session) -> str:
    """Address of the server that accepted the request."""
    return r.connection.server_addr


@_variable("server_port")
def server_port(r: Session) -> str:
    """Port of the server that accepted the request."""
    return r.connection.server_port


@_variable("remote_addr")
def remote_addr(r: Session) -> str:
    """Client address."""
    return r.connection.remote_addr


@_variable("remote_port")
def remote_port(r: Session) -> str:
    """Client port."""
    return r.connection.remote_port


@_variable("binary_remote_addr")
def binary_remote_addr(r: Session) -> str:
    """Client address in binary form."""
    return r.connection.binary_remote_addr.decode("latin-1")


@_variable("connection")
def connection(r: Session) -> str:
    """Connection serial number."""
    return str(r.connection.number)


@_variable("msec")
def msec(r: Session) -> str:
    """Current time in seconds, with milliseconds."""
    return f"{time.time():.3f}"


@_variable("time_local")
def time_local(r: Session) -> str:
    """Local time in the Common Log Format."""
    return local_time(int(_now()))


@_variable("time_iso8601")
def time_iso8601(r: Session) -> str:
    """Local time in ISO 8601."""
    return iso8601(int(time.time()))


@_variable("nginx_version")
def nginx_version(r: Session) -> str:
    """The nginx version whose behaviour is followed."""
    return NGINX_VERSION


@_variable("pid")
def pid(r: Session) -> str:
    """PID of the worker process."""
    return str(os.getpid())


@_variable("proxy_protocol_addr")
def proxy_protocol_addr(r: Session) -> str | None:
    """Client address from the PROXY protocol header."""
    header = r.connection.proxy_protocol
    return header.source if header else None


@_variable("proxy_protocol_port")
def proxy_protocol_port(r: Session) -> str | None:
    """Client port from the PROXY protocol header."""
    header = r.connection.proxy_protocol
    return _port(header.source_port) if header else None


@_variable("proxy_protocol_server_addr")
def proxy_protocol_server_addr(r: Session) -> str | None:
    """Server address from the PROXY protocol header."""
    header = r.connection.proxy_protocol
    return header.destination if header else None


@_variable("proxy_protocol_server_port")
def proxy_protocol_server_port(r: Session) -> str | None:
    """Server port from the PROXY protocol header."""
    header = r.connection.proxy_protocol
    return _port(header.destination_port) if header else None


def _port(number: int) -> str:
    return str(number) if number else ""


def proxy_protocol_tlv(name: str) -> Callable[[Session], str | None]:
    """A TLV of the PROXY protocol header: alpn, authority, unique_id, netns, ssl, ssl_verify,
    ssl_version, ssl_cn, ssl_cipher, ssl_sig_alg, ssl_key_alg, or its number as 0x...; ssl_0x...
    are those inside of "ssl"."""

    def get(r: Session) -> str | None:
        header = r.connection.proxy_protocol
        try:
            value: str | None = header.tlv(name) if header else None
        except ValueError as error:
            r.log(Severity.ERR, str(error))
            return None
        return value

    return get
