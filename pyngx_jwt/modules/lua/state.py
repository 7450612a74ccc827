"""What handlers of Lua have of their request, timer or worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ...http.body import KeptBody
from ...http.ports import Greeting
from ...http.request import Request
from ...http.session import Session
from ...log import Log, Severity
from ...stream.contexts import IN_STREAM
from ...stream.session import StreamSession
from ...tls.connection import TlsConnection
from ..core import CoreConf
from ..core.stream import StreamCoreConf
from .conf import LuaConf

KEY = "lua"  # in r.contexts
CONTEXTS = {"timer": "ngx.timer", "ssl_cert": "ssl_certificate_by_lua*"}


class LuaRun:
    """What runs for one timer or worker; `shared` is a table of Lua, for "ngx.ctx"."""

    r: Session | None = None

    def __init__(self, machine: Any, log: Log, conf: LuaConf, phase: str) -> None:
        self.machine, self.conf, self.phase = machine, conf, phase
        self._log = log
        self.shared: Any = machine.new_shared(False)
        self.tasks: dict[int, asyncio.Task[None]] = {}  # of light threads
        self.aborted: asyncio.Future[Any] | None = None
        self.failure: Exception | None = None  # that Lua must not keep from the engine
        self.exit_code: int | None = None  # what a filter or balancer asked for
        self.sockets: dict[int, Any] = {}  # open ones

    @property
    def core(self) -> CoreConf | StreamCoreConf:
        """The settings of the core module where the code runs."""
        level = self.conf.level
        core: CoreConf | StreamCoreConf = level[
            StreamCoreConf if level.context & IN_STREAM else CoreConf
        ]
        return core

    @property
    def subsystem(self) -> str:
        """What stands before "[lua]" in messages."""
        return "stream " if self.conf.is_of_stream else ""

    @property
    def log_level(self) -> Severity:
        return self._log.level

    def log(self, level: Severity, text: str) -> None:
        if self._log.level >= level:
            context = "" if self.phase == "init" else f", context: {self.context}"
            self._log.write(level, f"{text}{context}")

    @property
    def context(self) -> str:
        return CONTEXTS.get(self.phase) or f"{self.phase}_by_lua*"

    def stop_threads(self) -> None:
        for task in tuple(self.tasks.values()):
            task.cancel()
        self.tasks = {}

    def close(self) -> None:
        """Lets go of all: what Lua and Python hold of each other would stay for ever."""
        self.shared = self.machine = None
        self.stop_threads()
        for socket in tuple(self.sockets.values()):
            socket.close()
        self.sockets = {}


class LuaHandshake(LuaRun):
    """What runs for a handshake."""

    def __init__(
        self, machine: Any, log: Log, conf: LuaConf, phase: str, greeting: Greeting
    ) -> None:
        super().__init__(machine, log, conf, phase)
        self.greeting = greeting
        if greeting.context is not None:
            self.shared.ctx = greeting.context

    def log(self, level: Severity, text: str) -> None:
        self.greeting.log(level, f"{text}, context: {self.context}")


class LuaServed(LuaRun):
    """What runs for a client: a request, or a session of "stream"."""

    r: Any

    def __init__(self, machine: Any, r: Session) -> None:
        self.machine, self.r, self.phase = machine, r, ""
        self.shared = machine.new_shared(True)
        self.tasks, self.aborted, self.failure = {}, None, None
        self.exit_code, self.sockets = None, {}
        self.eof = False
        self.cleared: set[str] = set()  # variables that code has set to nil
        self.picked, self.more_tries = "", 0  # what "balancer_by_lua" decides
        self.has_failed = False  # the server that it has chosen before

    @property
    def conf(self) -> LuaConf:  # type: ignore[override]
        conf: LuaConf = self.r.conf(LuaConf)
        return conf

    @property
    def log_level(self) -> Severity:
        log: Log = self.r.error_log
        return log.level

    def log(self, level: Severity, text: str) -> None:
        self.r.log(level, text)

    @property
    def tls(self) -> TlsConnection | None:
        """That of the client's connection."""
        raise NotImplementedError

    async def drain(self) -> tuple[Any, ...]:
        """Waits until the client has taken enough: what Lua gets."""
        raise NotImplementedError

    def end(self) -> None:
        """The session is over."""
        if self.shared is not None:
            self.close()

    def close(self) -> None:
        super().close()
        self.r = None  # it has this in its contexts and cleanups


