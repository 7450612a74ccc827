"""Names of hosts to addresses while a configuration is read.

Tools read configurations of other machines, and without a network: they look names up as
`no_network` does.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any

LookUp = Callable[..., list[tuple[Any, ...]]]
LOCAL = {"localhost": ("127.0.0.1", "::1")}
NOWHERE = "192.0.2.1"  # TEST-NET-1: no host has this address (RFC 5737)

_NAME = re.compile(r"[a-z0-9_.-]+")

_look_up: ContextVar[LookUp | None] = ContextVar("look_up", default=None)  # None: the system's


def look_up(host: str, *, type: socket.SocketKind, flags: int = 0) -> list[tuple[Any, ...]]:
    """As socket.getaddrinfo(); the host is latin-1.  Raises OSError or UnicodeError."""
    find = _look_up.get() or socket.getaddrinfo
    return find(host.encode("latin-1"), None, type=type, flags=flags)


@contextmanager
def no_network(*, any_name: bool = False) -> Iterator[None]:
    """Every name is taken to have an address, but for those that cannot have one; with
    `any_name` these, too."""
    token = _look_up.set(_imagine_any if any_name else _imagine)
    try:
        yield
    finally:
        _look_up.reset(token)


def _imagine(host: bytes, port: None, *, type: int, flags: int) -> list[tuple[Any, ...]]:
    name = host.decode("latin-1").rstrip(".").lower()
    try:
        texts: tuple[str, ...] = (str(ip_address(name)),)
    except ValueError:
        if not _is_possible(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        texts = LOCAL.get(name, (NOWHERE,))
    return [_info(text, type) for text in texts]


def _imagine_any(host: bytes, port: None, *, type: int, flags: int) -> list[tuple[Any, ...]]:
    try:
        return _imagine(host, port, type=type, flags=flags)
    except socket.gaierror:
        return [_info(NOWHERE, type)]


def _is_possible(name: str) -> bool:
    """Whether it can be a name: of other characters there are none, none has a number as its
    last part (RFC 3696, section 2), and "invalid" never exists (RFC 6761, section 6.4)."""
    last = name.rpartition(".")[2]
    if last.isdigit():  # "127.1" is an address all the same
        return _is_address(name)
    return bool(_NAME.fullmatch(name)) and last != "invalid"


def _is_address(name: str) -> bool:
    try:
        return bool(_NAME.fullmatch(name) and socket.inet_aton(name))
    except OSError:
        return False


def _info(text: str, type: int) -> tuple[Any, ...]:
    if ":" in text:
        return (socket.AF_INET6, type, 0, "", (text, 0, 0, 0))
    return (socket.AF_INET, type, 0, "", (text, 0))
