"""The pid file, and signals sent by way of it."""

from __future__ import annotations

import os
import signal
import stat

from ..log import Severity, errno_text
from ..log.severity import Reporter

OLD = ".oldbin"  # the name while a new binary runs beside the old one
SIGNALS = {
    "reload": signal.SIGHUP,
    "reopen": signal.SIGUSR1,
    "stop": signal.SIGTERM,
    "quit": signal.SIGQUIT,
}


def create_pidfile(path: str, log: Reporter, test: bool = False) -> bool:
    """Writes our pid in one go; a test only sees whether it could (and leaves it empty)."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if test else os.O_TRUNC)
    doing = "open()"
    try:
        fd = os.open(path.encode("latin-1"), flags, 0o644)
        try:
            doing = "write()"
            if not test:
                os.write(fd, b"%d\n" % os.getpid())
        finally:
            os.close(fd)
    except OSError as error:
        log.write(Severity.EMERG, f'{doing} "{path}" failed {errno_text(error)}')
        return False
    return True


def delete_pidfile(path: str, log: Reporter) -> None:
    """Leaves what is not a regular file, such as /dev/null: it has not been made by us."""
    name = path.encode("latin-1")
    try:
        if stat.S_ISREG(os.stat(name).st_mode):
            os.unlink(name)
    except OSError as error:
        log.write(Severity.ALERT, f'unlink() "{path}" failed {errno_text(error)}')


def rename_pidfile(old: str, new: str, when: str, log: Reporter) -> bool:
    """``when`` ends the sentence, should it fail."""
    try:
        os.rename(old.encode("latin-1"), new.encode("latin-1"))
    except OSError as error:
        log.write(Severity.ALERT, f"rename() {old} {when} {errno_text(error)}")
        return False
    return True


def signal_process(path: str, name: str, log: Reporter) -> int:
    """``-s name``: the exit status (ngx_signal_process)."""
    log.write(Severity.NOTICE, "signal process started")
    try:
        with open(path.encode("latin-1"), "rb") as file:
            text = file.read(32).rstrip(b"\r\n").decode("latin-1")
    except OSError as error:
        log.write(Severity.ERR, f'open() "{path}" failed {errno_text(error)}')
        return 1
    if not (text.isascii() and text.isdigit()):
        log.write(Severity.ERR, f'invalid PID number "{text}" in "{path}"')
        return 1
    try:
        os.kill(int(text), SIGNALS[name])
    except (OSError, OverflowError) as error:
        reason = errno_text(error) if isinstance(error, OSError) else "(3: No such process)"
        log.write(Severity.ALERT, f"kill({text}, {SIGNALS[name].value}) failed {reason}")
        return 1
    return 0