class LuaRequest(LuaServed):
    """What runs for a request."""

    r: Request

    def __init__(self, machine: Any, r: Request) -> None:
        super().__init__(machine, r)
        self.held: list[bytes] | None = None  # output of an HTTP/1.0 response
        self.streams_body = False  # code reads the client's body itself
        self.parts: list[bytes] | None = None  # of a body that is being made
        self.on_abort: Any = None
        self.is_left = self.refused = self.has_type = False

    @property
    def tls(self) -> TlsConnection | None:
        tls: TlsConnection | None = self.r.connection.ssl
        return tls

    # -- output ----------------------------------------------------------------------------

    async def drain(self) -> tuple[Any, ...]:
        sink = self.r.sink
        if sink.paused:
            await sink.drain()
        return (1,)

    def send_header(self) -> None:
        """Sends the header, once (ngx_http_lua_send_header_if_needed)."""
        r = self.r
        if r.header_sent:
            return
        if not r.status:
            r.status = 200
        if not r.content_type and not self.has_type and self.conf.lua_use_default_type:
            r.content_type = r.location.content_type_of(r.uri)
        r.send_header()

    @property
    def has_output(self) -> bool:
        return self.r.header_sent or self.held is not None

    @property
    def buffers(self) -> bool:
        """Whether the response is kept until its length is known."""
        r = self.r
        return (
            r.http_version < 1001
            and not r.header_sent
            and r.parent is None
            and self.conf.lua_http10_buffering
            and r.content_length < 0
        )

    def end_output(self) -> None:
        """The last of the response, once."""
        r = self.r
        if self.eof:
            return
        self.eof = True
        if self.held is not None or self.buffers:
            data, self.held = b"".join(self.held or ()), None
            r.content_length = len(data)
            self.send_header()
            if not r.header_only:
                r.write(data)
        else:
            self.send_header()
        r.finish()

    def new_body(self, body: KeptBody) -> None:
        """Puts another request body in the place of the client's."""
        r = self.r
        if isinstance(r.body, KeptBody):
            r.body.close()
        r.body = body
        r.content_length_in, r.chunked_in = body.length, False

    def end(self) -> None:
        """The request is over, or its client has left it: then "log_by_lua" is still to come."""
        if self.shared is None:
            return
        if not self.r.logged and self.conf.log is not None:
            self.is_left = True
            self.stop_threads()
        else:
            self.close()

    def close(self) -> None:
        super().close()
        self.on_abort = None


class LuaSession(LuaServed):
    """What runs for a session of "stream"."""

    r: StreamSession

    def __init__(self, machine: Any, r: StreamSession) -> None:
        super().__init__(machine, r)
        self.client: Any = None  # what code reads of the client's socket, once it has asked for it
        self.writing = asyncio.Lock()  # a channel is drained by one at a time

    @property
    def tls(self) -> TlsConnection | None:
        return self.r.channel.tls

    async def drain(self) -> tuple[Any, ...]:
        async with self.writing:
            channel = self.r.channel
            try:
                async with asyncio.timeout(self.conf.lua_socket_send_timeout):
                    await channel.drain()
            except TimeoutError:
                self.log(Severity.INFO, "client timed out")
                return None, "timeout"
            return (None, "client aborted") if channel.closed else (1,)

    def give_back(self) -> None:
        """What code has not taken of what the client has sent is for others."""
        if self.client is not None:
            self.client.give_back()


class Machines(Protocol):
    """What knows the Lua states of a process."""

    def machine_for(self, r: Session) -> Any: ...


S = TypeVar("S", bound=LuaServed)


def served(r: Session, machines: Machines, kind: Callable[[Any, Any], S]) -> S:
    """What Lua knows of a session, which is made at its first code."""
    known: S | None = r.contexts.get(KEY)
    if known is None or known.shared is None:
        known = r.contexts[KEY] = kind(machines.machine_for(r), r)
        r.main.cleanups += (known.end,)
    return known


def lua_of(r: Request) -> LuaRequest | None:
    """What Lua knows of a request so far."""
    known: LuaRequest | None = r.contexts.get(KEY)
    return known
