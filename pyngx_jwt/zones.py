"""Named memory that the worker processes share.

A zone is an LMDB environment, a memory-mapped tree of byte strings, in a folder that lives
in memory.  Every change is one transaction: a process that is killed in the middle of one
leaves nothing behind and blocks nobody, for the lock is a robust mutex.  The master makes the
folder; every process opens for itself what it uses.

A zone is used from one thread of a process: a second thread that waited for the lock of the
first would wait with the interpreter's own lock in its hand.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import lmdb

from .errors import ConfError

T = TypeVar("T")

IN_MEMORY = "/dev/shm"
# Places for processes that read, times the transactions each keeps at hand.  A process takes
# one when it opens the zone, and one that is killed leaves its own taken until somebody looks.
MAX_READERS = 1024
NO_ROOM = (lmdb.MapFullError, lmdb.DiskError)  # of the zone, of the folder it is in
SPARE_TRANSACTIONS = 4
SMALLEST_MAP = 1 << 20
SAMPLE = 16
BATCH = 256


class Cursor(Protocol):
    """A place among the keys of a transaction, which are in the order of their bytes."""

    def set_range(self, key: bytes, /) -> bool: ...

    def first(self) -> bool: ...

    def next(self) -> bool: ...

    def key(self) -> bytes: ...

    def value(self) -> bytes: ...


class Transaction(Protocol):
    """What ``Zone.read`` and ``Zone.write`` hand to their function."""

    def get(self, key: bytes, /) -> bytes | None: ...

    def put(self, key: bytes, value: bytes, /) -> bool: ...

    def delete(self, key: bytes, /) -> bool: ...

    def cursor(self) -> Cursor: ...


# Deletes something that can be missed; False when there is nothing of the kind.
Evict = Callable[[Transaction], bool]


class ZoneFull(Exception):
    """A transaction of ``Zone.write`` did not fit; nothing of it was kept."""


class _Memory:
    """The environment behind a zone, kept over a reload that keeps the zone."""

    __slots__ = ("__weakref__", "begin", "environment", "map_size", "path")

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        # Pages are copied when they change and half empty after a split.  What is never
        # written takes no memory.
        self.map_size = max(SMALLEST_MAP, 4 * size)
        self.environment: lmdb.Environment | None = None
        self.begin: Callable[..., lmdb.Transaction[bytes]] | None = None

    def create(self) -> None:
        """Makes the files, and takes the room of the lock table, which is mapped: a page of it
        that could not be had later would kill the process.  Raises OSError."""
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

    def open(self) -> Callable[..., lmdb.Transaction[bytes]]:
        # No writemap: a write to a mapped page that the full folder cannot give is a SIGBUS, a
        # write to the file an error.  No fsync of any kind: the folder ends with the master.
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


class Zone:
    """One zone: bytes by key (1 to 511 bytes).

    ``size`` is in bytes, as configured; a zone is full when the pages of its tree take more.
    ``evict`` is asked for room before a new key is put in a full zone.
    """

    __slots__ = ("_memory", "evict", "name", "noreuse", "size", "tag")

    def __init__(self, name: str, size: int, tag: str) -> None:
        self.name, self.size, self.tag = name, size, tag
        self.evict: Evict | None = None
        self.noreuse = False  # a reload starts this zone afresh
        self._memory: _Memory | None = None

    # -- one key ---------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        transaction = self._reading()
        try:
            return transaction.get(key)
        finally:
            transaction.abort()

    def put(self, key: bytes, value: bytes) -> bool:
        """False when the zone is full, and the zone is as it was."""
        return self.update(key, lambda _: value)

    def delete(self, key: bytes) -> bool:
        """Whether the key was there."""
        return self.write(lambda t: t.delete(key))

    def update(self, key: bytes, change: Callable[[bytes | None], bytes | None]) -> bool:
        """Replaces the value by what ``change`` makes of it, with all processes kept out.

        None is "no such key" in both directions.  ``change`` must not use the zone itself and
        may run twice.  False when a new key does not fit; the zone is as it was.
        """
        try:
            return self._update(key, change)
        except NO_ROOM:
            self._require().reader_check()
        try:
            return self._update(key, change)
        except NO_ROOM:
            return False

    def _update(self, key: bytes, change: Callable[[bytes | None], bytes | None]) -> bool:
        transaction = self._begin()(None, None, True)
        try:
            old = transaction.get(key)
            new = change(old)
            if new is None:
                transaction.delete(key)
            elif old is not None or self._has_room(transaction):
                transaction.put(key, new)
            else:
                transaction.abort()
                return False
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return True

    def _has_room(self, transaction: lmdb.Transaction[bytes]) -> bool:
        """One out, one in: a deleted key does not give back a page, but room on one."""
        stat = transaction.stat()
        pages = stat["leaf_pages"] + stat["branch_pages"] + stat["overflow_pages"]
        if (pages + 1) * stat["psize"] <= max(self.size, 4 * stat["psize"]):
            return True
        return self.evict is not None and self.evict(transaction)

    # -- several keys ----------------------------------------------------------------------

    def read(self, look: Callable[[Transaction], T]) -> T:
        """Runs ``look`` on one state of the zone; it must not wait for anything."""
        transaction = self._reading()
        try:
            return look(transaction)
        finally:
            transaction.abort()

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Runs ``change`` with all processes kept out; all it does is kept, or nothing.

        It must not use the zone itself and may run twice.  It does not ask ``evict``; what
        it raises ends it, and ZoneFull is raised when the memory is exhausted.
        """
        try:
            return self._write(change)
        except NO_ROOM:
            self._require().reader_check()
        try:
            return self._write(change)
        except NO_ROOM:
            raise ZoneFull(self.name) from None

    def _write(self, change: Callable[[Transaction], T]) -> T:
        transaction = self._begin()(None, None, True)
        try:
            found = change(transaction)
            transaction.commit()
        except BaseException:
            transaction.abort()
            raise
        return found

    def iterate(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The keys with the prefix in their order, in batches, each of one moment.

        What is put or deleted meanwhile is seen or not, but nothing is seen twice.
        """
        start = prefix
        while True:
            batch = self.read(lambda t, start=start: _batch(t, prefix, start))  # type: ignore[misc]
            yield from batch
            if len(batch) < BATCH:
                return
            start = batch[-1][0] + b"\0"

    def count(self) -> int:
        """How many keys there are."""
        transaction = self._reading()
        try:
            return transaction.stat()["entries"]
        finally:
            transaction.abort()

    # -- life ------------------------------------------------------------------------------

    def open(self) -> None:
        """Opens now what would be opened on first use."""
        self._begin()

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()

    def place(self, path: str, old: Zone | None = None) -> None:
        """Gives the zone its memory: that of ``old`` if it can be kept, else the path.

        Raises OSError."""
        if old is not None and old._memory is not None and self._continues(old):
            self._memory = old._memory
        else:
            self._memory = _Memory(path, self.size)
            self._memory.create()

    def _continues(self, old: Zone) -> bool:
        return (self.name, self.size, self.tag) == (old.name, old.size, old.tag) and (
            not self.noreuse
        )

    def retire(self, successor: Zone | None) -> None:
        """Removes the zone's memory unless the successor goes on with it."""
        if self._memory is not None and (
            successor is None or successor._memory is not self._memory
        ):
            self._memory.remove()

    def check_readers(self) -> None:
        """Frees what processes that were killed have left; the zone may be closed."""
        memory = self._require()
        if memory.environment is not None:
            memory.reader_check()
        else:
            memory.open()
            memory.reader_check()
            memory.close()

    def _reading(self) -> lmdb.Transaction[bytes]:
        begin = self._begin()
        try:
            return begin()
        except lmdb.ReadersFullError:
            self._require().reader_check()
            return begin()

    def _begin(self) -> Callable[..., lmdb.Transaction[bytes]]:
        memory = self._memory or self._require()
        return memory.begin or memory.open()

    def _require(self) -> _Memory:
        if self._memory is None:
            raise RuntimeError(f'zone "{self.name}" is used before Zones.start()')
        return self._memory


def _batch(t: Transaction, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
    cursor, found = t.cursor(), list[tuple[bytes, bytes]]()
    more = cursor.set_range(start) if start else cursor.first()
    while more and len(found) < BATCH and (key := cursor.key()).startswith(prefix):
        found.append((key, cursor.value()))
        more = cursor.next()
    return found


def first(t: Transaction, prefix: bytes) -> tuple[bytes, bytes] | None:
    """The first key with the prefix, and its value."""
    cursor = t.cursor()
    if not cursor.set_range(prefix) or not (key := cursor.key()).startswith(prefix):
        return None
    return key, cursor.value()


def evict_oldest(age: Callable[[bytes], float]) -> Evict:
    """Evicts the value of the lowest ``age`` among some neighbours at a random place.

    Near enough to the least recently used, without a list of them that every use would
    have to change.  Keys should be digests: the place is random among those.
    """

    def evict(t: Transaction) -> bool:
        cursor, sample = t.cursor(), list[tuple[float, bytes]]()
        more = cursor.set_range(random.randbytes(8)) or cursor.first()
        while more and len(sample) < SAMPLE:
            sample.append((age(cursor.value()), cursor.key()))
            more = cursor.next()
        return bool(sample) and t.delete(min(sample)[1])

    return evict


class Zones:
    """The zones of one configuration.

    ``add`` while it is read, ``check`` and ``start`` when it is used, ``close`` in a process
    that is done; the folder is the master's to remove.
    """

    def __init__(self) -> None:
        self.zones: dict[str, Zone] = {}
        self._serial = 0

    def add(self, name: str, size: int, tag: str) -> Zone:
        """Declares a zone or refers to one (size 0 if only that), as ngx_shared_memory_add.

        ``tag`` is its use, most often the module's name.
        """
        zone = self.zones.get(name)
        if zone is None:
            zone = self.zones[name] = Zone(name, size, tag)
            return zone
        if zone.tag != tag:
            text = f'the shared memory zone "{name}" is already declared for a different use'
            raise ConfError(text)
        zone.size = zone.size or size
        if size and size != zone.size:
            raise ConfError(
                f'the size {size} of shared memory zone "{name}" '
                f"conflicts with already declared size {zone.size}"
            )
        return zone

    def check(self) -> None:
        """Raises for a zone that was referred to and never declared."""
        for zone in self.zones.values():
            if not zone.size:
                raise ConfError(f'zero size shared memory zone "{zone.name}"').nowhere()

    @property
    def size(self) -> int:
        """Bytes of all zones together."""
        return sum(zone.size for zone in self.zones.values())

    def start(self, folder: Folder, old: Zones | None = None) -> None:
        """Gives every zone its memory; those that ``old`` has alike go on with what they hold.

        Raises OSError where there is no room for one."""
        self._serial = 1 + (old._serial if old else 0)
        for number, zone in enumerate(self.zones.values()):
            path = os.path.join(folder.path, f"{self._serial}.{number}")
            zone.place(path, old.zones.get(zone.name) if old else None)
        # An environment must not live on in two processes, not even to be closed in one.
        reference = weakref.ref(self)
        os.register_at_fork(before=lambda: _close(reference))

    def open(self) -> None:
        """Opens all zones, so that no reload can take their files away before they are used."""
        for zone in self.zones.values():
            zone.open()

    def check_readers(self) -> None:
        """To be called when a process that used the zones has been killed."""
        for zone in self.zones.values():
            zone.check_readers()

    def close(self) -> None:
        """Also done before a fork, and at the end of a process, whose places in the zones would
        be taken otherwise; what is used again is opened again."""
        for zone in self.zones.values():
            zone.close()

    def retire(self, successor: Zones) -> None:
        """After a reload: removes what the successor has not kept.

        Processes that have called ``open`` keep what they have open.
        """
        for zone in self.zones.values():
            zone.retire(successor.zones.get(zone.name))


def _close(reference: weakref.ref[Zones]) -> None:
    zones = reference()
    if zones is not None:
        zones.close()


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one master's zones, in memory if possible.

    Its name is new at every start.  A lock, which the children inherit, tells whether anybody
    still lives there: what a killed master left is removed by the next one.
    """

    path: str
    lock: int

    @classmethod
    def make(
        cls, needed: int = 0, owner: tuple[int, int] | None = None, base: str | None = None
    ) -> Folder:
        """Raises OSError.  ``needed`` are the bytes of all zones, ``owner`` the workers' ids."""
        base = base or _base(needed)
        _sweep(base)
        path = tempfile.mkdtemp(prefix="pyngx.", dir=base)
        # Locked before it has its name, so that nobody takes it for a dead one's.
        fd = os.open(os.path.join(path, "new"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.rename(os.path.join(path, "new"), os.path.join(path, "lock"))
        if owner is not None:
            os.chown(path, *owner)
        return cls(path, fd)

    def remove(self) -> None:
        """Removes the folder; processes that have a zone open keep it to themselves."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.lock)


def start_zones(
    zones: Zones,
    owner: tuple[int, int] | None = None,
    *,
    folder: Folder | None = None,
    old: Zones | None = None,
) -> Folder | None:
    """Gives the zones their memory before anybody uses them; the folder that they are in.

    ``folder`` and ``old`` are those before a reload; without one a folder is made, if there
    are zones at all, and the caller has to remove it in the end.  Raises OSError.
    """
    if zones.zones and folder is None:
        folder = Folder.make(zones.size, owner)
    if folder is not None:
        zones.start(folder, old)
    return folder


def _base(needed: int) -> str:
    """Memory if it can be written and has room: a page that cannot be had is a SIGBUS."""
    with contextlib.suppress(OSError):
        free = os.statvfs(IN_MEMORY)
        if os.access(IN_MEMORY, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize > 2 * needed:
            return IN_MEMORY
    return tempfile.gettempdir()


def _sweep(base: str) -> None:
    for entry in _folders(base):
        with contextlib.suppress(OSError):
            fd = os.open(os.path.join(entry, "lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(fd)


def _folders(base: str) -> Iterable[str]:
    """Folders of the kind that we may remove; those of our workers' user are root's too."""
    mine = os.geteuid()
    with os.scandir(base) as entries:
        return [
            entry.path
            for entry in entries
            if entry.name.startswith("pyngx.")
            and entry.is_dir(follow_symlinks=False)
            and mine in (0, entry.stat(follow_symlinks=False).st_uid)
        ]
