"""error_log in nginx's levels and line format.

A line is written before ``write`` returns, so that a reader sees it before the answer.
"""

from __future__ import annotations

import os
import re
import threading
import time
from functools import lru_cache
from typing import NamedTuple, Protocol

from .files import OpenFile, OpenFiles
from .severity import LEVEL_NAMES, STDERR_FD, Severity, errno_text, write_stderr
from .syslog import SyslogPeer

MAX_ERROR_STR = 2048  # bytes; a longer line is cut, as nginx cuts it


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _escaped(character: re.Match[str]) -> str:
    return f"\\x{ord(character[0]):02X}"


class LogTarget(Protocol):
    """Where one error_log line writes to."""

    @property
    def level(self) -> Severity: ...

    @property
    def file(self) -> OpenFile | None: ...

    def write(self, level: Severity, line: bytes) -> None: ...


class FileTarget(NamedTuple):
    file: OpenFile
    level: Severity

    def write(self, level: Severity, line: bytes) -> None:
        self.file.append(line)


class SyslogTarget(NamedTuple):
    peer: SyslogPeer
    level: Severity
    file: None = None

    def write(self, level: Severity, line: bytes) -> None:
        self.peer.log_line(level, line)


class MemoryTarget(NamedTuple):
    """``error_log memory:SIZE``: a debugger reads it in nginx; it cannot be read here."""

    level: Severity
    file: None = None

    def write(self, level: Severity, line: bytes) -> None:
        return None


@lru_cache(maxsize=2)
def _log_time(second: int) -> str:
    return time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(second))


class Log:
    """The error_log lines of one level of the configuration.

    ``level`` is the most verbose of them: ``if log.level >= Severity.DEBUG`` keeps a message
    from being put together in vain.  While ``console`` is set, as it is until a
    server has started, warnings and worse are printed on stderr too.
    """

    __slots__ = ("_forced", "console", "keeps_stderr", "level", "targets")

    def __init__(self, *targets: LogTarget, console: bool = False) -> None:
        self.targets: tuple[LogTarget, ...] = ()
        self.level = Severity.STDERR
        self.console = console
        self.keeps_stderr = False  # stderr is a log itself, maybe of another level
        self._forced = False
        for target in targets:
            self.add(target)

    def add(self, target: LogTarget) -> None:
        """One more error_log line."""
        self.targets += (target,)
        self.level = max(self.level, target.level)

    def debugs(self, connection: int) -> bool:
        """Whether it takes messages of the level "debug" on this connection."""
        return self.level >= Severity.DEBUG

    def with_debug(self) -> Log:
        """The same targets taking every message: what debug_connection gives a client."""
        log = Log(*self.targets, console=self.console)
        log.level, log._forced = Severity.DEBUG, True
        return log

    def write(
        self, level: Severity, text: str, connection: int = 0, *, lines: bool = False
    ) -> None:
        """Logs ``text``; ``connection`` is the number printed as ``*1``, 0 for none.

        Control characters, which a client may have put there to forge lines, are escaped;
        a traceback has ``lines``."""
        if level > self.level:
            return
        if not lines:
            text = _CONTROL.sub(_escaped, text)
        now, number = time.time(), f"*{connection} " if connection else ""
        head = f"{_log_time(int(now))} [{LEVEL_NAMES[level]}] {os.getpid()}"
        line = f"{head}#{threading.get_native_id()}: {number}{text}".encode(
            "latin-1", "backslashreplace"
        )[: MAX_ERROR_STR - 1]
        on_stderr = False
        for target in self.targets:
            if level <= target.level or self._forced:
                target.write(level, line + b"\n")
                on_stderr = on_stderr or (target.file is not None and target.file.fd == STDERR_FD)
        if self.console and not on_stderr and level <= Severity.WARN:
            write_stderr(f"[{LEVEL_NAMES[level]}] {text}"[: MAX_ERROR_STR - 1])

    @property
    def file(self) -> OpenFile | None:
        """The first file among the targets, stderr included."""
        return next((x.file for x in self.targets if x.file is not None), None)

    def open_default(self, files: OpenFiles, path: str) -> None:
        """Logs errors to ``path`` unless some error_log line names a file."""
        if self.file is None:
            self.add(FileTarget(files.add(path), Severity.ERR))

    def redirect_stderr(self) -> None:
        """Sends what libraries print on stderr to the log, unless stderr is a log itself."""
        file = self.file
        if file and file.fd != STDERR_FD and not self.keeps_stderr:
            os.dup2(file.fd, STDERR_FD)


def initial_log(path: str, level: Severity = Severity.NOTICE) -> tuple[Log, OpenFile]:
    """The log used until the configuration is read; "" is stderr (ngx_log_init).

    A file that cannot be opened is reported on stderr, which then takes its place.
    """
    file = OpenFile(path)
    try:
        file.open()
    except OSError as error:
        text = f'open() "{path}" failed {errno_text(error)}'
        write_stderr(f"[alert] could not open error log file: {text}")
        file = OpenFile("")
    return Log(FileTarget(file, level), console=True), file
