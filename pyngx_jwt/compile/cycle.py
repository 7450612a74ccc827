"""A whole configuration: read, compiled, and ready for a process to serve."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..conf.block import ConfBlock
from ..conf.directive import MAIN
from ..conf.parse import command_line
from ..conf.scope import Scope
from ..conf.watch import ConfFiles, LoadWatch
from ..core.capabilities import KeptCapabilities
from ..core.logs import Logs
from ..core.main import MainConf
from ..core.module import AnyModule, MasterEvent, User
from ..core.ports import ListeningPort, ListenOptions, Ports
from ..http.variables import UnknownVariable
from ..log import Log, OpenFiles, Severity
from ..modules import MODULES
from ..options import Options
from ..tls.objects import TlsObjects
from ..zones import Zones
from .reader import StatementReader, directives_of
from .variables import declare_variables, located
from .watched import watched_names


class MainSettings(NamedTuple):
    """The main directives that concern processes; times in seconds, paths full."""

    daemon: bool
    master_process: bool
    pid: str
    worker_processes: int
    worker_rlimit_nofile: int
    worker_shutdown_timeout: float
    working_directory: str
    user: tuple[int, int] | None
    env: tuple[str, ...]
    keeps_net_raw: bool
    multi_accept: bool
    watch: float  # quiet seconds before a change on disk is loaded, negative: it is not


class Cycle(NamedTuple):
    """A loaded configuration: what the process, the server and the linter read."""

    main: MainSettings
    listens: tuple[ListenOptions, ...]
    ports: dict[str, ListeningPort]
    log: Log
    open_files: OpenFiles
    directories: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    root: ConfBlock
    options: Options

    @property
    def scope(self) -> Scope:
        return self.root.scope

    @property
    def understanding(self) -> str:
        """How the configuration was read, where that was not plain."""
        lines = (describe(self.scope) for m in self.scope.modules for describe in m.understanding)
        return "\n".join(lines)

    @property
    def zones(self) -> Zones:
        """What the workers share; started with them."""
        return self.scope.shared(Zones)

    def check_user(self, user: User) -> None:
        """Raises ConfError if the workers, who are that user, cannot read what they have to."""
        for module in self.scope.modules:
            for check in module.check_user:
                check(self.scope, user)

    def check_continues(self, old: Cycle) -> None:
        """Raises ConfError if a reload cannot put this in the place of ``old``."""
        for module in self.scope.modules:
            for check in module.check_continues:
                check(self.scope, old.scope)

    def hand_over(self) -> bytes:
        """What a new binary that takes over should know."""
        modules = self.scope.modules
        known = {module.name: act(self.scope) for module in modules for act in module.hands_over}
        return json.dumps(known).encode()

    def take_over(self, data: bytes) -> None:
        """Uses what another binary has handed over; raises ValueError if that is none."""
        known = json.loads(data)
        for module in self.scope.modules:
            for act in module.takes_over if module.name in known else ():
                act(self.scope, known[module.name])

    def start(self) -> None:
        """Called once its zones have been started; raises ConfError."""
        for module in self.scope.modules:
            for act in module.starts:
                act(self.scope)

    def watched(self) -> tuple[str, ...]:
        """The names of the files that it consists of."""
        return watched_names(self.root, self.files)

    def note(self, event: MasterEvent) -> None:
        """Something has happened to the configuration, in the process that loads such."""
        for module in self.scope.modules:
            for act in module.master_notes:
                act(self.scope, event, self.files)

    def let_go(self) -> None:
        """Another configuration is in its place, or it was rejected, and the process serves no
        requests with it: frees what it is made of."""
        self.root.let_go()
        self.scope.things.clear()

    def exit(self) -> None:
        """The process ends, or has nothing to do with this configuration any more."""
        for module in self.scope.modules:
            for act in module.process_exits:
                act(self.scope)


def load(
    options: Options,
    log: Log,
    modules: tuple[AnyModule, ...] = MODULES,
    things: Iterable[object] = (),
    watch: LoadWatch | None = None,
    files: ConfFiles | None = None,
) -> Cycle:
    """Reads and compiles a configuration; raises ConfError.  Warnings go to the log."""
    scope = scope_of(options, lambda text: log.write(Severity.WARN, text), things, modules, files)
    if watch is not None:
        scope.watch = watch
    try:
        root, reader = read(scope)
    except UnknownVariable as error:
        raise located(error, scope) from None
    if not root[MainConf].has_events:
        scope.statement = None
        scope.warn('no "events" section in configuration, nginx refuses to start without one')
    return _cycle(scope, root, reader)


def scope_of(
    options: Options,
    warn: Callable[[str], None],
    things: Iterable[object] = (),
    modules: tuple[AnyModule, ...] = MODULES,
    files: ConfFiles | None = None,
) -> Scope:
    """What a configuration is read with; `things` are shared objects that are known already."""
    scope = Scope(options, warn, modules=modules, things={type(thing): thing for thing in things})
    if files is not None:
        scope.files = files
    for module in modules:
        for act in module.before_read:
            act(scope)
    return scope


def read(scope: Scope) -> tuple[ConfBlock, StatementReader]:
    """Reads a configuration and compiles what is in its http block."""
    options = scope.options
    declare_variables(scope)
    reader, root = StatementReader(scope, directives_of(scope.modules)), ConfBlock(MAIN, scope)
    with _uncollected():
        if options.directives:
            reader.run(command_line(options.directives), root)
        reader.run(reader.open(options.conf_file), root)
    scope.files.forget()
    return root, reader


@contextmanager
def _uncollected() -> Iterator[None]:
    """While what is made stays: looking for garbage in it again and again would cost more than
    to make it.  Afterwards it is among the old objects, which are looked at seldom."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def _cycle(scope: Scope, root: ConfBlock, reader: StatementReader) -> Cycle:
    conf, options = root[MainConf], scope.options
    ports = scope.shared(Ports).by_address
    pid = options.full_name(conf.pid if conf.is_set("pid") else options.layout.pid_path)
    settings = MainSettings(
        conf.daemon,
        conf.master_process,
        pid,
        conf.workers or os.cpu_count() or 1,
        conf.worker_rlimit_nofile,
        conf.worker_shutdown_timeout,
        conf.working_directory,
        conf.user_ids,
        conf.environment,
        scope.shared(KeptCapabilities).net_raw,
        conf.multi_accept,
        conf.quiet,
    )
    scope.shared(TlsObjects).is_inheritable = conf.ssl_object_cache_inheritable
    files = scope.shared(OpenFiles)
    log = scope.shared(Logs).finish(conf, options.error_log)
    for module in scope.modules:
        for act in module.after_read:
            act(scope)
    return Cycle(
        settings,
        tuple(port.listen for port in ports.values()),
        ports,
        log,
        files,
        tuple(scope.directories),
        tuple(reader.files.items()),
        root,
        options,
    )
