"""All functions and operations that Lua can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    balancing,
    captures,
    certificates,
    datagrams,
    dictionary,
    driver,
    keys,
    regexes,
    requests,
    responses,
    semaphores,
    sessions,
    sockets,
    text,
)
from .driver import operations

PARTS = (driver.calls, text.calls, requests.calls, responses.calls, regexes.calls)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: function
    for part in (
        *PARTS,
        dictionary.calls,
        captures.calls,
        sockets.calls,
        datagrams.calls,
        semaphores.calls,
        keys.calls,
        balancing.calls,
        certificates.calls,
    )
    for name, function in part.functions.items()
}
STREAM_FUNCTIONS = {**FUNCTIONS, **sessions.calls.functions}
for part in (requests, responses, captures, sockets, datagrams, semaphores, sessions):
    operations.functions.update(part.operations.functions)
