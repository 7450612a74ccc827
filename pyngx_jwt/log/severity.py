"""Levels of messages, and how nginx words a failed call."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import Protocol

from ..errors import ConfError

STDERR_FD = 2


class Severity(IntEnum):
    """The severity of a message; a log takes those not above its own level."""

    STDERR = 0
    EMERG = 1
    ALERT = 2
    CRIT = 3
    ERR = 4
    WARN = 5
    NOTICE = 6
    INFO = 7
    DEBUG = 8


class Reporter(Protocol):
    """Takes the errors of log files and syslog servers: an error_log."""

    def write(self, level: Severity, text: str) -> None: ...


# How the configuration and the lines name them ("error", not "err").
LEVEL_NAMES = ("", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
# Parts of "debug" that nginx can log alone; here each of them is all of it.
_DEBUG_PARTS = ("core", "alloc", "mutex", "event", "http", "mail", "stream")


def parse_levels(words: tuple[str, ...]) -> Severity:
    """The level that ``error_log FILE words`` asks for (ngx_log_set_levels)."""
    level: Severity | None = None
    for word in words:
        if word in LEVEL_NAMES[1:]:
            if level is not None:
                raise ConfError(f'duplicate log level "{word}"')
            level = Severity(LEVEL_NAMES.index(word))
        elif word in (f"debug_{part}" for part in _DEBUG_PARTS):
            if level not in (None, Severity.DEBUG):
                raise ConfError(f'invalid log level "{word}"')
            level = Severity.DEBUG
        else:
            raise ConfError(f'invalid log level "{word}"')
    return Severity.ERR if level is None else level


def errno_text(error: OSError) -> str:
    """``(2: No such file or directory)``, as nginx ends the sentence of a failed call."""
    number = error.errno or 0
    return f"({number}: {os.strerror(number)})"


def fault_text(error: Exception) -> str:
    """The same of a system call that has failed, and what any other error says."""
    if isinstance(error, OSError):
        is_of_system = error.errno and error.strerror == os.strerror(error.errno)
        return errno_text(error) if is_of_system else str(error)  # else it is of a library
    return str(error)


def write_stderr(text: str) -> None:
    """Says something on the console under nginx's name (ngx_log_stderr)."""
    write_all(STDERR_FD, f"nginx: {text}\n".encode("latin-1", "backslashreplace"))


def write_all(fd: int, data: bytes) -> OSError | None:
    """Writes without waiting and without raising; returns the error."""
    try:
        os.write(fd, data)
    except OSError as error:
        return error
    return None
