"""Connections that code opens ("ngx.socket"): TCP, unix sockets, TLS, UDP, and idle ones."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Awaitable
from typing import Any, TypeVar

from ...core.logs import Logs
from ...dns import ResolveError, Resolvers
from ...errors import ConfError
from ...http.client import BodyError
from ...http.tls import configured, full_name, revoke, trust
from ...log import Severity
from ...tls.certificate import error_text
from ...tls.client import ClientHandshake
from ...tls.connection import TlsConnection
from ...tls.context import Context
from ...tls.credentials import Pair, load_chain, load_key
from ...tls.errors import TlsError
from ...tls.transport import TlsTransport
from .calls import Calls, LuaError, Operations
from .conf import LuaConf
from .state import LuaRequest, LuaRun

calls = Calls()
operations = Operations()

T = TypeVar("T")
READ_AHEAD = 65536  # bytes that are kept before reading is paused
TIMEOUT, CLOSED = "timeout", "closed"
MOST_MILLISECONDS = (1 << 31) - 1
OPTIONS = {
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "reuseaddr": (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    "tcp-nodelay": (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    "sndbuf": (socket.SOL_SOCKET, socket.SO_SNDBUF),
    "rcvbuf": (socket.SOL_SOCKET, socket.SO_RCVBUF),
}
MOST_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset by peer",
    errno.EPIPE: "broken pipe",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "network is unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
}


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """The result; raises TimeoutError when it takes longer.  Needs no task of the caller."""
    task = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not task.done() or task.cancelled():
        raise TimeoutError
    return task.result()


def reason_of(error: BaseException) -> str:
    """What code is told about an error."""
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, OSError) and error.errno:
        return MOST_REASONS.get(error.errno) or os.strerror(error.errno).lower()
    return CLOSED


class Stream(asyncio.Protocol):
    """A connection with what has come of it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_over = False
        self.error: BaseException | None = None
        self.transport: Any = None
        self._paused_writing = self._paused_reading = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self.uses = 0  # before this one
        self.pool = ""
        self.idle: asyncio.TimerHandle | None = None
        self.when_idle_ends: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > READ_AHEAD and not self._paused_reading:
            self._paused_reading = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.is_over = True
        self._wake()
        return False

    def connection_lost(self, error: BaseException | None) -> None:
        self.is_over, self.error = True, error
        self._wake()
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self.when_idle_ends is not None:
            self.when_idle_ends(self)

    async def more(self, seconds: float) -> bool:
        """Waits for more in the buffer; False at the end.  Raises TimeoutError."""
        had = len(self.buffer)
        if self.is_over:
            return False
        if self._paused_reading:
            self._paused_reading = False
            self.transport.resume_reading()
        loop = asyncio.get_running_loop()
        while len(self.buffer) == had and not self.is_over:
            self._reader = waiter = loop.create_future()
            handle = loop.call_later(seconds, _time_out, waiter)
            try:
                await waiter
            finally:
                handle.cancel()
                self._reader = None
        return len(self.buffer) > had

    async def send(self, data: bytes, seconds: float) -> None:
        """Raises OSError, TimeoutError."""
        if self.is_over or self.transport.is_closing():
            raise self.error if isinstance(self.error, OSError) else BrokenPipeError()
        self.transport.write(data)
        if not self._paused_writing:
            return
        loop = asyncio.get_running_loop()
        self._writer = waiter = loop.create_future()
        handle = loop.call_later(seconds, _time_out, waiter)
        try:
            await waiter
        finally:
            handle.cancel()
            self._writer = None
        if self.is_over and self._paused_writing:
            raise self.error if isinstance(self.error, OSError) else BrokenPipeError()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


class BodyStream:
    """The request body, for "ngx.req.socket"."""

    def __init__(self, run: LuaRequest) -> None:
        self.buffer = bytearray()
        self._body = run.r.body_in
        self.is_over = self._body is None

    async def more(self, seconds: float) -> bool:
        if self.is_over or self._body is None:
            return False
        try:
            data = await within(seconds, self._body.read())
        except BodyError:
            data = b""
        self.is_over = not data
        self.buffer += data
        return bool(data)

    def close(self) -> None:
        """The body is the request's."""


