"""What code can do with a session of "stream": its output, and the client's socket."""

from __future__ import annotations

from typing import Any

from ...stream.engine import preread_more
from .calls import Calls, LuaError, Operations
from .connections import BUSY_READING, BUSY_WRITING, ClientStream, LuaSocket
from .driver import Ended
from .responses import PAUSED, SENT
from .sockets import taken
from .state import LuaSession

calls = Calls()
operations = Operations()


def _needs_tcp(run: LuaSession) -> None:
    if run.r.is_udp:
        raise LuaError("API disabled in the current context")


@calls
def get_status(run: LuaSession) -> int:
    return run.r.status


# -- output ---------------------------------------------------------------------------------


@calls
def write(run: LuaSession, text: str) -> Any:
    """PAUSED: the client takes it slowly."""
    _needs_tcp(run)
    if run.eof:
        return None, "seen eof"
    channel = run.r.channel
    if channel.closed:
        return None, "nginx output filter error"
    channel.write(text.encode("latin-1"))
    return PAUSED if channel.unsent else SENT


@calls
def flush(run: LuaSession) -> Any:
    _needs_tcp(run)
    return (None, "seen eof") if run.eof else SENT


@calls
def end_output(run: LuaSession) -> Any:
    _needs_tcp(run)
    if run.eof:
        return None, "seen eof"
    run.eof = True
    return SENT


# -- the client's socket --------------------------------------------------------------------


@calls
def socket_of_request(run: LuaSession, raw: bool) -> Any:
    """It is always the raw one."""
    channel = run.r.channel
    if channel.unsent:
        return None, "pending data to write"
    if run.client is not None:
        return None, "duplicate call"
    sock = LuaSocket(run)
    sock.stream = run.client = ClientStream(channel, run.writing)
    return sock, "datagram" if channel.is_udp else "client"


@calls
def client_peek(run: LuaSession, sock: LuaSocket, size: int) -> Any:
    """None if it has not come yet."""
    if sock.stream.is_consumed:
        raise LuaError("attempt to peek on a consumed socket")
    if sock.is_reading:
        return None, BUSY_READING
    data = run.r.channel.buffer
    return data[: int(size)] if len(data) >= size else None


@operations
async def client_wait(run: LuaSession, sock: LuaSocket, size: int) -> Any:
    """Ends the session, as any reader of what a client sends first, if it does not come."""
    channel = run.r.channel
    sock.is_reading = True
    try:
        while len(channel.buffer) < size:
            if status := await preread_more(run.r):
                return Ended("exit", (status,))
    finally:
        sock.is_reading = False
    return (channel.buffer[: int(size)],)


@calls
def client_shutdown(run: LuaSession, sock: LuaSocket) -> Any:
    channel = run.r.channel
    if channel.closed:
        return None, "closed"
    if run.eof:
        return None, "seen eof"
    if channel.unsent:
        return None, BUSY_WRITING
    run.eof = True
    channel.end_writing()
    return SENT


@calls
def client_send(run: LuaSession, text: str) -> Any:
    """A datagram."""
    run.r.channel.write(text.encode("latin-1"))
    return SENT


@operations
async def client_datagram(run: LuaSession, sock: LuaSocket, most: int) -> tuple[Any, ...]:
    """A part of the one that the session has begun with."""
    stream = sock.stream
    if not stream.is_over:  # it is there
        await stream.more(sock.read_timeout)
    if not stream.buffer:
        return None, "no more data"
    return (taken(stream, min(int(most), len(stream.buffer))),)
