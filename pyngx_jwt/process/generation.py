"""A configuration in force: loaded, its files and sockets open (ngx_init_cycle)."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..core.main import workers_user
from ..core.module import MasterEvent, User
from ..errors import ConfError
from ..log import Log, Severity, errno_text, write_stderr
from ..options import Options
from ..zones import ZoneDirectory, start_zones
from .cycle import Load, LoadedCycle
from .directories import make_directories
from .pidfile import create_pidfile, delete_pidfile
from .serving import log_exception
from .sockets import (
    Listening,
    close_dropped,
    configure_sockets,
    give_back,
    open_sockets,
    plan,
    take_over,
)
from .watch import FileWatch, Loading


class Generation(NamedTuple):
    """What workers are started with; ``sockets`` are all of them, other workers' included."""

    cycle: LoadedCycle
    sockets: list[Listening]
    user: User | None
    zone_directory: ZoneDirectory | None = None  # of the zones, kept as long as the process lives
    began: int = 0  # when it was going to be loaded, in nanoseconds since the epoch

    @property
    def log(self) -> Log:
        return self.cycle.log

    def watch(self, now: float) -> FileWatch | None:
        """What looks whether the configuration changes, None if nothing is to."""
        quiet = self.cycle.main.watch
        if quiet < 0:
            return None
        return FileWatch(self.cycle.watched, quiet, now, Loading(self.began, self.cycle.files))

    def note(self, event: MasterEvent) -> None:
        """Tells the modules what has happened; nothing that is wrong with one ends the process."""
        try:
            self.cycle.note(event)
        except Exception as error:
            log_exception(error, self.log)


def load_generation(
    options: Options,
    load: Load,
    log: Log,
    old: Generation | None,
    inherited: list[Listening],
    known: bytes = b"",
) -> Generation | None:
    """Puts a configuration in the place of ``old``; None after reporting to ``log`` why not.

    Then ``old`` is as it was.  ``inherited`` are sockets of the process that executed this, and
    ``known`` is what that knew.
    """
    began = time.time_ns()
    cycle: LoadedCycle | None = None
    zone_directory: ZoneDirectory | None = None
    try:
        cycle = load(options, log)
        if options.test and not options.quiet:
            write_stderr(f"the configuration file {options.conf_file} syntax is ok")
        if options.signal:
            return Generation(cycle, [], None)
        user = workers_user(cycle.main.user)
        if user is not None and cycle.main.master_process:
            cycle.check_user(user)
        cycle.log.open_default(cycle.open_files, options.error_log)
        make_directories(cycle.directories, user, options.layout)
        cycle.open_files.open()
        cycle.zones.check()
        if known:
            _take_over(cycle, known, log)
        if not options.test:
            if old is not None:
                cycle.check_continues(old.cycle)
            with _room_for_zones():
                zone_directory = _start_zones(cycle, user, old)
                cycle.start()
    except ConfError as error:
        log.write(Severity.EMERG, str(error))
    except Exception as error:  # a bug in a module must not end a server that is running
        log_exception(error, log)
    else:
        sockets = plan(cycle.listens, cycle.main.worker_processes)
        generation = Generation(cycle, sockets, user, zone_directory, began)
        if _take_place(generation, old, inherited, options.test, log):
            if old is not None and old.zone_directory not in (None, zone_directory):
                old.zone_directory.remove()
            return generation
    if cycle is not None:
        _drop(cycle, zone_directory, old)
    return None


def _drop(cycle: LoadedCycle, zone_directory: ZoneDirectory | None, old: Generation | None) -> None:
    """Gives back what a rejected configuration has and ``old`` has not."""
    cycle.open_files.close()
    if old is not None:
        cycle.zones.retire(old.cycle.zones)
    if zone_directory is not None and (old is None or old.zone_directory is not zone_directory):
        zone_directory.remove()
    cycle.let_go()


def _take_over(cycle: LoadedCycle, known: bytes, log: Log) -> None:
    try:
        cycle.take_over(known)
    except Exception as error:  # another version may know other things
        log_exception(error, log)


def _start_zones(
    cycle: LoadedCycle, user: User | None, old: Generation | None
) -> ZoneDirectory | None:
    """Makes the zones that the old configuration has not left; raises OSError."""
    return start_zones(
        cycle.zones,
        user,
        directory=old.zone_directory if old else None,
        old=old.cycle.zones if old else None,
    )


@contextlib.contextmanager
def _room_for_zones() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfError(
            f"cannot make the shared memory zones {errno_text(error)}"
        ).nowhere() from None


def _take_place(
    new: Generation,
    old: Generation | None,
    inherited: list[Listening],
    test: bool,
    log: Log,
) -> bool:
    """Opens the sockets and lets go of the old configuration, or leaves all as it was."""
    new.log.console = log.console
    present = old.sockets if old else inherited
    take_over(new.sockets, present)
    if not open_sockets(new.sockets, new.log, test) or not _move_pidfile(new, old, test):
        give_back(new.sockets, present, new.log)
        return False
    if test:
        return True
    configure_sockets(new.sockets, new.log)
    method = "epoll" if sys.platform == "linux" else "kqueue"
    new.log.write(Severity.NOTICE, f'using the "{method}" event method')
    close_dropped(present, new.log)
    if old:
        old.cycle.open_files.close()
    return True


def _move_pidfile(new: Generation, old: Generation | None, test: bool) -> bool:
    path = new.cycle.main.pid
    if test:
        return create_pidfile(path, new.log, test=True)
    if old and path != old.cycle.main.pid:
        if not create_pidfile(path, new.log):
            return False
        delete_pidfile(old.cycle.main.pid, new.log)
    return True
