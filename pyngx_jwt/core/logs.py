"""The logs of all levels: the files, syslog servers and buffers of "error_log"."""

from __future__ import annotations

import socket

from ..conf.hosts import look_up
from ..errors import ConfError
from ..log import (
    FileTarget,
    Log,
    MemoryTarget,
    OpenFiles,
    SyslogServer,
    SyslogTarget,
    parse_levels,
    parse_syslog,
)
from .main import MainConf


class Logs:
    """The Log of each set of error_log lines; their files are opened with all others."""

    def __init__(self) -> None:
        self.main = Log()
        self._logs: dict[tuple[tuple[str, tuple[str, ...]], ...], Log] = {}

    def of(self, conf: MainConf) -> Log:
        """The log of a level; the main one, which may be configured later, if it has no lines."""
        lines = conf.error_log_lines
        if not lines:
            return self.main
        if lines not in self._logs:
            self._logs[lines] = _add_targets(Log(), conf)
        return self._logs[lines]

    def finish(self, conf: MainConf, default: str) -> Log:
        """Gives the main log its targets once the main level has been read."""
        files = conf.scope.shared(OpenFiles)
        _add_targets(self.main, conf)
        self.main.open_default(files, default)
        self.main.keeps_stderr = files.has_stderr
        return self.main


def _add_targets(log: Log, conf: MainConf) -> Log:
    files = conf.scope.shared(OpenFiles)
    for name, words in conf.error_log_lines:
        level = parse_levels(words)
        if name == "stderr":
            log.add(FileTarget(files.add(""), level))
        elif name.startswith("syslog:"):
            log.add(
                SyslogTarget(parse_syslog(name[7:], socket.gethostname(), syslog_server), level)
            )
        elif name.startswith("memory:"):
            log.add(MemoryTarget(level))
        else:
            log.add(FileTarget(files.add(conf.scope.full_name(name)), level))
    return log


def syslog_server(text: str) -> SyslogServer:
    """Where "server=" of a syslog target points; raises ConfError with the reason only."""
    if text.startswith("unix:"):
        return SyslogServer(socket.AF_UNIX, text[5:], text)
    host, _, port = text.partition(":")
    if not host:
        raise ConfError("no host")
    try:
        number = int(port or 514)
        info = look_up(host, type=socket.SOCK_DGRAM)[0]
    except ValueError:
        raise ConfError("invalid port") from None
    except OSError:
        raise ConfError("host not found") from None
    address = (str(info[4][0]), number)
    return SyslogServer(info[0], address, f"{address[0]}:{address[1]}")
