"""The phases of a session (ngx_stream_core_run_phases)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ..http.failure import RequestFailed, Unavailable
from ..http.status import OK
from ..log import Severity
from .session import (
    AGAIN,
    BAD_REQUEST,
    SERVER_ERROR,
    SUCCESS,
    UNAVAILABLE,
    Prereads,
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
    except RequestFailed as error:  # which is in the log
        return UNAVAILABLE if isinstance(error, Unavailable) else SERVER_ERROR


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
    (ngx_stream_core_preread_phase).  One that finds another server has its handlers go on."""
    place = -1
    while (following := _following(s.server.prereads, place)) is not None:
        place, handler = following
        s.action, s.was_preread = "prereading client data", True
        s.preread_until = None
        while (status := await _outcome(s, handler)) == AGAIN:
            if status := await preread_more(s):
                return status
        if status is not None:
            return status
    return OK


def _following(prereads: Prereads, place: int) -> tuple[int, StreamHandler] | None:
    return next((preread for preread in prereads if preread[0] > place), None)


async def preread_more(s: StreamSession) -> Status:
    """Waits for more of what the client sends: 0, or the status with which the session ends."""
    if len(s.channel.buffer) >= s.server.preread_buffer_size:
        s.log(Severity.ERR, "preread buffer full")
        return BAD_REQUEST
    if s.preread_until is None:
        s.preread_until = asyncio.get_running_loop().time() + s.server.preread_timeout
    try:
        async with asyncio.timeout_at(s.preread_until):
            return 0 if await s.channel.more() else SUCCESS
    except TimeoutError:
        return SUCCESS


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
