"""Messages to a syslog server, one datagram each."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ..errors import ConfError
from .severity import LEVEL_NAMES, Reporter, Severity, errno_text

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock"),
    *("authpriv", "ftp", "ntp", "audit", "alert", "cron", "local0", "local1", "local2"),
    *("local3", "local4", "local5", "local6", "local7"),
)


@lru_cache(maxsize=2)
def _syslog_time(second: int) -> str:
    at = time.localtime(second)
    return f"{time.strftime('%b', at)} {at.tm_mday:2d} {time.strftime('%H:%M:%S', at)}"


class SyslogServer(NamedTuple):
    """A resolved address: what ``server=`` says, in the form sockets take."""

    family: int
    address: str | tuple[str, int]
    name: str  # as nginx prints it


class SyslogPeer:
    """A syslog server; a message is one datagram and is lost when it cannot be sent."""

    __slots__ = ("_busy", "_head", "_socket", "facility", "log", "server", "severity")

    def __init__(
        self, server: SyslogServer, facility: int, severity: int, tag: str, hostname: str
    ) -> None:
        """``hostname`` is "" for ``nohostname``."""
        self.server, self.facility, self.severity = server, facility, severity
        self.log: Reporter | None = None  # takes errors of the server
        self._head = f"{hostname} {tag}: " if hostname else f"{tag}: "
        self._socket: socket.socket | None = None
        self._busy = False

    def log_line(self, level: Severity, line: bytes) -> None:
        """Sends a line of an error_log with the severity of its level."""
        if self._busy:  # an error of this server must not be sent to it
            return
        self._busy = True
        self._send(max(level - 1, 0), line.rstrip(b"\n"))
        self._busy = False

    def send(self, message: bytes) -> bool:
        """Sends a line of an access_log (no newline); False if it is lost."""
        return self._send(self.severity, message)

    def _send(self, severity: int, message: bytes) -> bool:
        head = f"<{self.facility * 8 + severity}>{_syslog_time(int(time.time()))} {self._head}"
        doing = "connect()"
        try:
            if self._socket is None:
                self._socket = self._connect()
            doing = "send()"
            self._socket.send(head.encode("latin-1") + message)
        except BlockingIOError:
            return False
        except OSError as error:
            self._failed(doing, error)
            return False
        return True

    def _connect(self) -> socket.socket:
        peer = socket.socket(self.server.family, socket.SOCK_DGRAM)
        try:
            peer.setblocking(False)
            peer.connect(self.server.address)
        except OSError:
            peer.close()
            raise
        return peer

    def _failed(self, doing: str, error: OSError) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.log is not None:
            level = Severity.ERR if doing == "send()" else Severity.ALERT
            place = f"while logging to syslog, server: {self.server.name}"
            self.log.write(level, f"{doing} failed {errno_text(error)} {place}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def parse_syslog(
    parameters: str, hostname: str, parse_server: Callable[[str], SyslogServer]
) -> SyslogPeer:
    """The peer of ``syslog:parameters``; raises ConfError in nginx's words.

    ``parse_server`` reads ``address[:port]`` (514 by default) or ``unix:path``; it raises
    ConfError with the reason only ("invalid port").
    """
    given: dict[str, str] = {}
    for parameter in parameters.split(","):
        name, sign, value = parameter.partition("=")
        if not _known_syslog(name, sign):
            raise ConfError(f'unknown syslog parameter "{parameter}"')
        if name in given and sign:
            raise ConfError(f'duplicate syslog "{name}"')
        given[name] = value
    if "server" not in given:
        raise ConfError("no syslog server specified")
    try:
        server = parse_server(given["server"])
    except ConfError as error:
        raise ConfError(f'{error} in syslog server "{given["server"]}"') from None
    facility = _one_of("facility", FACILITIES, given.get("facility", "local7"))
    severity = _one_of("severity", LEVEL_NAMES[1:], given.get("severity", "info"))
    tag = _syslog_tag(given.get("tag", "nginx"))
    return SyslogPeer(
        server, facility, severity, tag, "" if "nohostname" in given else hostname.lower()
    )


def _known_syslog(name: str, sign: str) -> bool:
    if sign:
        return name in ("server", "facility", "severity", "tag")
    return name == "nohostname"


def _one_of(name: str, words: tuple[str, ...], word: str) -> int:
    if word not in words:
        raise ConfError(f'unknown syslog {name} "{word}"')
    return words.index(word)


def _syslog_tag(tag: str) -> str:
    if len(tag) > 32:
        raise ConfError("syslog tag length exceeds 32")
    if not all(x == "_" or (x.isascii() and x.isalnum()) for x in tag):
        raise ConfError('syslog "tag" only allows alphanumeric characters and underscore')
    return tag