class LuaSocket:
    """A socket of the code; its connection is that of this use only."""

    def __init__(self, run: LuaRun) -> None:
        conf = run.conf
        self.connect_timeout = conf.lua_socket_connect_timeout
        self.send_timeout = conf.lua_socket_send_timeout
        self.read_timeout = conf.lua_socket_read_timeout
        self.keepalive_timeout = conf.lua_socket_keepalive_timeout
        self.pool_size = conf.lua_socket_pool_size
        self.logs_errors = conf.lua_socket_log_errors
        self.stream: Any = None
        self.host = ""
        self.own_address: tuple[str, int] | None = None
        self.options: list[tuple[int, int, int]] = []  # to be set when it is connected
        self.busy = ""  # "read" or "write", while one waits

    def close(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()


class Pools:
    """Idle connections by the name of their pool, of one worker."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[Stream]] = {}

    def take(self, name: str) -> Stream | None:
        streams = self._idle.get(name)
        while streams:
            stream = streams.pop()
            self._wake_up(stream)
            if not stream.is_over and not stream.buffer:
                stream.uses += 1
                return stream
            stream.close()
        return None

    def put(self, name: str, stream: Stream, seconds: float, most: int) -> None:
        streams = self._idle.setdefault(name, deque())
        if len(streams) >= most:
            oldest = streams.popleft()
            self._wake_up(oldest)
            oldest.close()
        stream.pool = name
        stream.when_idle_ends = self._drop
        if seconds > 0:
            stream.idle = asyncio.get_running_loop().call_later(seconds, self._drop, stream)
        streams.append(stream)

    def count(self, name: str) -> int:
        return len(self._idle.get(name, ()))

    def _drop(self, stream: Stream) -> None:
        self._wake_up(stream)
        streams = self._idle.get(stream.pool)
        if streams is not None and stream in streams:
            streams.remove(stream)
            if not streams:
                del self._idle[stream.pool]
        stream.close()

    @staticmethod
    def _wake_up(stream: Stream) -> None:
        stream.when_idle_ends = None
        if stream.idle is not None:
            stream.idle.cancel()
            stream.idle = None

    def close(self) -> None:
        for streams in tuple(self._idle.values()):
            for stream in tuple(streams):
                self._drop(stream)


# -- sockets --------------------------------------------------------------------------------


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
        return None, f"socket busy {sock.busy}ing"
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


def _log(run: LuaRun, sock: LuaSocket, text: str) -> None:
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


def _unresolved(host: str, error: Exception) -> tuple[Any, ...]:
    reason = str(error) if isinstance(error, ResolveError) else "3: Host not found"
    return None, f"{host} could not be resolved ({reason})"


@operations
async def socket_connect(
    run: LuaRun, sock: LuaSocket, host: str, port: int | None, pool: str | None, size: int | None
) -> tuple[Any, ...]:
    if sock.busy:
        return None, f"socket busy {sock.busy}ing"
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
            return _unresolved(host, error)
        except TimeoutError:
            _log(run, sock, f"lua tcp socket connect timed out, when connecting to {host}:{port}")
            return None, TIMEOUT
        except OSError as error:
            text = f"connect() failed ({error.errno}: {os.strerror(error.errno or 0)})"
            _log(run, sock, text)
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
        _log(run, sock, str(error) or "peer closed connection in SSL handshake")
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
        _log(run, sock, f"lua ssl certificate verify error: ({text})")
        return text
    if name and (tls.peer is None or not tls.peer.is_for(name)):
        _log(run, sock, f'lua ssl certificate does not match host "{name}"')
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
    conf_name = conf.scope.conf_name
    context = Context(conf.lua_ssl_protocols)
    context.set_ciphers(conf.lua_ssl_ciphers)
    if conf.lua_ssl_certificate:
        name, key = (
            full_name(file, conf_name)
            for file in (conf.lua_ssl_certificate, conf.lua_ssl_certificate_key)
        )
        context.use(Pair(name, load_chain(name), key, load_key(key, ())))
    if not verifies:
        return context
    context.verify(conf.lua_ssl_verify_depth)
    if conf.lua_ssl_trusted_certificate:
        trust(context, full_name(conf.lua_ssl_trusted_certificate, conf_name))
    if conf.lua_ssl_crl:
        revoke(context, full_name(conf.lua_ssl_crl, conf_name))
    return context


@operations
async def socket_send(run: LuaRun, sock: LuaSocket, text: str) -> tuple[Any, ...]:
    if sock.stream is None:
        return None, CLOSED
    if sock.busy == "writ":
        return None, "socket busy writing"
    data = text.encode("latin-1")
    try:
        await sock.stream.send(data, sock.send_timeout)
    except (OSError, TimeoutError) as error:
        if isinstance(error, TimeoutError):
            _log(run, sock, "lua tcp socket write timed out")
        reason = reason_of(error)
        _close(run, sock)
        return None, reason
    return (len(data),)


def _close(run: LuaRun, sock: LuaSocket) -> None:
    """The connection has come to its end; the code is still to close the socket."""
    stream = sock.stream
    if stream is not None:
        stream.is_over = True
        stream.buffer.clear()
        stream.close()


def _taken(stream: Any, count: int) -> bytes:
    data = bytes(stream.buffer[:count])
    del stream.buffer[:count]
    return data


async def _more(run: LuaRun, sock: LuaSocket) -> str:
    """Waits for data; what went wrong, "" if nothing did."""
    stream = sock.stream
    if sock.busy == "read":
        return "socket busy reading"
    sock.busy = "read"
    try:
        if await stream.more(sock.read_timeout):
            return ""
    except TimeoutError:
        _log(run, sock, "lua tcp socket read timed out")
        return TIMEOUT
    finally:
        sock.busy = ""
    error = getattr(stream, "error", None)
    return reason_of(error) if isinstance(error, OSError) else CLOSED


def _ended(run: LuaRun, sock: LuaSocket, failure: str, *partial: bytes) -> tuple[Any, ...]:
    if failure not in (TIMEOUT, "socket busy reading"):
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
        data = _taken(stream, len(stream.buffer))
        if failure == CLOSED:
            _close(run, sock)
            return (data,)
        return _ended(run, sock, failure, data)
    return await _receive_line(run, sock, stream)


async def _receive_bytes(run: LuaRun, sock: LuaSocket, stream: Any, count: int) -> tuple[Any, ...]:
    while len(stream.buffer) < count:
        failure = await _more(run, sock)
        if failure:
            return _ended(run, sock, failure, _taken(stream, len(stream.buffer)))
    return (_taken(stream, count),)


async def _receive_line(run: LuaRun, sock: LuaSocket, stream: Any) -> tuple[Any, ...]:
    at = 0
    while True:
        end = stream.buffer.find(b"\n", at)
        if end >= 0:
            return (_taken(stream, end + 1)[:-1].replace(b"\r", b""),)
        at = len(stream.buffer)
        failure = await _more(run, sock)
        if failure:
            partial = _taken(stream, len(stream.buffer)).replace(b"\r", b"")
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
    return (_taken(stream, min(int(most), len(stream.buffer))),)


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
            data = _taken(stream, at + len(mark))
            return data if inclusive else data[:at], None, None, True
        safe = len(stream.buffer) - len(mark) + 1 if at < 0 else at
        if most and safe >= most:
            return _taken(stream, most), None, None, False
        failure = await _more(run, sock)
        if failure:
            partial = _taken(stream, len(stream.buffer))
            return (*_ended(run, sock, failure, partial), False)


@calls
def socket_keep(run: LuaRun, sock: LuaSocket, timeout: float | None, size: int | None) -> Any:
    stream = sock.stream
    if stream is None or stream.is_over:
        if stream is not None:
            _close(run, sock)
        return None, CLOSED
    if sock.busy:
        return None, f"socket busy {sock.busy}ing"
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
    return sock


# -- UDP ------------------------------------------------------------------------------------


class Datagrams(asyncio.DatagramProtocol):
    """A socket of datagrams."""

    def __init__(self) -> None:
        self.received: deque[bytes] = deque()
        self.error: Exception | None = None
        self.transport: Any = None
        self._reader: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.received.append(data)
        self._wake()

    def error_received(self, error: Exception) -> None:
        self.error = error
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def receive(self, seconds: float) -> bytes:
        """Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        while not self.received:
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            self._reader = waiter = loop.create_future()
            handle = loop.call_later(seconds, _time_out, waiter)
            try:
                await waiter
            finally:
                handle.cancel()
                self._reader = None
        return self.received.popleft()

    def close(self) -> None:
        self.transport.close()


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
        return _unresolved(host, error)
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
        _log(run, sock, "lua udp socket read timed out")
        return None, TIMEOUT
    except OSError as error:
        return None, reason_of(error)
    return (data[: int(most)],)


# -- semaphores -----------------------------------------------------------------------------


class Semaphore:
    """What light threads and requests of a worker wait for ("ngx.semaphore")."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiters: deque[asyncio.Future[None]] = deque()


@calls
def semaphore_new(count: int) -> Semaphore:
    return Semaphore(int(count))


@calls
def semaphore_post(semaphore: Semaphore, count: int) -> None:
    left = int(count)
    while left and semaphore.waiters:
        waiter = semaphore.waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            left -= 1
    semaphore.count += left


@calls
def semaphore_count(semaphore: Semaphore) -> int:
    waiting = sum(not waiter.done() for waiter in semaphore.waiters)
    return semaphore.count - waiting


@calls
def semaphore_take(semaphore: Semaphore) -> bool:
    if semaphore.count <= 0:
        return False
    semaphore.count -= 1
    return True


@operations
async def semaphore_wait(run: LuaRun, semaphore: Semaphore, seconds: float) -> tuple[Any, ...]:
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    semaphore.waiters.append(waiter)
    handle = loop.call_later(seconds, _time_out, waiter)
    try:
        await waiter
    except TimeoutError:
        return False, TIMEOUT
    finally:
        handle.cancel()
        if waiter in semaphore.waiters:
            semaphore.waiters.remove(waiter)
    return (True,)
