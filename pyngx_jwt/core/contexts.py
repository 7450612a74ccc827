"""The kinds of blocks of every server, whatever protocols it speaks."""

from __future__ import annotations

from ..conf.context import Context, Contexts
from ..conf.directive import MAIN

EVENTS = Context("events", "events", MAIN, shares=True)
LOGGED = Contexts(MAIN)  # those with an error_log of their own
