"""Going into the background."""

from __future__ import annotations

import os
from typing import Self

from ..log import Log, Severity, errno_text


class Daemon:
    """The child of a start with ``daemon on``.

    The parent waits for ``started``, so that its exit status is that of the start.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    @classmethod
    def start(cls, log: Log) -> Self | None:
        """Returns in the child only; None after reporting why it cannot be."""
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            log.write(Severity.EMERG, f"fork() failed {errno_text(error)}")
            return None
        if pid:
            os.close(writer)
            _exit_as_child_says(reader)
        os.close(reader)
        os.setsid()
        # Not nginx's 0: what libraries create must not be writable by any user.
        os.umask(0o022)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        if null > 2:
            os.close(null)
        return cls(writer)

    def started(self) -> None:
        """Lets the parent exit with 0: the sockets listen, the pid file is there."""
        os.write(self._pipe, b"+")
        os.close(self._pipe)


def _exit_as_child_says(reader: int) -> None:
    os._exit(0 if os.read(reader, 1) else 1)
