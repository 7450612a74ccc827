"""Controls the server process: workers, user, pid file and error log."""

from __future__ import annotations

import grp
import os
import pwd

from ..conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_TIME,
    MAIN,
    Conf,
    accepted,
    directive,
    enum,
    flag,
    number,
    offset,
    slot,
    string,
    time,
)
from ..conf.scope import Scope
from ..conf.values import parse_msec, parse_number
from ..errors import ConfError
from ..log import parse_levels
from ..zones import Zones
from .contexts import EVENTS, LOGGED
from .module import CoreModule, User
from .worker import WorkerLife

DEFAULT_USER = "nobody"
SCHEDULING = "the event loop schedules connections itself"
METHODS = ("epoll", "poll", "select", "kqueue", "eventport", "/dev/poll")


def _method(name: str, text: str) -> str:
    if text not in METHODS:
        raise ConfError(f'invalid event type "{text}"')
    return text


def _priority(name: str, text: str) -> int:
    try:
        return parse_number(text.removeprefix("-"))
    except ValueError:
        raise ConfError(f'"{name}" directive invalid number') from None


A_METHOD = slot("", _method, EVENTS, "")
A_POINT = enum("", ("stop", "abort"), MAIN, "")
A_PRIORITY = slot(0, _priority, MAIN, "")


