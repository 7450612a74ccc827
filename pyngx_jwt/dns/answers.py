"""What names stand for."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .errors import ResolveError


class Addresses(NamedTuple):
    """The IP addresses of a name, valid until then (Unix time)."""

    found: tuple[str, ...]
    valid: int


class Service(NamedTuple):
    """An SRV record."""

    priority: int
    weight: int
    port: int
    name: str


class Located(NamedTuple):
    """An address of a service."""

    address: str
    service: Service


class Services(NamedTuple):
    """The addresses of a service, sorted by priority; `failures` are those of its hosts.

    With no address there is an `error` that is not 0."""

    found: tuple[Located, ...]
    valid: int
    failures: tuple[tuple[str, ResolveError], ...] = ()
    error: int = 0


class Resolves(Protocol):
    """What finds addresses."""

    async def resolve(self, name: str, timeout: float) -> Addresses:
        """The addresses of a name; `timeout` is in seconds, 0 is none.  Raises ResolveError."""

    async def resolve_service(self, host: str, service: str, timeout: float) -> Services:
        """The addresses of a service's hosts, each of which has the `timeout` for itself; "http"
        is short for "_http._tcp".  Raises ResolveError."""
