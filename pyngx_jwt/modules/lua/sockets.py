"""TCP and unix sockets of code ("ngx.socket.tcp"), with TLS."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from ...core.logs import Logs
from ...dns import ResolveError, Resolvers
from ...errors import ConfError
from ...http.tls import configured, full_name, revoke, trust
from ...log import Severity
from ...tls.certificate import error_text
from ...tls.client import ClientHandshake
from ...tls.connection import TlsConnection
from ...tls.context import Context
from ...tls.errors import TlsError
from ...tls.objects import TlsObjects
from ...tls.transport import TlsTransport
from .calls import Calls, LuaError, Operations
from .conf import LuaConf
from .connections import (
    BUSY_READING,
    BUSY_WRITING,
    CLOSED,
    TIMEOUT,
    BodyStream,
    LuaSocket,
    Stream,
    reason_of,
    within,
)
from .state import LuaRequest, LuaRun

calls = Calls()
operations = Operations()

MOST_MILLISECONDS = (1 << 31) - 1
OPTIONS = {
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "reuseaddr": (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    "tcp-nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
}


@calls
def socket_new(run: LuaRun) -> LuaSocket:
    return LuaSocket(run)


@calls
def socket_timeouts(
    sock: LuaSocket, connect: float | None, send: float | None, read: float | None
) -> None:
    """Milliseconds."""
    for name, value in (("connect", connect), ("send", send), ("read", read)):
        if value is not None and value > MOST_MILLISECONDS:
            raise LuaError("bad timeout value")
        if value is not None and value > 0:
            setattr(sock, f"{name}_timeout", value / 1000)


@calls
def socket_close(run: LuaRun, sock: LuaSocket) -> Any:
    if sock.stream is None:
        return None, CLOSED
    if sock.busy:
        return None, sock.busy
    run.sockets.pop(id(sock), None)
    sock.close()
    return 1


@calls
def socket_reused(sock: LuaSocket) -> Any:
    if sock.stream is None:
        return None, CLOSED
    return sock.stream.uses


@calls
def socket_bind(sock: LuaSocket, address: str) -> Any:
    """The address that a connection comes from."""
    host, _, port = address.partition(":") if address.count(":") == 1 else (address, "", "0")
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        sock.own_address = (host, int(port))
    except (OSError, ValueError):
        return None, "bad address"
    return True


@calls
def socket_set_option(sock: LuaSocket, name: str, value: Any) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        return None, f"unsupported option {name}"
    if value is None:
        return None, 'missing the "value" argument'
    setting = (*option, int(value))
    if sock.stream is None:
        sock.options.append(setting)
        return True
    try:
        sock.stream.transport.get_extra_info("socket").setsockopt(*setting)
    except OSError as error:
        return None, reason_of(error)
    return True


@calls
def socket_get_option(sock: LuaSocket, name: str) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        return None, f"unsupported option {name}"
    if sock.stream is None:
        return None, CLOSED
    value: int = sock.stream.transport.get_extra_info("socket").getsockopt(*option)
    return value


def log_error(run: LuaRun, sock: LuaSocket, text: str) -> None:
    if sock.logs_errors:
        run.log(Severity.ERR, text)


async def address_of(run: LuaRun, host: str) -> str:
    """One address of a name, by "resolver" or the system's; raises OSError, ResolveError."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return await _resolved(run, host)
    return host


async def _resolved(run: LuaRun, host: str) -> str:
    core = run.core
    if core.resolver is not None:
        resolver = core.scope.shared(Resolvers).of(core.resolver, core.scope.shared(Logs).main)
        addresses = await resolver.resolve(host, core.resolver_timeout)
        return addresses.found[0]
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def unresolved(host: str, error: Exception) -> tuple[Any, ...]:
    reason = str(error) if isinstance(error, ResolveError) else "3: Host not found"
    return None, f"{host} could not be resolved ({reason})"


@operations
async def socket_connect(
    run: LuaRun, sock: LuaSocket, host: str, port: int | None, pool: str | None, size: int | None
) -> tuple[Any, ...]:
    if sock.busy:
        return None, sock.busy
    if sock.stream is not None:
        run.sockets.pop(id(sock), None)
        sock.close()
    name = pool or (host if port is None else f"{host}:{port}")
    if size is not None:
        sock.pool_size = int(size)
    idle = run.machine.pools.take(name)
    sock.host, sock.stream = host, idle
    if idle is None:
        try:
            sock.stream = await within(sock.connect_timeout, _opened(run, sock, host, port))
        except (socket.gaierror, ResolveError) as error:
            return unresolved(host, error)
        except TimeoutError:
            log_error(
                run, sock, f"lua tcp socket connect timed out, when connecting to {host}:{port}"
            )
            return None, TIMEOUT
        except OSError as error:
            text = f"connect() failed ({error.errno}: {os.strerror(error.errno or 0)})"
            log_error(run, sock, text)
            return None, reason_of(error)
    sock.stream.pool = name
    run.sockets[id(sock)] = sock
    return (1,)


