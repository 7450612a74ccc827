"""An LMDB environment: a memory-mapped tree of byte strings, in a file that lives in memory.

Every change is one transaction: a process that is killed in the middle of one leaves nothing
behind and blocks no process, for the lock is a robust mutex.  Every process opens for itself what
it uses, and uses it from one thread: a second thread that waited for the lock of the first
would wait with the interpreter's own lock in its hand.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable

import lmdb

# Places for processes that read, times the transactions each keeps at hand.  A process takes
# one when it opens the zone, and one that is killed leaves its own taken until another looks.
MAX_READERS = 1024
NO_ROOM = (lmdb.MapFullError, lmdb.DiskError)  # of the zone, of the directory it is in
SPARE_TRANSACTIONS = 4
SMALLEST_MAP = 1 << 20

Begin = Callable[..., "lmdb.Transaction[bytes]"]


class LmdbEnvironment:
    """The memory of a zone, kept over a reload that keeps the zone."""

    __slots__ = ("__weakref__", "begin", "environment", "map_size", "path")

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        # Pages are copied when they change and half empty after a split.  What is never
        # written takes no memory.
        self.map_size = max(SMALLEST_MAP, 4 * size)
        self.environment: lmdb.Environment | None = None
        self.begin: Begin | None = None

    def create(self) -> None:
        """Makes the files, and takes the room of the lock table, which is mapped: a page of it
        that could not be had later would kill the process.  Raises OSError."""
        self.remove()  # what a configuration that was refused has left
        try:
            self.open()
        except lmdb.Error as error:
            code = errno.ENOSPC if isinstance(error, lmdb.DiskError) else errno.EIO
            raise OSError(code, str(error)) from None
        self.close()
        owner = os.stat(os.path.dirname(self.path))
        for path in (self.path, self.path + "-lock"):
            if os.geteuid() == 0:
                os.chown(path, owner.st_uid, owner.st_gid)
        with open(self.path + "-lock", "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)

    @property
    def is_there(self) -> bool:
        """Whether the files have their names: what cleans up directories may have removed them."""
        return os.path.exists(self.path) and os.path.exists(self.path + "-lock")

    def open(self) -> Begin:
        # No writemap: a write to a mapped page that the full directory cannot give is a SIGBUS, a
        # write to the file an error.  No fsync of any kind: the directory ends with the master.
        self.environment = lmdb.open(
            self.path,
            map_size=self.map_size,
            subdir=False,
            sync=False,
            metasync=False,
            meminit=False,
            readahead=False,
            mode=0o600,
            max_readers=MAX_READERS,
            max_spare_txns=SPARE_TRANSACTIONS,
        )
        self.begin = self.environment.begin
        return self.begin

    def reader_check(self) -> None:
        """Frees the places of readers that were killed: there are not many, and they keep old
        pages from reuse."""
        if self.environment is not None:
            self.environment.reader_check()

    def close(self) -> None:
        if self.environment is not None:
            self.environment.close()
        self.environment = self.begin = None

    def remove(self) -> None:
        self.close()
        for path in (self.path, self.path + "-lock"):
            with contextlib.suppress(OSError):
                os.unlink(path)
