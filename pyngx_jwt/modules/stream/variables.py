"""The variables that sessions of "stream" have and requests have not."""

from __future__ import annotations

import time

from ...stream.session import StreamSession
from ..core.stream import stream_core
from ..session_variables import add_session_variables

add_session_variables(stream_core)


@stream_core.variable("server_name")
def server_name(s: StreamSession) -> str:
    """Name of the server that serves the connection."""
    return s.server.name


@stream_core.variable("bytes_received")
def bytes_received(s: StreamSession) -> str:
    """Bytes received from the client."""
    return str(s.channel.received)


@stream_core.variable("bytes_sent")
def bytes_sent(s: StreamSession) -> str:
    """Bytes sent to the client."""
    return str(s.channel.sent)


@stream_core.variable("session_time")
def session_time(s: StreamSession) -> str:
    """Seconds, with milliseconds, since the connection was accepted."""
    return f"{max(0.0, time.time() - s.start):.3f}"


@stream_core.variable("status")
def status(s: StreamSession) -> str:
    """How the session has ended: 200, 400 (what the client sent could not be parsed), 403 (access
    is denied), 500, 502 (no upstream server could be reached), 503 ("limit_conn")."""
    return f"{s.status:03d}" if s.status else "000"


@stream_core.variable("protocol")
def protocol(s: StreamSession) -> str:
    """TCP or UDP."""
    return "UDP" if s.is_udp else "TCP"
