"""The zones of a configuration and the directory of their memory, from the start to a reload."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import ConfError
from .zone import Zone

IN_MEMORY = "/dev/shm"


class Zones:
    """The zones of one configuration.

    ``add`` while it is read, ``check`` and ``start`` when it is used, ``close`` in a process
    that is done; the directory is the master's to remove.
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

    def start(self, directory: ZoneDirectory, old: Zones | None = None) -> None:
        """Gives every zone its memory; those that ``old`` has alike go on with what they hold.

        Raises OSError where there is no room for one."""
        self._serial = 1 + (old._serial if old else 0)
        for number, zone in enumerate(self.zones.values()):
            path = os.path.join(directory.path, f"{self._serial}.{number}")
            zone.place(path, old.zones.get(zone.name) if old else None)
        # An environment must not live on in two processes, not even to be closed in one.
        reference = weakref.ref(self)
        os.register_at_fork(before=lambda: _close(reference))

    def open(self) -> None:
        """Opens all zones, so that no reload can take their files away before they are used."""
        for zone in self.zones.values():
            zone.open()

    @property
    def are_there(self) -> bool:
        """Whether other processes can open them all."""
        return all(zone.is_there for zone in self.zones.values())

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


class ZoneDirectory(NamedTuple):
    """The directory of one master's zones, in memory if possible.

    Its name is new at every start.  A lock, which the children inherit, tells whether anybody
    still lives there: what a killed master left is removed by the next one.
    """

    path: str
    lock: int

    @classmethod
    def make(
        cls, needed: int = 0, owner: tuple[int, int] | None = None, base: str | None = None
    ) -> ZoneDirectory:
        """Raises OSError.  ``needed`` are the bytes of all zones, ``owner`` the workers' ids."""
        base = base or _base(needed)
        _sweep(base)
        path = tempfile.mkdtemp(prefix="pyngx.", dir=base)
        # Locked before it has its name, so that no process takes it for a dead one's.
        fd = os.open(os.path.join(path, "new"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.rename(os.path.join(path, "new"), os.path.join(path, "lock"))
        if owner is not None:
            os.chown(path, *owner)
        return cls(path, fd)

    def remove(self) -> None:
        """Removes the directory; processes that have a zone open keep it to themselves."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.lock)


def start_zones(
    zones: Zones,
    owner: tuple[int, int] | None = None,
    *,
    directory: ZoneDirectory | None = None,
    old: Zones | None = None,
) -> ZoneDirectory | None:
    """Gives the zones their memory before they are used; the directory that they are in.

    ``directory`` and ``old`` are those before a reload; without one, or if another program has
    removed it, a directory is created, if there are zones, and the caller has to remove it in the
    end.  Raises OSError.
    """
    if directory is not None and os.path.isdir(directory.path):
        zones.start(directory, old)
        return directory
    if not zones.zones:
        return None
    directory = ZoneDirectory.make(zones.size, owner)
    try:
        zones.start(directory, old)
    except OSError:
        directory.remove()
        raise
    return directory


@contextlib.contextmanager
def tried(zone: Zone) -> Iterator[Zone]:
    """A zone like this one for a while, to find out what it has room for.  Raises OSError."""
    directory, twin = ZoneDirectory.make(zone.size), Zone(zone.name, zone.size, zone.tag)
    try:
        twin.place(os.path.join(directory.path, "tried"))
        yield twin
    finally:
        twin.close()
        directory.remove()


def _base(needed: int) -> str:
    """Memory if it can be written and has room: a page that cannot be had is a SIGBUS."""
    with contextlib.suppress(OSError):
        free = os.statvfs(IN_MEMORY)
        if os.access(IN_MEMORY, os.W_OK | os.X_OK) and free.f_bavail * free.f_frsize > 2 * needed:
            return IN_MEMORY
    return tempfile.gettempdir()


def _sweep(base: str) -> None:
    for entry in _directories(base):
        with contextlib.suppress(OSError):
            fd = os.open(os.path.join(entry, "lock"), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(fd)


def _directories(base: str) -> Iterable[str]:
    """Directories of the kind that we may remove; those of our workers' user are root's too."""
    found: list[str] = []
    with os.scandir(base) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # its master may remove it at this moment
                if entry.name.startswith("pyngx.") and _is_ours(entry):
                    found.append(entry.path)
    return found


def _is_ours(entry: os.DirEntry[str]) -> bool:
    is_directory = entry.is_dir(follow_symlinks=False)
    return is_directory and os.geteuid() in (0, entry.stat(follow_symlinks=False).st_uid)
