"""The numbers of client connections, which all processes of a server count together."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial


def connection_numbers() -> Iterator[int]:
    """1, 2, 3 ...; forked processes that go on with it never get a number twice."""
    fd = _shared_file()
    if sys.platform == "linux":
        # The processes share the offset of the file, and the kernel moves it under a lock.
        return iter(partial(os.lseek, fd, 1, os.SEEK_CUR), 0)
    return _count(fd)


def _shared_file() -> int:
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("connections")
        try:
            # Only what was opened by a name has that lock.
            return os.open(f"/proc/self/fd/{memory}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            pass
        finally:
            os.close(memory)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _count(fd: int) -> Iterator[int]:
    while True:
        fcntl.lockf(fd, fcntl.LOCK_EX)  # ends with a process that is killed
        number = os.lseek(fd, 1, os.SEEK_CUR)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        yield number
