"""Listening sockets: opened, kept over a reload, inherited by a new binary, closed."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterable

from ..conf.values import parse_sec
from ..core.ports import MPTCP, ListenOptions
from ..log import Log, Severity, errno_text

TRIES = 5
BETWEEN_TRIES = 0.5  # seconds
IP_PKTINFO = 8  # as <linux/in.h> has it

Key = tuple[int, bytes, int, bool]


class Listening:
    """One socket of a "listen" directive; with "reuseport" each worker has its own."""

    __slots__ = (
        "add_reuseport",
        "change_backlog",
        "inherited",
        "kept",
        "listen",
        "managed",
        "replaces",
        "shared",
        "socket",
        "worker",
    )

    def __init__(self, listen: ListenOptions, worker: int = 0) -> None:
        self.listen, self.worker = listen, worker
        self.socket: socket.socket | None = None
        self.inherited = False  # from the process that executed this one
        self.managed = False  # by the service manager, and so is the file of a unix socket
        self.kept = False  # taken over by the next configuration
        self.add_reuseport = False
        self.replaces: socket.socket | None = None  # of another protocol, at the same address
        self.shared: socket.socket | None = None  # which others can share the address with for this
        self.change_backlog = False

    @property
    def path(self) -> str:
        """The file of a unix socket, else ""."""
        return self.listen.host if self.listen.family == socket.AF_UNIX else ""

    @property
    def key(self) -> Key:
        listen = self.listen
        return address_key(listen.family, listen.host, listen.port, datagram=listen.datagram)

    def belongs_to(self, worker: int) -> bool:
        return not self.listen.reuseport or self.worker == worker

    def close(self, log: Log) -> None:
        if self.socket is None:
            return
        try:
            self.socket.close()
        except OSError as error:
            log.write(Severity.EMERG, f"close() {self.listen.text} failed {errno_text(error)}")
        self.socket = None

    def unlink(self, log: Log) -> None:
        """Removes the file of a unix socket."""
        if not self.path or self.managed:
            return
        try:
            os.unlink(self.path.encode("latin-1"))
        except OSError as error:
            log.write(Severity.EMERG, f"unlink() {self.path} failed {errno_text(error)}")


def address_key(family: int, host: str, port: int, *, datagram: bool = False) -> Key:
    """What makes two addresses the same one, however they are written."""
    if family == socket.AF_UNIX:
        return family, host.encode("latin-1"), 0, datagram
    try:
        return family, socket.inet_pton(family, host), port, datagram
    except OSError:  # an address with a zone
        return family, host.encode("latin-1"), port, datagram


def plan(listens: Iterable[ListenOptions], workers: int) -> list[Listening]:
    """The sockets that a configuration asks for, none of them open."""
    return [
        Listening(listen, worker)
        for listen in listens
        for worker in range(max(workers, 1) if listen.reuseport else 1)
    ]


def take_over(new: list[Listening], old: list[Listening]) -> None:
    """Hands the open sockets of ``old`` to those of ``new`` with the same address.

    That of a service manager is taken as it is: the manager keeps it open, and connections that
    the kernel gives to a socket that nobody accepts from would hang.
    """
    for wanted in new:
        for present in old:
            if present.kept or present.socket is None or present.key != wanted.key:
                continue
            if present.listen.multipath != wanted.listen.multipath and not present.managed:
                wanted.replaces = present.socket
                continue
            wanted.socket, wanted.inherited = present.socket, present.inherited
            wanted.managed = present.managed
            wanted.change_backlog = present.listen.backlog != wanted.listen.backlog
            wanted.add_reuseport = wanted.listen.reuseport and not present.listen.reuseport
            present.kept = True
            break


def give_back(new: list[Listening], old: list[Listening], log: Log) -> None:
    """Undoes take_over and closes what was opened: the new configuration is refused."""
    owned = {id(x.socket) for x in old if x.kept}
    for listening in new:
        if listening.shared is not None:
            listening.shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
    discard([x for x in new if x.socket is not None and id(x.socket) not in owned], log)
    for listening in old:
        listening.kept = False


def discard(
    sockets: list[Listening], log: Log, *, files: bool = True, inherited: bool = False
) -> None:
    """Closes what is open; removes ``files`` of unix sockets, ``inherited`` ones as well."""
    for listening in sockets:
        if listening.socket is None:
            continue
        listening.close(log)
        if files and (inherited or not listening.inherited):
            listening.unlink(log)


def open_sockets(sockets: list[Listening], log: Log, test: bool = False) -> bool:
    """Opens those that are not; False after reporting why not (ngx_open_listening_sockets).

    An address in use is tried again for some seconds.  In a test it does no harm, as the
    running server has it.
    """
    for _ in range(TRIES):
        failed = False
        for listening in sockets:
            error = _open(listening, log, test)
            if error and error.errno != errno.EADDRINUSE:
                return False
            failed = failed or (error is not None and not test)
        if not failed:
            return True
        log.write(Severity.NOTICE, "try again to bind() after 500ms")
        time.sleep(BETWEEN_TRIES)
    log.write(Severity.EMERG, "still could not bind()")
    return False


def _open(listening: Listening, log: Log, test: bool) -> OSError | None:
    if listening.add_reuseport and listening.socket is not None:
        _share(listening, listening.socket, log)
        listening.add_reuseport = False
    if listening.socket is not None:
        return None
    listen = listening.listen
    doing = f"socket() {listen.text} failed"
    opened: socket.socket | None = None
    try:
        kind = socket.SOCK_DGRAM if listen.datagram else socket.SOCK_STREAM
        opened = socket.socket(listen.family, kind, MPTCP if listen.multipath else 0)
        doing = f"setsockopt() {listen.text} failed"
        if listening.replaces is not None:  # both have the address for a while
            _share(listening, listening.replaces, log)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _prepare(opened, listen, test)
        doing = f"bind() to {listen.text} failed"
        _bind(opened, listen)
        if not listen.datagram:
            doing = f"listen() to {listen.text}, backlog {listen.backlog} failed"
            opened.listen(listen.backlog)
    except OSError as error:
        if opened is not None:
            opened.close()
        if error.errno != errno.EADDRINUSE or not test:
            log.write(Severity.EMERG, f"{doing} {errno_text(error)}")
        return error
    listening.socket = opened
    if listening.path:
        _settle_unix(listening, log, test)
    return None


def _share(listening: Listening, present: socket.socket, log: Log) -> None:
    """The old socket must share the address before new ones can have it; give_back() ends that."""
    if not present.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        _set(present, listening, socket.SOL_SOCKET, socket.SO_REUSEPORT, 1, "SO_REUSEPORT", log)
        listening.shared = present


def _prepare(opened: socket.socket, listen: ListenOptions, test: bool) -> None:
    opened.setblocking(False)
    if not (listen.datagram and test):  # with it a test would not see that the address is in use
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if listen.reuseport and not test:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listen.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, listen.ipv6only)


def _bind(opened: socket.socket, listen: ListenOptions) -> None:
    if listen.family == socket.AF_UNIX:
        opened.bind(listen.host.encode("latin-1"))
    else:
        opened.bind((listen.host, listen.port))


def _settle_unix(listening: Listening, log: Log, test: bool) -> None:
    """Lets any user connect to a unix socket; a test leaves nothing behind."""
    try:
        os.chmod(listening.path.encode("latin-1"), 0o666)
    except OSError as error:
        log.write(Severity.EMERG, f'chmod() "{listening.path}" failed {errno_text(error)}')
    if test:
        listening.unlink(log)


def configure_sockets(sockets: list[Listening], log: Log) -> None:
    """Sets the options that may change while a socket is open."""
    for listening in sockets:
        listen = listening.listen
        for size, number, name in (
            (listen.rcvbuf, socket.SO_RCVBUF, "SO_RCVBUF"),
            (listen.sndbuf, socket.SO_SNDBUF, "SO_SNDBUF"),
        ):
            if size:
                _option(listening, socket.SOL_SOCKET, number, size, name, log)
        if listen.datagram:
            _tell_addresses(listening, log)
            continue
        _set_keepalive(listening, log)
        if listening.change_backlog and listening.socket is not None:
            listening.socket.listen(listen.backlog)
        if listen.family != socket.AF_UNIX:
            _set_tcp(listening, log)


def _tell_addresses(listening: Listening, log: Log) -> None:
    """Has the kernel say for each datagram which of the addresses it came to."""
    if listening.listen.host == "0.0.0.0":
        _option(listening, socket.IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO", log)
    elif listening.listen.host == "::":
        number = socket.IPV6_RECVPKTINFO
        _option(listening, socket.IPPROTO_IPV6, number, 1, "IPV6_RECVPKTINFO", log)


def _set_tcp(listening: Listening, log: Log) -> None:
    listen, tcp = listening.listen, socket.IPPROTO_TCP
    if listen.fastopen:
        _option(listening, tcp, socket.TCP_FASTOPEN, listen.fastopen, "TCP_FASTOPEN", log)
    if hasattr(socket, "TCP_DEFER_ACCEPT") and listening.socket is not None:
        # One second, as nginx: the kernel does not say how long a connection waited.
        present = listening.socket.getsockopt(tcp, socket.TCP_DEFER_ACCEPT)
        if bool(present) != listen.deferred:
            value = int(listen.deferred)
            _option(listening, tcp, socket.TCP_DEFER_ACCEPT, value, "TCP_DEFER_ACCEPT", log)


def _set_keepalive(listening: Listening, log: Log) -> None:
    text = listening.listen.so_keepalive
    if not text:
        return
    value = int(text != "off")
    _option(listening, socket.SOL_SOCKET, socket.SO_KEEPALIVE, value, "SO_KEEPALIVE", log)
    if ":" not in text:
        return
    idle, interval, count = [*text.split(":"), "", ""][:3]
    for word, number, name in (
        (idle, getattr(socket, "TCP_KEEPIDLE", None), "TCP_KEEPIDLE"),
        (interval, socket.TCP_KEEPINTVL, "TCP_KEEPINTVL"),
        (count, socket.TCP_KEEPCNT, "TCP_KEEPCNT"),
    ):
        if word and number is not None:
            value = int(word) if word is count else parse_sec(word)
            _option(listening, socket.IPPROTO_TCP, number, value, name, log)


def _option(listening: Listening, level: int, number: int, value: int, name: str, log: Log) -> None:
    if listening.socket is not None:
        _set(listening.socket, listening, level, number, value, name, log)


def _set(
    opened: socket.socket,
    listening: Listening,
    level: int,
    number: int,
    value: int,
    name: str,
    log: Log,
) -> None:
    try:
        opened.setsockopt(level, number, value)
    except OSError as error:
        what = f"setsockopt({name}, {value}) {listening.listen.text} failed, ignored"
        log.write(Severity.ALERT, f"{what} {errno_text(error)}")


def close_dropped(old: list[Listening], log: Log) -> None:
    """Closes what the new configuration did not take over."""
    for listening in old:
        if listening.kept or listening.socket is None:
            continue
        listening.close(log)
        if listening.path and not listening.managed:
            log.write(Severity.WARN, f"deleting socket {listening.path}")
            listening.unlink(log)
