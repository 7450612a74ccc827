"""A new binary takes over: it is executed with the listening sockets open (SIGUSR2)."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..core.ports import MPTCP
from ..log import Log, Severity, errno_text, fault_text
from .environment import environment
from .sockets import Listening
from .systemd import NOTIFY_SOCKET

VARIABLE = "NGINX"  # "5;6;": the numbers of the sockets
MANAGED = "PYNGX_MANAGED"  # the same, of those that the service manager has opened
KNOWN = "PYNGX_KNOWN"  # the number of a file with what the old binary knows
# What the interpreter needs to find the same packages again.
INTERPRETER = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


class InheritedListen(NamedTuple):
    """The address of a socket that is known by its number only."""

    family: int
    host: str
    port: int
    text: str
    backlog: int
    reuseport: bool
    ipv6only: bool = True
    deferred: bool = False
    so_keepalive: str = ""
    rcvbuf: int = 0
    sndbuf: int = 0
    fastopen: int = 0
    multipath: bool = False
    datagram: bool = False

    @property
    def key(self) -> str:
        return f"udp {self.text}" if self.datagram else self.text


def inherited_sockets(variable: str, log: Log, managed: str = "") -> list[Listening]:
    """The sockets that the variable names (ngx_add_inherited_sockets)."""
    log.write(Severity.NOTICE, f'using inherited sockets from "{variable}"')
    sockets: list[Listening] = []
    *numbers, rest = variable.replace(":", ";").split(";")
    for text in numbers:
        if not (text.isascii() and text.isdigit()):
            what = f'invalid socket number "{text}" in {VARIABLE} environment variable'
            log.write(Severity.EMERG, f"{what}, ignoring the rest of the variable")
            return sockets
        listening = _inherit(int(text), log)
        if listening is not None:
            listening.managed = text in managed.split(";")
            sockets.append(listening)
    if rest:
        what = f'invalid socket number "{rest}" in {VARIABLE} environment variable'
        log.write(Severity.EMERG, f"{what}, ignoring")
    return sockets


def activated_sockets(numbers: Sequence[int], log: Log) -> list[Listening]:
    """The sockets that the service manager has opened for us."""
    sockets = [x for x in (_inherit(number, log) for number in numbers) if x is not None]
    for listening in sockets:
        listening.managed = True
    if sockets:
        addresses = ", ".join(x.listen.text for x in sockets)
        log.write(Severity.NOTICE, f"using sockets of the service manager: {addresses}")
    return sockets


def _inherit(number: int, log: Log) -> Listening | None:
    try:
        inherited = socket.socket(fileno=number)
        inherited.set_inheritable(False)
        inherited.setblocking(False)
        listen = _describe(inherited)
    except OSError as error:
        what = f"getsockname() of the inherited socket #{number} failed"
        log.write(Severity.CRIT, f"{what} {errno_text(error)}")
        return None
    listening = Listening(listen)
    listening.socket, listening.inherited = inherited, True
    return listening


def _describe(inherited: socket.socket) -> InheritedListen:
    address = inherited.getsockname()
    reuseport = bool(inherited.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
    datagram = inherited.type == socket.SOCK_DGRAM
    if inherited.family == socket.AF_UNIX:
        path = os.fsencode(address).decode("latin-1")
        text = f"unix:{path}"
        return InheritedListen(inherited.family, path, 0, text, 511, reuseport, datagram=datagram)
    host, port = address[:2]
    text = f"[{host}]:{port}" if inherited.family == socket.AF_INET6 else f"{host}:{port}"
    return InheritedListen(
        *(inherited.family, host, port, text, 511, reuseport),
        multipath=inherited.proto == MPTCP,
        datagram=datagram,
    )


def handed_over(number: str, log: Log) -> bytes:
    """What the binary that executed us has left in a file of this number."""
    try:
        with open(int(number), "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        what = f'cannot read file "{number}" of the old binary'
        log.write(Severity.ALERT, f"{what}: {fault_text(error)}")
        return b""


def execute_new_binary(
    sockets: Sequence[Listening],
    env: Sequence[str],
    environ: Mapping[str, str],
    log: Log,
    known: bytes = b"",
) -> int:
    """Starts the command line that started us, with our sockets; its pid, or -1.

    `known` is what it should know beside its configuration.  The child is not ours to signal, and
    signals must be as they were before us.
    """
    numbers = [x.socket.fileno() for x in sockets if x.socket is not None]
    managed = [x.socket.fileno() for x in sockets if x.socket is not None and x.managed]
    words = [sys.executable, *sys.orig_argv[1:]]
    given = environment((*INTERPRETER, *env), environ)
    if NOTIFY_SOCKET in environ:
        given[NOTIFY_SOCKET] = environ[NOTIFY_SOCKET]
    given[VARIABLE] = "".join(f"{number};" for number in numbers)
    given[MANAGED] = "".join(f"{number};" for number in managed)
    with tempfile.TemporaryFile() as file:
        file.write(known)
        file.seek(0)
        given[KNOWN] = str(file.fileno())
        return _execute(words, given, [*numbers, file.fileno()], log)


def _execute(words: list[str], given: Mapping[str, str], numbers: list[int], log: Log) -> int:
    try:
        pid = os.fork()
    except OSError as error:
        what = 'fork() failed while spawning "new binary process"'
        log.write(Severity.ALERT, f"{what} {errno_text(error)}")
        return -1
    if pid:
        log.write(Severity.NOTICE, f"start new binary process {pid}")
        return pid
    try:
        for number in numbers:
            os.set_inheritable(number, True)
        os.execve(words[0], words, given)
    except OSError as error:
        what = f'execve() failed while executing new binary process "{words[0]}"'
        log.write(Severity.ALERT, f"{what} {errno_text(error)}")
    finally:
        os._exit(1)
