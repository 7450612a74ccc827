"""Passes TCP connections and UDP datagrams on without inspecting their contents.

Variables, conditions and upstreams are those of `http`; a server of `stream` has no locations, and
sees no requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...conf.directive import (
    A_NUMBER,
    MAIN,
    UNLIMITED,
    Conf,
    accepted,
    directive,
    flag,
    own,
    size,
    slot,
    time,
)
from ...dns import NameServers
from ...errors import ConfError
from ...http.listen import Listen, parse_stream_listen
from ...http.regex import Regex
from ...stream.contexts import IN_STREAM, STREAM, STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from .server_names import add_server_names, first_name
from .settings import NO_SERVERS, TABLES
from .values import parse_resolver


class StreamCoreConf(Conf):
    preread_buffer_size = size(
        16384,
        IN_STREAM,
        "Limits the data that is read from a connection before it is passed on, for example by "
        '"ssl_preread". A client that sends more without an end is disconnected.',
        shown="16k",
    )
    preread_timeout = time(
        30, IN_STREAM, "Limits the time for that. Then the connection is closed.", shown="30s"
    )
    proxy_protocol_timeout = time(
        30,
        IN_STREAM,
        "Limits the time in which the PROXY protocol header must be received. Then the connection "
        "is closed.",
        shown="30s",
    )
    resolver: NameServers | None = slot(
        NO_SERVERS,
        parse_resolver,
        IN_STREAM,
        "Sets the name servers for names in variables and for servers of an upstream with the "
        'parameter "resolve".',
        syntax="address ... [valid=time] [ipv4=on | off] [ipv6=on | off] [status_zone=zone]",
        shown="—",
        arity=(1, UNLIMITED),
    )
    resolver_timeout = time(
        30,
        IN_STREAM,
        'Limits the time that the resolution of a name by "resolver" takes.',
        shown="30s",
    )
    server_names_hash_bucket_size = accepted(STREAM, TABLES, like=A_NUMBER)
    server_names_hash_max_size = accepted(STREAM, TABLES, like=A_NUMBER)
    tcp_nodelay = flag(
        True, IN_STREAM, "Sends small pieces of data at once, to clients and to upstreams."
    )
    variables_hash_bucket_size = accepted(STREAM, TABLES, like=A_NUMBER)
    variables_hash_max_size = accepted(STREAM, TABLES, like=A_NUMBER)

    has_listen = own(False)  # even if it is wrong
    listens: tuple[Listen, ...] = own(())
    name_regexes: Mapping[str, Regex] = own(MappingProxyType({}))
    server_names: tuple[str, ...] = own(())
    serves: type[Any] | None = own(None)  # the conf whose directive came last of those that serve
    has_stream = own(False)

    @directive(MAIN, opens=STREAM)
    def stream(self) -> None:
        """Contains the configuration of the server for TCP and UDP."""
        outer = self.level.outer[StreamCoreConf]
        outer.once("has_stream", "stream")
        outer.has_stream = True

    @directive(STREAM, opens=STREAM_SERVER)
    def server(self) -> None:
        """Contains the configuration of a server."""

    @directive(STREAM_SERVER)
    def listen(self, address: str, *parameters: str) -> None:
        """Sets the address and port, or the unix socket, that the server accepts connections on.
        Parameters: udp, default_server, ssl, proxy_protocol, backlog, rcvbuf, sndbuf, bind,
        reuseport, deferred, ipv6only, so_keepalive, fastopen.  With "udp", datagrams of one client
        are a session; with several workers, "reuseport" keeps them on one worker."""
        self.has_listen = True
        listens = parse_stream_listen(address, parameters)
        known = {listen.key for listen in self.listens}
        for listen in listens:
            if listen.key in known:
                raise ConfError(f"a duplicate listen {listen.text}")
        self.listens = (*self.listens, *listens)

    @directive(STREAM_SERVER, default='""')
    def server_name(self, name: str, *names: str) -> None:
        """Sets the names of a server: exact, "*.example.com", "www.example.*" or "~regex".  Of the
        servers of one address, that with the name that the client requests by TLS (SNI) serves the
        connection; this requires "listen ... ssl" or "ssl_preread"."""
        add_server_names(self, (name, *names))

    @property
    def server_name_value(self) -> str:
        """The first name, as in $server_name."""
        return first_name(self.server_names)

    @property
    def is_inherited_whole(self) -> bool:
        return False  # a server has addresses of its own


stream_core = StreamModule("stream", StreamCoreConf)


@STREAM_SERVER.closes
def check_listen(level: StreamLevel) -> None:
    statement = level.statement
    if not level[StreamCoreConf].has_listen and statement is not None:
        error = ConfError('no "listen" is defined for server')
        level.scope.watch.failed(error.at(statement.file, statement.line), level)


def takes_over(conf: Conf) -> None:
    """A directive of this conf says what serves the connections: of several the last one does."""
    conf.level[StreamCoreConf].serves = type(conf)
