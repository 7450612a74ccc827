"""Statements to the objects that serve requests.

reader: runs statements on levels, the blocks of the configuration.  http: what follows the end of
an http block.  merging, variables, locations, listening: its steps.  cycle: the whole.
"""

from __future__ import annotations

from .cycle import Cycle, MainSettings, load, read, scope_of
from .http import finish_http
from .locations import satisfying
from .merging import walk
from .stream import finish_stream

__all__ = [
    "Cycle",
    "MainSettings",
    "finish_http",
    "finish_stream",
    "load",
    "read",
    "satisfying",
    "scope_of",
    "walk",
]
