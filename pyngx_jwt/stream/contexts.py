"""The kinds of blocks in "stream"."""

from __future__ import annotations

from ..conf.context import Context
from ..conf.directive import MAIN
from ..core.contexts import LOGGED
from .level import StreamLevel

STREAM = Context("stream", "stream", MAIN, block=StreamLevel)
STREAM_UPSTREAM = Context("upstream in stream", "stream.upstream", STREAM, apart=True)
STREAM_SERVER = Context("server in stream", "stream.server", STREAM)
IN_STREAM = STREAM | STREAM_SERVER  # nginx's usual pair
LOGGED.include(IN_STREAM)
