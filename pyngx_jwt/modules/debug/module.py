"""Logs the steps of requests and sessions.

At the level "debug", "error_log" has a line for each step of a request: its head, the selected
location, the modules that handle it and their results, variables that are evaluated, the upstream
servers, and the head of the response.  Tokens, cookies and passwords are replaced by "***".
Without that level and this directive, there is no cost.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from ...conf.directive import Conf, directive
from ...conf.hosts import look_up
from ...conf.scope import Scope
from ...conf.watch import LoadWatch
from ...core.contexts import EVENTS
from ...core.module import CoreModule
from ...errors import ConfError
from ...http.cidr import UNIX, Network, parse_network
from ...http.ports import Built
from ...stream.ports import StreamBuilt
from .requests import trace_server
from .sessions import trace_stream_server
from .trace import Tracing


class Clients:
    """Those whose connections are logged."""

    def __init__(self) -> None:
        self.networks: list[Network] = []


class DebugConf(Conf):
    @directive(EVENTS, syntax="debug_connection address | CIDR | name | unix:")
    def debug_connection(self, client: str) -> None:
        """Logs all messages about requests and sessions of these clients, including those of the
        level "debug", whatever the level of "error_log" is."""
        self.scope.shared(Clients).networks += self._networks(client)

    def _networks(self, text: str) -> Iterable[Network]:
        if text == "unix:":
            return (UNIX,)
        try:
            network, cut = parse_network(text)
        except ValueError:
            return _of_name(text)
        if cut:
            self.scope.warn(f"low address bits of {text} are meaningless")
        return (network,)


debug = CoreModule("debug", DebugConf)


def _of_name(name: str) -> Iterable[Network]:
    try:
        found = look_up(name, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConfError(f'host not found in debug_connection "{name}"') from None
    return [parse_network(str(address[4][0]))[0] for address in found]


@debug.after_read
def trace(scope: Scope) -> None:
    """Puts what logs each step around the handlers, where a log asks for it."""
    if type(scope.watch) is not LoadWatch:  # a tool looks at the handlers themselves
        return
    tracing = Tracing(scope.shared(Clients).networks)
    for level, server in scope.shared(Built).servers:
        trace_server(level, server, tracing)
    for _, stream_server in scope.shared(StreamBuilt).servers:
        trace_stream_server(stream_server, tracing)