class MainConf(Conf):
    daemon = flag(
        True,
        MAIN,
        "Runs the server in the background. Turn it off under a supervisor such as systemd.",
    )
    master_process = flag(
        True,
        MAIN,
        "Starts worker processes. If off, a single process serves requests, which is useful for"
        " development.",
    )
    pid = string(
        "logs/nginx.pid",
        MAIN,
        'Sets the file with the process ID of the master, which "-s" uses.',
        syntax="file",
    )
    worker_shutdown_timeout = time(
        0,
        MAIN,
        "Limits the time of a graceful shutdown. Connections that are still open are then closed.",
        shown="—",
    )
    working_directory = string(
        "",
        MAIN,
        "Sets the current directory of the workers, where core files are written.",
        syntax="directory",
    )
    worker_rlimit_nofile = number(
        0,
        MAIN,
        "Sets the limit of open files for a worker (RLIMIT_NOFILE). This also limits the number"
        ' of connections, because "worker_connections" has no effect here.',
        shown="—",
    )
    multi_accept = flag(
        False,
        EVENTS,
        "Accepts up to 1024 new connections of a listening socket between two rounds of serving"
        " the others, instead of 8; in both cases as many as the worker has connections, if those"
        " are more. New clients wait less, but a burst of them is spread less evenly over several"
        " workers"
        ' (unless "listen" has "reuseport").',
    )
    ssl_object_cache_inheritable = flag(
        True,
        MAIN,
        "Lets a reload take over certificates, keys and revocation lists whose files have the same"
        " inode, time of modification and size as when they were loaded. Otherwise all are read"
        " again.",
    )
    user_ids: User | None = None
    environment: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    workers = 1
    error_log_lines: tuple[tuple[str, tuple[str, ...]], ...] = ()

    accept_mutex = accepted(EVENTS, SCHEDULING, like=A_FLAG)
    accept_mutex_delay = accepted(EVENTS, SCHEDULING, like=A_TIME)
    use = accepted(EVENTS, "the event loop chooses the method", like=A_METHOD)
    worker_aio_requests = accepted(EVENTS, SCHEDULING, like=A_NUMBER)
    worker_connections = accepted(
        EVENTS, "the limit is that of open files", like=number(512, EVENTS, "")
    )
    debug_points = accepted(MAIN, "there are no debug points", like=A_POINT)
    lock_file = accepted(MAIN, "no lock file is used")
    pcre_jit = accepted(
        MAIN, "expressions are always compiled to machine code", like=flag(False, MAIN, "")
    )
    ssl_engine = accepted(MAIN, "OpenSSL chooses its engine")
    thread_pool = accepted(MAIN, "no thread pools are used", fewest=2, most=3)
    timer_resolution = accepted(
        MAIN, "timers follow the event loop", like=time(0, MAIN, "", shown="—")
    )
    worker_cpu_affinity = accepted(MAIN, "the kernel places the workers", most=float("inf"))
    worker_priority = accepted(MAIN, "priorities are left to the service manager", like=A_PRIORITY)
    worker_rlimit_core = accepted(
        MAIN, "core files are left to the service manager", like=offset(0, MAIN, "", shown="—")
    )

    @directive(MAIN, opens=EVENTS)
    def events(self) -> None:
        """Contains directives for connection processing.  Unlike in nginx, a missing block is only
        a warning."""
        self.once("has_events", "events")
        self.has_events = True

    @directive(MAIN)
    def user(self, user: str, group: str = "") -> None:
        """Sets the user and group of the worker processes if the master runs as root, by default
        "nobody".  If the group is omitted, it has the name of the user.  Has no effect without
        root privileges."""
        if "user_ids" in vars(self):
            raise ConfError('"user" directive is duplicate')
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise ConfError(f'getpwnam("{user}") failed') from None
        try:
            gid = grp.getgrnam(group or user).gr_gid
        except KeyError:
            raise ConfError(f'getgrnam("{group or user}") failed') from None
        self.user_ids = (uid, gid)

    @directive(MAIN)
    def worker_processes(self, number: str) -> None:
        """Sets the number of worker processes, by default 1; "auto" is the number of processor
        cores.  Each worker uses one core."""
        self.once("workers", "worker_processes")
        if number == "auto":
            self.workers = 0
            return
        try:
            self.workers = parse_number(number)
        except ValueError:
            raise ConfError('"worker_processes" directive invalid value') from None

    @directive(MAIN, syntax="pyngx_watch on [quiet=time] | off;", default="off")
    def pyngx_watch(self, switch: str, parameter: str = "quiet=1s") -> None:
        """Reloads the configuration when a file of it has changed: included files, certificates and
        their keys as well, and files that are mounted from a ConfigMap or Secret of Kubernetes.  It
        is reloaded once nothing has changed for the quiet time, 1 second by default.  If it is
        wrong, the error is logged and the old one stays in use.  An addition of pyngx."""
        self.once("quiet", "pyngx_watch")
        name, _, text = parameter.partition("=")
        if switch not in ("on", "off"):
            raise ConfError(
                f'invalid value "{switch}" in "pyngx_watch" directive, it must be "on" or "off"'
            )
        try:
            if name != "quiet":
                raise ValueError
            seconds = parse_msec(text) / 1000
        except ValueError:
            raise ConfError(f'invalid parameter "{parameter}"') from None
        self.quiet = seconds if switch == "on" else -1.0

    @directive(MAIN)
    def env(self, variable: str) -> None:
        """Keeps an environment variable for the workers, or sets it to a value.  All other
        variables except TZ are removed."""
        self.environment += (variable,)

    @directive(MAIN)
    def load_module(self, file: str) -> None:
        """Accepted for compatibility.  Modules are built in; directives of other modules are
        reported as unsupported.  The name of a JWT module helps to detect the dialect."""
        if self.has_events or self.level.levels:
            raise ConfError('"load_module" directive is specified too late')
        self.modules += (file,)

    @directive(LOGGED, default="logs/error.log error", syntax="{name} file [level]")
    def error_log(self, file: str, *level: str) -> None:
        """Sets the destination of the error log and the lowest severity that is logged: debug,
        info, notice, warn, error, crit, alert or emerg.  The destination is a file, "stderr" or
        "syslog:...".  "memory:..." is accepted, but cannot be read.  Several logs can be configured
        on a level."""
        parse_levels(level)
        self.error_log_lines = (*vars(self).get("error_log_lines", ()), (file, level))

    has_events = False
    quiet = -1.0  # seconds of pyngx_watch, negative: off


main = CoreModule("main", MainConf)


@main.worker_starts
def open_zones(scope: Scope, life: WorkerLife) -> None:
    """Before a reload can take their files away."""
    scope.shared(Zones).open()


@main.process_exits
def close_zones(scope: Scope) -> None:
    scope.shared(Zones).close()


def workers_user(configured: User | None) -> User | None:
    """Whom the workers run as, by what "user" says; None is "as they are started".  Raises
    ConfError."""
    if os.geteuid() != 0:
        return None
    if configured is not None:
        return configured
    try:
        entry = pwd.getpwnam(DEFAULT_USER)
    except KeyError:
        raise ConfError(f'getpwnam("{DEFAULT_USER}") failed').nowhere() from None
    return entry.pw_uid, entry.pw_gid
