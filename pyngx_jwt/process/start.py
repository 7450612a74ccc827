"""From a command line to a running server (main() of nginx.c)."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from .. import NGINX_VERSION, __version__
from ..log import Log, OpenFile, Severity, initial_log, write_stderr
from ..options import Options
from .boot import Boot
from .cycle import Load, Serve
from .daemon import Daemon
from .directories import make_default_directories
from .generation import Generation, load_generation
from .numbers import connection_numbers
from .pidfile import create_pidfile, signal_process
from .signals import Signals
from .sockets import discard
from .systemd import activated_numbers
from .upgrade import (
    KNOWN,
    MANAGED,
    VARIABLE,
    activated_sockets,
    handed_over,
    inherited_sockets,
)

if TYPE_CHECKING:
    from .master import Master
    from .single import Single


def run(options: Options, load: Load, serve: Serve) -> int:
    """Tests, signals or serves; the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no KeyboardInterrupt in the middle of things
    if not options.signal:
        make_default_directories(options.layout)
    log, file = initial_log(options.error_log, Severity.INFO if options.test else Severity.NOTICE)
    environ = dict(os.environ)
    variable = environ.pop(VARIABLE, "")
    activated = activated_numbers(environ)
    managed = environ.pop(MANAGED, "")
    if variable:
        inherited = inherited_sockets(variable, log, managed)
    else:
        inherited = activated_sockets(activated, log)
    number = environ.pop(KNOWN, "")
    known = handed_over(number, log) if number else b""
    boot = Boot(options, load, serve, environ, os.getppid(), bool(variable), connection_numbers())
    generation = load_generation(options, load, log, None, inherited, known)
    if generation is None:
        if options.test:
            write_stderr(f"configuration file {options.conf_file} test failed")
        return 1
    if options.test:
        return _report_test(options, generation)
    if options.signal:
        return signal_process(generation.cycle.main.pid, options.signal, log)
    process = _start(boot, generation, file)
    del generation  # the process replaces it with every reload
    return 1 if process is None else process.run()


def _report_test(options: Options, generation: Generation) -> int:
    if not options.quiet:
        write_stderr(f"configuration file {options.conf_file} test is successful")
        if options.verbose:
            for line in generation.cycle.understanding.splitlines():
                write_stderr(line)
    if options.dump:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as nginx has it until it serves
        for path, text in generation.cycle.files:
            _write_stdout(f"# configuration file {path}:\n{text}\n".encode("latin-1"))
    gc.freeze()  # the process ends: what it has read need not be taken apart
    return 0


def _write_stdout(data: bytes) -> None:
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


def _start(boot: Boot, generation: Generation, first_log: OpenFile) -> Master | Single | None:
    """What runs now; None if it cannot."""
    from .master import Master  # which takes time to import
    from .single import Single

    main, log = generation.cycle.main, generation.log
    _log_status(log)
    daemon, parent = None, os.getppid()
    if main.daemon and not boot.inherited:
        parent = os.getpid()
        daemon = Daemon.start(log)
        if daemon is None:
            return None
    signals = Signals()
    if not create_pidfile(main.pid, log):
        discard(generation.sockets, log)
        if generation.zone_directory is not None:
            generation.zone_directory.remove()
        return None
    log.redirect_stderr()
    first_log.close()
    log.console = False
    if daemon is not None:
        daemon.started()
    boot = boot._replace(parent=parent, daemonized=daemon is not None or boot.inherited)
    process = Master if main.master_process else Single
    return process(boot, generation, signals)


def _log_status(log: Log) -> None:
    """Who we are and what we may use (ngx_os_status)."""
    system = os.uname()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    log.write(Severity.NOTICE, f"nginx/{NGINX_VERSION}")
    log.write(Severity.NOTICE, f"pyngx/{__version__}, Python {sys.version.split()[0]}")
    log.write(Severity.NOTICE, f"OS: {system.sysname} {system.release}")
    log.write(Severity.NOTICE, f"getrlimit(RLIMIT_NOFILE): {soft}:{hard}")
