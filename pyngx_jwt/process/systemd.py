"""The service manager: sockets that it has opened, and what it is told of our state.

sd_listen_fds(3) and sd_notify(3) of systemd, which other managers speak as well.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping

NOTIFY_SOCKET = "NOTIFY_SOCKET"
KEPT = "the new configuration was refused"  # a status
FIRST = 3  # the number of the first socket, SD_LISTEN_FDS_START


def activated_numbers(environ: MutableMapping[str, str]) -> list[int]:
    """The numbers of the sockets that were opened for us; takes them out of the environment."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return []
    return list(range(FIRST, FIRST + int(count)))


class Manager:
    """Who supervises us, if they want to be told; messages are sent and forgotten."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get(NOTIFY_SOCKET, "")
        self._pending = bool(self._address)

    @property
    def waits(self) -> bool:
        """Whether a start or reload has not been reported as finished."""
        return self._pending

    def ready(self, status: str = "") -> None:
        """We serve, with the configuration in force."""
        self._pending = False
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def reloading(self) -> None:
        self._pending = bool(self._address)
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        self._pending = False
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # a name without a file
            address = "\0" + address[1:]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), address)
