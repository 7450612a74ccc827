"""Blocks and files of the configuration, as errors and warnings about them name them."""

from __future__ import annotations

import os

from ...http.contexts import HTTP, LOCATION, SERVER
from ...http.level import Level
from ..core import CoreConf


def answers(level: Level) -> bool:
    """Whether clients' requests are answered by this level's own configuration."""
    if level.context is SERVER:
        return not level.inner(LOCATION)
    return level.context is not HTTP and not level[CoreConf].internal_only


def place_of(level: Level) -> str:
    """The block, as an error names it."""
    if level.context is SERVER:
        return "server"
    conf = level[CoreConf]
    return f"location {conf.modifier} {conf.name}".replace("  ", " ")


def opened_at(level: Level) -> tuple[str, int]:
    """File and line of the block."""
    assert level.statement is not None
    return level.statement.file, level.statement.line


def warn(level: Level, text: str) -> None:
    """A warning about the block, with its place."""
    file, line = opened_at(level)
    level.scope.warn_at(f"{text} in {file}:{line}")


def here(path: str) -> str:
    """A path from the working directory, as modules that open it by themselves take it."""
    return os.path.abspath(path.encode("latin-1")).decode("latin-1") if path else ""
