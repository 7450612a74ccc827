"""Groups of servers that "proxy_pass" can refer to."""

from __future__ import annotations

from . import life, variables
from .conf import Method, UpstreamConf, upstream
from .passing import pass_to
from .stream import stream_upstream

__all__ = ["Method", "UpstreamConf", "life", "pass_to", "stream_upstream", "upstream", "variables"]
