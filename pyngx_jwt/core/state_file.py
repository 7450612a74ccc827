"""Files in which workers keep what was changed while they ran, and that are read at the start."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile


def read_state(path: str) -> bytes | None:
    """The bytes of the file, None if there is none; raises OSError."""
    try:
        # A FIFO must not stop the start.
        fd = os.open(path.encode("latin-1"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("not a regular file")
        return file.read()


def replace_state(path: str, data: bytes) -> None:
    """Puts a new file in the place of the old one, as a whole; its owner alone may read it.

    The name that it has before nobody can foresee, and a file or link of that name is not opened.
    Raises OSError."""
    directory, name = os.path.split(path.encode("latin-1"))
    fd, temporary = tempfile.mkstemp(prefix=name + b".", dir=directory)
    try:
        with open(fd, "wb") as file:
            file.write(data)
        os.replace(temporary, path.encode("latin-1"))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
