"""UDP sockets of code ("ngx.socket.udp")."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ...dns import ResolveError
from .calls import Calls, Operations
from .connections import CLOSED, TIMEOUT, Datagrams, LuaSocket, reason_of, within
from .sockets import address_of, log_error, unresolved
from .state import LuaRun

calls = Calls()
operations = Operations()


@operations
async def udp_connect(run: LuaRun, sock: LuaSocket, host: str, port: int | None) -> tuple[Any, ...]:
    loop = asyncio.get_running_loop()
    try:
        if port is None:
            unix: Any = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            unix.setblocking(False)
            unix.bind("")  # a name that the system chooses, for the answers
            unix.connect(host.removeprefix("unix:"))
            _, stream = await loop.create_datagram_endpoint(Datagrams, sock=unix)
        else:
            address = await within(sock.connect_timeout, address_of(run, host.strip("[]")))
            _, stream = await loop.create_datagram_endpoint(
                Datagrams, sock.own_address, (address, int(port))
            )
    except (socket.gaierror, ResolveError) as error:
        return unresolved(host, error)
    except (OSError, TimeoutError) as error:
        return None, reason_of(error)
    sock.stream = stream
    run.sockets[id(sock)] = sock
    return (1,)


@calls
def udp_send(sock: LuaSocket, text: str) -> Any:
    if sock.stream is None:
        return None, CLOSED
    sock.stream.transport.sendto(text.encode("latin-1"))
    return 1


@operations
async def udp_receive(run: LuaRun, sock: LuaSocket, most: int) -> tuple[Any, ...]:
    if sock.stream is None:
        return None, CLOSED
    try:
        data = await sock.stream.receive(sock.read_timeout)
    except TimeoutError:
        log_error(run, sock, "lua udp socket read timed out")
        return None, TIMEOUT
    except OSError as error:
        return None, reason_of(error)
    return (data[: int(most)],)