async def _opened(run: LuaRun, sock: LuaSocket, host: str, port: int | None) -> Stream:
    loop, stream = asyncio.get_running_loop(), Stream()
    if port is None:
        await loop.create_unix_connection(lambda: stream, host.removeprefix("unix:"))
    else:
        address = await address_of(run, host.strip("[]"))
        await loop.create_connection(
            lambda: stream, address, int(port), local_addr=sock.own_address
        )
    for option in sock.options:
        stream.transport.get_extra_info("socket").setsockopt(*option)
    return stream


@operations
async def socket_handshake(
    run: LuaRun, sock: LuaSocket, name: str | None, verifies: bool
) -> tuple[Any, ...]:
    stream = sock.stream
    if stream is None:
        return None, CLOSED
    if stream.transport.get_extra_info("ssl_object") is not None:
        return (1,)  # of a connection that was idle
    try:
        context = context_of(run.conf, verifies)
    except ConfError as error:
        return None, str(error)
    tls = TlsConnection(context)
    if name:
        tls.name_host(name.encode("latin-1"))
    handshake = ClientHandshake(tls, asyncio.get_running_loop())
    stream.transport.set_protocol(handshake)
    handshake.connection_made(stream.transport)
    try:
        await within(sock.connect_timeout, handshake.done)
    except TimeoutError:
        sock.close()
        return None, TIMEOUT
    except (OSError, TlsError) as error:
        sock.close()
        log_error(run, sock, str(error) or "peer closed connection in SSL handshake")
        return None, "handshake failed"
    if verifies and (wrong := _refused(run, sock, tls, name)):
        sock.close()
        return None, wrong
    stream.transport = TlsTransport(
        handshake.transport, tls, stream, lambda error: None, sock.send_timeout
    )
    stream.transport.begin()
    return (1,)


def _refused(run: LuaRun, sock: LuaSocket, tls: TlsConnection, name: str | None) -> str:
    """What is wrong with the server's certificate, "" if nothing is."""
    if error := tls.verify_error:
        text = f"{error}: {error_text(error)}"
        log_error(run, sock, f"lua ssl certificate verify error: ({text})")
        return text
    if name and (tls.peer is None or not tls.peer.is_for(name)):
        log_error(run, sock, f'lua ssl certificate does not match host "{name}"')
        return "certificate host mismatch"
    return ""


def context_of(conf: LuaConf, verifies: bool) -> Context:
    """Made once for a level; raises ConfError."""
    known = conf.contexts
    context = known.get(verifies)
    if context is None:
        context = known[verifies] = configured(lambda: _new_context(conf, verifies))
    return context


def _new_context(conf: LuaConf, verifies: bool) -> Context:
    conf_name, objects = conf.scope.conf_name, conf.scope.shared(TlsObjects)
    context = Context(conf.lua_ssl_protocols)
    context.set_ciphers(conf.lua_ssl_ciphers)
    if conf.lua_ssl_certificate:
        name, key = (
            full_name(file, conf_name)
            for file in (conf.lua_ssl_certificate, conf.lua_ssl_certificate_key)
        )
        context.use(objects.pair(name, key, ()))
    if not verifies:
        return context
    context.verify(conf.lua_ssl_verify_depth)
    if conf.lua_ssl_trusted_certificate:
        trust(context, full_name(conf.lua_ssl_trusted_certificate, conf_name), objects)
    if conf.lua_ssl_crl:
        revoke(context, full_name(conf.lua_ssl_crl, conf_name), objects)
    return context


