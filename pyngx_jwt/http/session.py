"""What variables are evaluated for: a request, or a connection of "stream"."""

from __future__ import annotations

from typing import Any, TypeVar

from ..conf.directive import Conf
from ..log import Log, Severity
from .client import Connection
from .regex import Match

C = TypeVar("C", bound=Conf)


class Session:
    """What all servers know of a client that they serve.

    `variables` are the values that are remembered, `contexts` what modules keep."""

    connection: Connection
    variables: dict[str, str]
    contexts: dict[Any, Any]
    captures: Match | None
    start: float  # seconds since the epoch
    upstream_states: Any = None
    cleanups: tuple[Any, ...] = ()  # run once it is over and logged
    logged = False  # it is over

    def log(self, level: Severity, text: str) -> None:
        """Logs to the error_log that counts, with the particulars of the session."""
        raise NotImplementedError

    @property
    def error_log(self) -> Log:
        raise NotImplementedError

    @property
    def forwarded_for(self) -> list[str]:
        """What proxies say of the client: the fields X-Forwarded-For of a request."""
        return []

    def conf(self, kind: type[C]) -> C:
        """The conf of a module where the session is served."""
        raise NotImplementedError

    @property
    def main(self) -> Session:
        """The client's own request, of a subrequest; of anything else itself."""
        return self
