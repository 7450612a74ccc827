"""Exit statuses, and writing to standard output and error."""

from __future__ import annotations

import os
import sys

from ... import exits
from ...arguments import write_out
from ...log import write_stderr

CLEAN, FOUND, INVALID = exits.CLEAN, exits.NEGATIVE, exits.INVALID
INTERNAL, USAGE = exits.INTERNAL, exits.USAGE


def print_text(text: str) -> None:
    """Writes to standard output."""
    write_out(text.encode("utf-8", "surrogateescape"))


def say(text: str, status: int) -> int:
    """Reports an error; returns the status."""
    write_stderr("[emerg] " + text.encode("utf-8", "surrogateescape").decode("latin-1"))
    return status


def misused(command: str, text: str) -> int:
    """Reports wrong usage of "pyngx lint" or another command; returns the status."""
    data = f"{command}: {text}\n".encode("utf-8", "surrogateescape")
    os.write(2, data)
    return USAGE


def is_terminal() -> bool:
    """Whether colours make sense."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def standard_input() -> str:
    """All of it, as latin-1."""
    return sys.stdin.buffer.read().decode("latin-1")