@operations
async def socket_send(run: LuaRun, sock: LuaSocket, text: str) -> tuple[Any, ...]:
    if sock.stream is None:
        return None, CLOSED
    if sock.is_sending:
        return None, BUSY_WRITING
    data = text.encode("latin-1")
    sock.is_sending = True
    try:
        await sock.stream.send(data, sock.send_timeout)
    except (OSError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            log_error(run, sock, "lua tcp socket write timed out")
        reason = reason_of(error)
        _close(run, sock)
        return None, reason
    finally:
        sock.is_sending = False
    return (len(data),)


def _close(run: LuaRun, sock: LuaSocket) -> None:
    """The connection has come to its end; the code is still to close the socket."""
    stream = sock.stream
    if stream is not None:
        stream.is_over = True
        stream.buffer.clear()
        stream.close()


def taken(stream: Any, count: int) -> bytes:
    """What has come of a connection, as far as that."""
    data = bytes(stream.buffer[:count])
    del stream.buffer[:count]
    return data


async def _more(run: LuaRun, sock: LuaSocket) -> str:
    """Waits for data; what went wrong, "" if nothing did."""
    stream = sock.stream
    if sock.is_reading:
        return BUSY_READING
    sock.is_reading = True
    try:
        if await stream.more(sock.read_timeout):
            return ""
    except TimeoutError:
        log_error(run, sock, "lua tcp socket read timed out")
        return TIMEOUT
    finally:
        sock.is_reading = False
    error = getattr(stream, "error", None)
    return reason_of(error) if isinstance(error, OSError) else CLOSED


def _ended(run: LuaRun, sock: LuaSocket, failure: str, *partial: bytes) -> tuple[Any, ...]:
    if failure not in (TIMEOUT, BUSY_READING):
        _close(run, sock)
    return (None, failure, *partial)


@operations
async def socket_receive(run: LuaRun, sock: LuaSocket, pattern: str | int) -> tuple[Any, ...]:
    """A number of bytes, "*l" or "*a"."""
    stream = sock.stream
    if stream is None:
        return None, CLOSED
    if isinstance(pattern, (int, float)):
        return await _receive_bytes(run, sock, stream, int(pattern))
    if pattern == "*a":
        while not (failure := await _more(run, sock)):
            continue
        data = taken(stream, len(stream.buffer))
        if failure == CLOSED:
            _close(run, sock)
            return (data,)
        return _ended(run, sock, failure, data)
    return await _receive_line(run, sock, stream)


async def _receive_bytes(run: LuaRun, sock: LuaSocket, stream: Any, count: int) -> tuple[Any, ...]:
    while len(stream.buffer) < count:
        failure = await _more(run, sock)
        if failure:
            return _ended(run, sock, failure, taken(stream, len(stream.buffer)))
    return (taken(stream, count),)


async def _receive_line(run: LuaRun, sock: LuaSocket, stream: Any) -> tuple[Any, ...]:
    at = 0
    while True:
        end = stream.buffer.find(b"\n", at)
        if end >= 0:
            return (taken(stream, end + 1)[:-1].replace(b"\r", b""),)
        at = len(stream.buffer)
        failure = await _more(run, sock)
        if failure:
            partial = taken(stream, len(stream.buffer)).replace(b"\r", b"")
            return _ended(run, sock, failure, partial)


@operations
async def socket_receive_any(run: LuaRun, sock: LuaSocket, most: int) -> tuple[Any, ...]:
    stream = sock.stream
    if stream is None:
        return None, CLOSED
    if not stream.buffer:
        failure = await _more(run, sock)
        if failure:
            return _ended(run, sock, failure, b"")
    return (taken(stream, min(int(most), len(stream.buffer))),)


@operations
async def socket_receive_until(
    run: LuaRun, sock: LuaSocket, pattern: str, inclusive: bool, size: int | None, found: bool
) -> tuple[Any, ...]:
    """The data, an error, partial data, and whether the pattern has been found."""
    stream, mark = sock.stream, pattern.encode("latin-1")
    if found:
        return None, None, None, False
    if stream is None:
        return None, CLOSED, None, False
    while True:
        at = stream.buffer.find(mark)
        most = int(size) if size else 0
        if at >= 0 and not (most and at > most):
            data = taken(stream, at + len(mark))
            return data if inclusive else data[:at], None, None, True
        safe = len(stream.buffer) - len(mark) + 1 if at < 0 else at
        if most and safe >= most:
            return taken(stream, most), None, None, False
        failure = await _more(run, sock)
        if failure:
            partial = taken(stream, len(stream.buffer))
            return (*_ended(run, sock, failure, partial), False)


@calls
def socket_keep(run: LuaRun, sock: LuaSocket, timeout: float | None, size: int | None) -> Any:
    stream = sock.stream
    if stream is None or stream.is_over:
        if stream is not None:
            _close(run, sock)
        return None, CLOSED
    if sock.busy:
        return None, sock.busy
    if stream.buffer or not isinstance(stream, Stream):
        return None, "unread data in buffer"
    seconds = sock.keepalive_timeout if timeout is None else timeout / 1000
    sock.stream = None
    run.sockets.pop(id(sock), None)
    run.machine.pools.put(stream.pool, stream, seconds, int(size or sock.pool_size))
    return 1


@calls
def socket_of_request(run: LuaRequest, raw: bool) -> Any:
    r = run.r
    if raw:
        raise LuaError("ngx.req.socket(true) is not supported by pyngx")
    if r.parent is not None:
        return None, "attempt to read the request body in a subrequest"
    if r.body is not None:
        return None, "request body already exists"
    if r.body_in is None:
        return None, "no body"
    r.continue_client()
    sock = LuaSocket(run)
    sock.stream = BodyStream(run)
    run.streams_body = True
    return sock, "body"
