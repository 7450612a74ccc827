"""The files that logs are written to: opened once a path, reopened on a signal.

A line is one ``write(2)`` to a file opened with O_APPEND, so that lines of several
processes never mix.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
import zlib
from collections.abc import Iterator

from ..errors import ConfError
from .severity import STDERR_FD, Reporter, Severity, errno_text, write_all


class Buffer:
    """``buffer=``, ``flush=`` and ``gzip=`` of an access_log, and what waits in it."""

    __slots__ = ("data", "flush", "gzip", "size", "timer")

    def __init__(
        self, size: int, flush: float = 0.0, gzip: int = 0, data: bytearray | None = None
    ) -> None:
        self.size = size  # bytes
        self.flush = flush  # seconds a line waits at most; 0 is "until the buffer is full"
        self.gzip = gzip  # compression level; 0 is none
        self.data = bytearray() if data is None else data
        self.timer: asyncio.TimerHandle | None = None

    def same(self, other: Buffer) -> bool:
        return (self.size, self.flush, self.gzip) == (other.size, other.flush, other.gzip)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class OpenFile:
    """A log file: one descriptor for all error_log and access_log lines that name it."""

    __slots__ = ("_error_time", "_full_time", "buffer", "fd", "mode", "name")

    def __init__(self, name: str, mode: int = 0o644) -> None:
        """`mode` is who may read and write the file if it has to be made."""
        self.name, self.mode = name, mode  # "" is stderr
        self.fd = STDERR_FD if not name else -1
        self.buffer: Buffer | None = None
        self._full_time = 0
        self._error_time = 0

    def set_buffer(self, buffer: Buffer, written: str) -> None:
        """Buffers what ``write`` gets; ``written`` is the name as the configuration has it."""
        if self.buffer is not None and not self.buffer.same(buffer):
            raise ConfError(f'access_log "{written}" already defined with conflicting parameters')
        self.buffer = self.buffer or buffer

    def append(self, line: bytes) -> OSError | None:
        """Writes at once, past the buffer; a full disk is left alone for a second."""
        if self._full_time and int(time.time()) == self._full_time:
            return None
        error = write_all(self.fd, line)
        if error and error.errno == errno.ENOSPC:
            self._full_time = int(time.time())
        return error

    def write(self, line: bytes, log: Reporter) -> None:
        """Writes a line of an access_log, through the buffer if there is one."""
        buffer = self.buffer
        if buffer is None:
            self._put(line, log)
            return
        if len(buffer.data) + len(line) > buffer.size:
            self.flush(log)
        if len(line) > buffer.size:
            self._put(line, log)
            return
        if buffer.flush and not buffer.data:
            loop = asyncio.get_running_loop()
            buffer.timer = loop.call_later(buffer.flush, self.flush, log)
        buffer.data += line

    def flush(self, log: Reporter) -> None:
        """Writes out what the buffer holds."""
        buffer = self.buffer
        if buffer is None or not buffer.data:
            return
        buffer.stop_timer()
        data = bytes(buffer.data)
        buffer.data.clear()
        self._put(data, log)

    def _put(self, data: bytes, log: Reporter) -> None:
        if self.buffer is not None and self.buffer.gzip:
            data = _gzip(data, self.buffer.gzip)
        error = self.append(data)
        if error is None:
            return
        now = int(time.time())
        if now - self._error_time > 59:
            self._error_time = now
            log.write(Severity.ALERT, f'write() to "{self.name}" failed {errno_text(error)}')

    def open(self) -> None:
        """Opens the file; raises OSError."""
        if self.name:
            self.fd = _open_append(self.name, self.mode)

    def reopen(self, user: int | None, log: Reporter) -> None:
        """Turns to the file that has the name now; keeps the old one when it cannot."""
        if not self.name:
            return
        self.flush(log)
        try:
            fd = _open_append(self.name, self.mode)
        except OSError as error:
            log.write(Severity.EMERG, f'open() "{self.name}" failed {errno_text(error)}')
            return
        if user is not None and not _own(self.name, user, log):
            os.close(fd)
            return
        old, self.fd = self.fd, fd
        os.close(old)

    def close(self) -> None:
        if self.name and self.fd != -1:
            os.close(self.fd)
            self.fd = -1


def _open_append(name: str, mode: int) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return os.open(name.encode("latin-1"), flags, mode)


def _gzip(data: bytes, level: int) -> bytes:
    pack = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return pack.compress(data) + pack.flush()


def _own(name: str, user: int, log: Reporter) -> bool:
    """Gives a reopened file to the workers' user, who open it again themselves."""
    path = name.encode("latin-1")
    doing = f'stat() "{name}" failed'
    try:
        info = os.stat(path)
        if info.st_uid != user:
            doing = f'chown("{name}", {user}) failed'
            os.chown(path, user, -1)
        mode = stat.S_IMODE(info.st_mode)
        if mode & 0o600 != 0o600:
            doing = f'chmod() "{name}" failed'
            os.chmod(path, mode | 0o600)
    except OSError as error:
        log.write(Severity.EMERG, f"{doing} {errno_text(error)}")
        return False
    return True


class OpenFiles:
    """The log files of one configuration, each path once (ngx_conf_open_file)."""

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: dict[str, OpenFile] = {}

    def add(self, path: str, mode: int = 0o644) -> OpenFile:
        """The file of a full path, to be opened later; "" is stderr."""
        file = self._files.setdefault(path, OpenFile(path, mode))
        file.mode &= mode
        return file

    @property
    def has_stderr(self) -> bool:
        return "" in self._files

    def __iter__(self) -> Iterator[OpenFile]:
        return iter(self._files.values())

    def open(self) -> None:
        """Opens all; raises ConfError in nginx's words and leaves none open."""
        for file in self:
            try:
                file.open()
            except OSError as error:
                self.close()
                text = f'open() "{file.name}" failed {errno_text(error)}'
                raise ConfError(text).nowhere() from None

    def reopen(self, log: Reporter, user: int | None = None) -> None:
        """SIGUSR1; ``user`` is the workers' uid in a master, which gives them the files."""
        for file in self:
            file.reopen(user, log)

    def flush(self, log: Reporter) -> None:
        for file in self:
            file.flush(log)

    def close(self) -> None:
        for file in self:
            file.close()
