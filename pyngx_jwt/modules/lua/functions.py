"""All functions and operations that Lua can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    balancing,
    captures,
    certificates,
    dictionary,
    driver,
    keys,
    regexes,
    requests,
    responses,
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
        keys.calls,
        balancing.calls,
        certificates.calls,
    )
    for name, function in part.functions.items()
}
for part in (requests, responses, captures, sockets):
    operations.functions.update(part.operations.functions)
