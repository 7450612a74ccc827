"""The phases of a session (ngx_stream_core_run_phases)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..http.failure import RequestFailed
from ..http.status import OK
from ..log import Severity
from .session import (
    AGAIN,
    BAD_REQUEST,
    SERVER_ERROR,
    SUCCESS,
    Status,
    StreamHandler,
    StreamPhase,
    StreamSession,
)

BEFORE_READING = (
    StreamPhase.POST_ACCEPT,
    StreamPhase.PREACCESS,
    StreamPhase.ACCESS,
    StreamPhase.SSL,
)


async def run(s: StreamSession) -> Status:
    """Serves a session; the status with which it ends."""
    try:
        for phase in BEFORE_READING:
            status = await _run_phase(s, phase)
            if status:
                return status
        status = await _preread(s)
        return status or await _serve(s)
    except RequestFailed:  # which is in the log
        return SERVER_ERROR


async def _run_phase(s: StreamSession, phase: StreamPhase) -> Status:
    """0 if the session goes on."""
    for handler in s.server.handlers[phase]:
        status = await _outcome(s, handler)
        if status is not None:
            return status
    return 0


async def _outcome(s: StreamSession, handler: StreamHandler) -> Status | None:
    outcome = handler(s)
    return await outcome if isinstance(outcome, Awaitable) else outcome


async def _preread(s: StreamSession) -> Status:
    """Shows handlers what the client has sent, until they have seen enough
    (ngx_stream_core_preread_phase)."""
    for handler in s.server.handlers[StreamPhase.PREREAD]:
        s.action, server, s.was_preread = "prereading client data", s.server, True
        try:
            async with asyncio.timeout(server.preread_timeout):
                while (status := await _outcome(s, handler)) == AGAIN:
                    if len(s.channel.buffer) >= server.preread_buffer_size:
                        s.log(Severity.ERR, "preread buffer full")
                        return BAD_REQUEST
                    if not await s.channel.more():
                        return SUCCESS
        except TimeoutError:
            return SUCCESS
        if status is not None:
            return status
    return OK


async def _serve(s: StreamSession) -> Status:
    s.action = ""
    if s.server.tcp_nodelay:
        s.channel.set_nodelay()
    if s.server.content is None:  # no handler for server
        return SERVER_ERROR
    return await _outcome(s, s.server.content) or SUCCESS


def conclude(s: StreamSession, status: Status) -> None:
    """Logs the session and lets go of what it holds."""
    s.status, s.logged = status, True
    for handler in s.server.log_handlers:
        handler(s)
    for clean_up in s.cleanups:
        clean_up()
