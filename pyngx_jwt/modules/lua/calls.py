"""What Python offers to Lua: functions by name, and how they fail there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class LuaError(Exception):
    """An error for the Lua code that called, which can catch it."""


class Calls:
    """Decorates functions that Lua's own code calls by their names."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}

    def __call__(self, function: F) -> F:
        self.functions[function.__name__] = function
        return function


Operation = Callable[..., Any]


class Operations:
    """Decorates coroutine functions that Lua waits for.  They get the run, and return the tuple of
    what Lua gets."""

    def __init__(self) -> None:
        self.functions: dict[str, Operation] = {}

    def __call__(self, function: F) -> F:
        self.functions[function.__name__] = function
        return function
