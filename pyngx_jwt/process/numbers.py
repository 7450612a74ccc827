"""The numbers of client connections, which all processes of a server count together."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator

SIZE = 8  # bytes


def connection_numbers() -> Iterator[int]:
    """1, 2, 3 ...; forked processes that go on with it never get a number twice."""
    fd = _shared_file()
    os.pwrite(fd, (1).to_bytes(SIZE), 0)
    return _count(fd)


def _shared_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("connections")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _count(fd: int) -> Iterator[int]:
    while True:
        fcntl.lockf(fd, fcntl.LOCK_EX)  # ends with a process that is killed
        number = int.from_bytes(os.pread(fd, SIZE, 0))
        os.pwrite(fd, (number + 1).to_bytes(SIZE), 0)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        yield number
