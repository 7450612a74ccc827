"""The same groups in "stream"."""

from __future__ import annotations

from ...stream.contexts import STREAM
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import StreamSession
from .conf import UpstreamConf, build_all, resolve_addresses, upstream
from .variables import each, seconds

stream_upstream = StreamModule("stream_upstream", UpstreamConf)
stream_upstream.take_variables(
    upstream,
    "upstream_addr",
    "upstream_connect_time",
    "upstream_bytes_received",
    "upstream_bytes_sent",
    "upstream_last_addr",
)


@stream_upstream.variable("upstream_first_byte_time")
def upstream_first_byte_time(s: StreamSession) -> str | None:
    """Seconds, with milliseconds, until the first byte of the upstream was received."""
    return each(s, lambda state: seconds(state.header_time))


@stream_upstream.variable("upstream_session_time")
def upstream_session_time(s: StreamSession) -> str | None:
    """Seconds, with milliseconds, that the session with the server has taken."""
    return each(s, lambda state: seconds(state.response_time))


stream_upstream.before_merge(resolve_addresses)


@stream_upstream.after_merge
def build_stream_groups(conf: UpstreamConf, level: StreamLevel) -> None:
    if level.context is STREAM:
        build_all(level)
