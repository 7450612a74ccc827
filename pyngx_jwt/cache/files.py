"""The files of a cache: reading one, writing one and the directories they are in.

What goes wrong on a disk is reported to ``report`` in nginx's words and answered by a value.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import stat
from collections.abc import Callable

from ..log import Severity, errno_text

Report = Callable[[Severity, str], None]

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
WRITE_SIZE = 65536  # bytes that are gathered before they are written
_SECTOR = 512
_TEMP_TRIES = 10
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not stop a worker
_CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def block_size(path: str) -> int:
    """Bytes of a block, in which a cache counts its size (ngx_fs_bsize)."""
    try:
        size = os.statvfs(path).f_bsize
    except OSError:
        return _SECTOR
    return _SECTOR if size % _SECTOR or size > os.sysconf("SC_PAGESIZE") else size


def available(path: str) -> int | None:
    """Free bytes of the file system, None if it does not say (ngx_fs_available)."""
    try:
        info = os.statvfs(path)
    except OSError:
        return None
    return info.f_bavail * info.f_bsize


def blocks(info: os.stat_result, block: int) -> int:
    """What a file takes on the disk, unless the file system says strange things about it."""
    size, on_disk = info.st_size, info.st_blocks * _SECTOR
    if size < on_disk < size + 8 * info.st_blksize:
        size = on_disk
    return -(-size // block)


def open_file(path: str, report: Report) -> tuple[int, os.stat_result] | None:
    """A descriptor to read from, None if there is no such file or it cannot be had."""
    try:
        fd = os.open(path, _READ_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        report(Severity.CRIT, f'open() "{path}" failed {_reason(error)}')
        return None
    try:
        info = os.fstat(fd)
    except OSError as error:
        report(Severity.CRIT, f'fstat() "{path}" failed {errno_text(error)}')
        os.close(fd)
        return None
    if not stat.S_ISREG(info.st_mode):
        report(Severity.CRIT, f'"{path}" is not a regular file')
        os.close(fd)
        return None
    return fd, info


def read(fd: int, size: int, offset: int, path: str, report: Report) -> bytes | None:
    """Up to ``size`` bytes, None if reading fails."""
    try:
        return os.pread(fd, size, offset)
    except OSError as error:
        report(Severity.CRIT, f'pread() "{path}" failed {errno_text(error)}')
        return None


def unlink(path: str, report: Report) -> None:
    """Deletes a file; that another process was faster is not a failure."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        report(Severity.CRIT, f'unlink() "{path}" failed {errno_text(error)}')


def _reason(error: Exception) -> str:
    return errno_text(error) if isinstance(error, OSError) else f"({error})"


class Writer:
    """A response on its way into a temporary file.

    Nothing is on the disk before ``write_size`` bytes have come, or ``flush``.  After a failure
    the writer takes no more and keeps nothing.
    """

    __slots__ = (
        "_name",
        "_pending",
        "_pending_size",
        "_report",
        "_write_size",
        "body_start",
        "failed",
        "fd",
        "path",
        "size",
    )

    def __init__(
        self,
        name: Callable[[str], str],
        start: bytes,
        report: Report,
        write_size: int = WRITE_SIZE,
    ) -> None:
        """``name`` makes a path of a number of ten digits."""
        self._name, self._report, self._write_size = name, report, write_size
        self._pending, self._pending_size = [start], len(start)
        self.body_start = self.size = len(start)  # bytes of the file
        self.path, self.fd, self.failed = "", -1, False

    def write(self, data: bytes) -> bool:
        """False when the response cannot be kept any more."""
        if self.failed:
            return False
        self._pending.append(data)
        self._pending_size += len(data)
        self.size += len(data)
        return self._pending_size < self._write_size or self.flush()

    def flush(self) -> bool:
        """Writes what was gathered."""
        if self.failed or (self.fd < 0 and not self._create()):
            return False
        data, self._pending, self._pending_size = b"".join(self._pending), [], 0
        try:
            _write_all(self.fd, data)
        except OSError as error:
            self._report(Severity.CRIT, f'pwrite() "{self.path}" failed {errno_text(error)}')
            self.abort()
            return False
        return True

    def abort(self) -> None:
        """Removes the file."""
        self.failed, self._pending = True, []
        if self.fd >= 0:
            unlink(self.path, self._report)
            self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _create(self) -> bool:
        tries = _TEMP_TRIES
        while error := self._try_create():
            tries -= 1
            if error.errno != errno.EEXIST or not tries:
                self._report(Severity.CRIT, f'open() "{self.path}" failed {errno_text(error)}')
                self.abort()
                return False
        return True

    def _try_create(self) -> OSError | None:
        self.path = self._name(f"{random.getrandbits(32):010d}")
        for has_directories in (False, True):
            try:
                self.fd = os.open(self.path, _CREATE_FLAGS, FILE_MODE)
                return None
            except OSError as error:
                if error.errno != errno.ENOENT or has_directories:
                    return error
                make_directories(self.path, self._report)
        return None


def _write_all(fd: int, data: bytes) -> None:
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, memoryview(data)[done:])


def make_directories(path: str, report: Report, mode: int = DIRECTORY_MODE) -> bool:
    """Makes the directories above the file, each with the mode (ngx_create_full_path)."""
    missing: list[str] = []
    while (path_above := os.path.dirname(missing[-1] if missing else path)) not in ("", "/"):
        if os.path.isdir(path_above):
            break
        missing.append(path_above)
    try:
        for directory in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.mkdir(directory, mode)
    except OSError as error:
        report(Severity.CRIT, f'mkdir() "{path}" failed {errno_text(error)}')
        return False
    return True


def move(
    source: str, target: str, report: Report, *, mode: int = FILE_MODE, path_mode: int = 0
) -> bool:
    """Renames a file, into directories that may be missing and other file systems.

    If that fails the source is removed (ngx_ext_rename_file).  ``path_mode`` is that of new
    directories, ``mode`` that of a copy.
    """
    error = _rename(source, target)
    if error is not None and error.errno == errno.ENOENT:
        if not make_directories(target, report, path_mode or DIRECTORY_MODE):
            unlink(source, report)
            return False
        error = _rename(source, target)
    if error is not None and error.errno == errno.EXDEV:
        error = _copy(source, target, report, mode)
    if error is None:
        return True
    report(Severity.CRIT, f'rename() "{source}" to "{target}" failed {errno_text(error)}')
    unlink(source, report)
    return False


def _rename(source: str, target: str) -> OSError | None:
    try:
        os.rename(source, target)
    except OSError as error:
        return error
    return None


def _copy(source: str, target: str, report: Report, mode: int) -> OSError | None:
    """To another file system: under a temporary name first, so that no process sees half a file."""
    temporary = f"{target}.{random.getrandbits(32):010d}"
    try:
        shutil.copyfile(source, temporary)
        os.chmod(temporary, mode)
        info = os.stat(source)
        os.utime(temporary, ns=(info.st_atime_ns, info.st_mtime_ns))
        os.rename(temporary, target)
    except OSError as error:
        unlink(temporary, report)
        return error
    unlink(source, report)
    return None
