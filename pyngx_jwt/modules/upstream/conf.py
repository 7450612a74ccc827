"""Groups of servers that "proxy_pass" can refer to."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from mmap import PAGESIZE
from typing import NamedTuple, Protocol

from ...conf.directive import UNLIMITED, Conf, directive, number, own, slot, time
from ...conf.parse import Statement
from ...conf.scope import located
from ...conf.values import parse_msec, parse_number, parse_size
from ...core.logs import Logs
from ...dns import NameServers, Resolvers, Resolves
from ...errors import ConfError
from ...gateway.groups import Upstreams
from ...gateway.health_conf import DeclaredChecks
from ...gateway.ntlm import tie_connections
from ...gateway.sticky import Sticky, StickyLearn, StickyZones, parse_sticky
from ...http.block import SessionBlock
from ...http.contexts import HTTP, UPSTREAM
from ...http.level import Level
from ...http.module import Module
from ...http.request import Request
from ...http.template import Template
from ...http.variables import Variables
from ...stream.contexts import STREAM, STREAM_UPSTREAM
from ...upstream.address import AddressError, PeerAddress, Url, parse_upstream, resolve_host
from ...upstream.balancer import Balancer, RoundRobin
from ...upstream.bound import BoundConnections
from ...upstream.hash import ConsistentHash, Hash, IpHash
from ...upstream.least_conn import LeastConn
from ...upstream.least_time import TIMES, LeastTime, RandomLeastTime
from ...upstream.names import Watch
from ...upstream.peer import Peers, PeerServer
from ...upstream.pool import Keepalive
from ...upstream.queue import Queue
from ...upstream.random import Random
from ...upstream.roster import Lookup
from ...upstream.shared import SHARED, Shared
from ...upstream.slow_start import RECOVERY, UNIT, SlowStart
from ...upstream.upstream import Upstream, make_upstream
from ...zones import CopiedSessions, Zone, Zones, ZoneStore
from ..core import CoreConf
from ..core.settings import NO_SERVERS
from ..core.stream import StreamCoreConf
from ..core.values import parse_resolver
from .parameters import ALL, WEIGHTS, check_parameters, check_service, parsed, server_parameters


class KeyMaker(Protocol):
    """What makes the key of a request, by which a method chooses: a template, most often."""

    def bind(self, variables: Variables) -> Callable[[Request], str]: ...


class Method(NamedTuple):
    """A load balancing method; `allowed` are the parameters of the servers declared after it."""

    make: Callable[[Peers], Balancer] = RoundRobin
    allowed: frozenset[str] = WEIGHTS
    key: KeyMaker | None = None
    extra: tuple[str, ...] = ()  # what it knows of servers beyond what all methods do
    notes_heads: bool = False


ROUND_ROBIN = Method(allowed=ALL)
MEASURES = ("header", "last_byte")
STREAM_MEASURES = ("connect", "first_byte", "last_byte")
ANYWHERE = UPSTREAM | STREAM_UPSTREAM


class UpstreamConf(Conf):
    """Of an "upstream" block; nothing in it is inherited."""

    keepalive_requests = number(
        1000,
        UPSTREAM,
        "Limits the number of requests on a connection to a server. Then the connection is closed.",
    )
    keepalive_time = time(
        3600.0,
        UPSTREAM,
        "Limits the time during which a connection to a server is used.",
        shown="1h",
    )
    keepalive_timeout = time(
        60.0, UPSTREAM, "Limits the time that a connection to a server stays idle.", shown="60s"
    )
    resolver = slot(
        NO_SERVERS,
        parse_resolver,
        ANYWHERE,
        'Sets the name servers for servers with the parameter "resolve". By default, those '
        'of "resolver" in "http" or "stream" are used.',
        syntax="address ... [valid=time] [ipv4=on | off] [ipv6=on | off] [status_zone=zone]",
        shown="—",
        arity=(1, UNLIMITED),
    )
    resolver_timeout = time(
        30,
        ANYWHERE,
        'Limits the time that the resolution of a name by "resolver" takes. By default, that of '
        '"http" or "stream" is used.',
        shown="30s",
    )

    name = own("")
    servers: tuple[PeerServer, ...] = own(())
    _connections: int | None = own(None)
    _local = own(True)
    _method: Method | None = own(None)
    _state = own("")  # the file with the servers
    _sticky: Sticky | None = own(None)
    _measured = own(False)
    _queue: tuple[int, float] | None = own(None)
    _has_queue = own(False)
    _ntlm = own(False)
    _has_sticky = own(False)  # even if a method that came later has displaced it
    _zone: Zone | None = own(None)
    _statement: Statement | None = own(None)

    @directive(HTTP | STREAM, opens=ANYWHERE)
    def upstream(self, name: str) -> None:
        """Defines a group of servers that "proxy_pass" can use by its name.  Requests are
        distributed by weighted round robin unless another method is set."""
        groups = self.level.shared(Upstreams)
        if name.lower() in groups.declared:
            raise ConfError(f'duplicate upstream "{name}"')
        self.name, self._statement = name, self.scope.statement
        groups.declared[name.lower()] = self

    @directive(ANYWHERE)
    def server(self, address: str, *parameters: str) -> None:
        """Defines a server of the group: an address, a host name or a unix socket.  A name with
        several addresses is several servers.  Parameters: "weight"; "max_conns"; "max_fails" and
        "fail_timeout", after which a failing server is not used for a while; "backup"; "down";
        "drain", for a server that only gets the clients that "sticky" ties to it; "route", by which
        "sticky" knows the server.  "slow_start", a time in which the share of the server grows from
        nothing to its weight when it has recovered, from failed requests or failed health checks;
        not with "hash", "ip_hash" and "random".
        Without "resolve", a name is resolved when the configuration is loaded.  With it, "resolver"
        resolves the name at run time, whenever its addresses are not valid any more, and the
        servers of the group change; this requires "zone".  "service" with "resolve" resolves SRV
        records: "http" is short for "_http._tcp".  Those with a lower priority are backup servers.
        """
        if self._state:
            raise ConfError('"server" directive is incompatible with "state"')
        allowed = self._method.allowed if self._method else ALL
        if self.is_stream:
            check_parameters(parameters)
        values = server_parameters(parameters, allowed)
        resolve, service = values.pop("resolve", False), str(values.pop("service", ""))
        if service and not resolve:
            raise ConfError(f'service upstream "{address}" requires "resolve" parameter')
        url = parse_upstream(address, default_port=0 if self.is_stream else 80, resolve=False)
        if url.uri:
            raise ConfError(f'invalid host in upstream "{address}"')
        if service:
            check_service(url)
        elif not url.port and not url.text.startswith("unix:"):
            raise ConfError(f'no port in upstream "{address}"')
        lookup = Lookup(url.host, url.port, service) if resolve and not url.addresses else None
        addresses = () if lookup else url.addresses or _resolved(url, address)
        server = PeerServer(address, addresses, lookup=lookup, **values)  # type: ignore[arg-type]
        self.servers += (server,)

    @directive(ANYWHERE)
    def state(self, file: str) -> None:
        """Reads the servers of the group from a file of "server" directives, instead of from the
        configuration; a file that does not exist is a group without servers.  The API writes the
        file when it changes the group, for which the user of the workers must have the right to
        write to the directory."""
        if self._state:
            raise ConfError('"state" directive is duplicate')
        if self.servers:
            raise ConfError('"state" directive is incompatible with "server"')
        path = self.scope.full_name(file)
        if os.path.exists(self.scope.files.path(path).encode("latin-1")):
            source = self.scope.files.read(path)
            while isinstance(statement := source.next(), Statement):
                with located(statement):
                    self._restore(statement)
        self._state = file

    def _restore(self, statement: Statement) -> None:
        """One line of the state file."""
        if statement.name != "server" or statement.opens:
            raise ConfError(f'"{statement.name}" directive is not allowed here')
        if not statement.args:
            raise ConfError('invalid number of arguments in "server" directive')
        self.server(*statement.args)

    @property
    def is_stream(self) -> bool:
        """Whether it is in "stream" and not in "http"."""
        return bool(self.level.context & STREAM_UPSTREAM)

    @property
    def _measures(self) -> tuple[str, ...]:
        return STREAM_MEASURES if self.is_stream else MEASURES

    @property
    def may_be_empty(self) -> bool:
        """Whether the servers are those of a state file."""
        return bool(self._state)

    @property
    def state_file(self) -> str:
        """The name of the file with the servers, "" if they are in the configuration."""
        return self._state

    @property
    def is_impartial(self) -> bool:
        """Whether the server that is chosen does not depend on what is in a request."""
        method = self._method
        return (method is None or method.key is None) and not (self._sticky or self._ntlm)

    @property
    def zone_name(self) -> str:
        return self._zone.name if self._zone else ""

    @directive(ANYWHERE)
    def zone(self, name: str, size: str = "") -> None:
        """Shares the state of the servers (failures, connection counts, position) between all
        workers.  Without it, each worker has its own.  Several groups can use one zone; one of them
        sets the size."""
        if not name:
            raise ConfError(f'invalid zone name "{name}"')
        try:
            length = parse_size(size) if size else 0
        except ValueError:
            raise ConfError(f'invalid zone size "{size}"') from None
        if size and length < 8 * PAGESIZE:
            raise ConfError(f'zone "{name}" is too small')
        tag = "stream_upstream" if self.is_stream else "upstream"
        self._zone = self.scope.shared(Zones).add(name, length, tag)
        self._zone.noreuse = True

    @directive(ANYWHERE)
    def hash(self, key: str, consistent: str = "") -> None:
        """Selects the server by a key, which can contain variables.  With "consistent", adding or
        removing a server moves only few keys (ketama)."""
        text = Template(key)
        self.set_method(Method(Hash, key=text))
        if consistent:
            if consistent != "consistent":
                raise ConfError(f'invalid parameter "{consistent}"')
            self._method = Method(ConsistentHash, key=text)

    @directive(UPSTREAM)
    def ip_hash(self) -> None:
        """Selects the server by the client's address, so that a client stays on one server.  For
        IPv4, only the first three octets are used."""
        self.set_method(Method(IpHash, key=Template("$binary_remote_addr")))

    @directive(ANYWHERE)
    def least_conn(self) -> None:
        """Selects the server with the fewest active requests in proportion to its weight."""
        self.set_method(Method(LeastConn, ALL))

    @directive(ANYWHERE, syntax="least_time header | connect | first_byte | last_byte [inflight];")
    def least_time(self, measure: str, inflight: str = "") -> None:
        """Selects the server with the lowest expected response time, by the average time of its
        responses, the number of its active requests and its weight.  "header" measures the time to
        the head of the response, "last_byte" the time to its end.  In "stream", "connect" measures
        the time to the connection, "first_byte" that to the first byte, and "last_byte" that of the
        session.  With "inflight", requests that are not finished count as well."""
        if inflight and inflight != "inflight":
            raise ConfError(f'invalid parameter "{inflight}"')
        if measure not in self._measures:
            raise ConfError(f'invalid value "{measure}"')
        if self._measured:
            raise ConfError('"least_time" directive is duplicate')
        self._measured = True
        last_byte, connects = measure == "last_byte", measure == "connect"
        make = partial(LeastTime, last_byte=last_byte, connects=connects, inflight=bool(inflight))
        notes_heads = bool(inflight) and not last_byte
        self.set_method(Method(make, ALL, extra=TIMES, notes_heads=notes_heads))

    @directive(ANYWHERE, syntax="random [two [least_conn | least_time=measure]];")
    def random(self, two: str = "", method: str = "") -> None:
        """Selects servers at random, in proportion to their weight.  With "two", two are drawn and
        the one with fewer active requests is used, or the one with the lower expected response
        time, with the measures of "least_time"."""
        self.set_method(Method(Random))
        if two:
            if two != "two":
                raise ConfError(f'invalid parameter "{two}"')
            self._method = Method(partial(Random, two=True))
        measure = method.removeprefix("least_time=")
        if measure != method and measure in self._measures:
            last_byte, connects = measure == "last_byte", measure == "connect"
            make = partial(RandomLeastTime, last_byte=last_byte, connects=connects)
            self._method = Method(make, extra=TIMES)
        elif method and method != "least_conn":
            raise ConfError(f'invalid parameter "{method}"')

    @directive(UPSTREAM, default="32 local")
    def keepalive(self, connections: str, local: str = "") -> None:
        """Sets the number of idle connections to the servers that each worker keeps open.  By
        default, 32 are kept, separately for each location ("local").  0 disables keep-alive.
        Unlike in nginx, connections are shared only if TLS settings and "proxy_bind" are the same.
        """
        if self._connections is not None:
            raise ConfError('"keepalive" directive is duplicate')
        try:
            self._connections = parse_number(connections)
        except ValueError:
            raise ConfError(f'invalid value "{connections}" in "keepalive" directive') from None
        if local and local != "local":
            raise ConfError(f'invalid parameter "{local}"')
        self._local = local == "local"

    @directive(
        UPSTREAM,
        syntax="sticky cookie name [expires=time] [domain=domain] [httponly] "
        "[samesite=strict | lax | none | $variable] [secure] [path=path]; "
        "sticky route $variable ...; "
        "sticky learn create=$variable lookup=$variable zone=name:size [timeout=time] [header] "
        "[sync];",
        arity=(2, UNLIMITED),
    )
    def sticky(self, method: str, *parameters: str) -> None:
        """Passes the requests of a client to the same server, as long as it can be used.  "cookie"
        sets a cookie with the identifier of the server.  "route" reads the identifier from the
        first variable that is not empty: the value of "route" of a server, or the MD5 hash of its
        address.  "learn" remembers sessions that servers begin: "create" are variables from which
        the identifier of a new session is taken, such as $upstream_cookie_NAME, and "lookup" those
        in which a client sends it.  Sessions are stored in a zone that all workers share and are
        forgotten if they are not used during "timeout", 10 minutes by default.  "header" stores a
        session when the head of the response has been received, not after the whole response.
        "sync" copies sessions to all machines that share the server of "pyngx_zone_store".
        The method of load balancing must stand before it."""
        if self._has_sticky:
            raise ConfError('"sticky" directive is duplicate')
        self._has_sticky = True
        self._sticky = sticky = parse_sticky(method, parameters)
        if isinstance(sticky, StickyLearn):
            zone = self.scope.shared(Zones).add(sticky.zone, sticky.size, "sticky")
            self.scope.shared(StickyZones).add(sticky, self.name)
            sticky.sessions = zone.sessions()
            store = self.scope.shared(ZoneStore)
            if store.share(sticky.zone, sticky.sync, self.scope.statement):
                sticky.sessions = CopiedSessions(
                    sticky.sessions, store, sticky.zone, sticky.timeout
                )

    @directive(UPSTREAM, syntax="queue number [timeout=time];")
    def queue(self, number: str, timeout: str = "timeout=60s") -> None:
        """Lets requests wait if no server can take them, because of "max_conns" for example.
        Each worker has a queue of this length.  A request that finds it full, or has waited for
        "timeout" (60 seconds), is answered with 502.  The method of load balancing must stand
        before it."""
        if self._has_queue:
            raise ConfError('"queue" directive is duplicate')
        name, _, text = timeout.partition("=")
        seconds = parsed(parse_msec, text, timeout) / 1000
        if name != "timeout" or not seconds:
            raise ConfError(f'invalid parameter "{timeout}"')
        length = int(number) if number.isascii() and number.isdigit() else 0
        if not length:
            raise ConfError(f'invalid value "{number}" in "queue" directive')
        self._queue, self._has_queue = (length, seconds), True

    @directive(UPSTREAM)
    def ntlm(self) -> None:
        """Keeps a connection to a server for one client, once the client has sent an Authorization
        header with NTLM or Negotiate, as these prove only once on a connection who the client is.
        "proxy_http_version 1.1" and "proxy_set_header Connection \"\"" are required.  The method of
        load balancing must stand before it."""
        if self._ntlm:
            raise ConfError('"ntlm" directive is duplicate')
        self._ntlm = True

    def set_method(self, method: Method) -> None:
        """Takes on a load balancing method."""
        if self._method or self._sticky or self._queue or self._ntlm:
            self.scope.warn("load balancing method redefined")
        self._method, self._sticky, self._queue = method, None, None
        self._ntlm = False

    def watch(self, group: Upstream) -> Watch | None:
        """What keeps the addresses of the group's servers up to date, if their names are resolved
        at run time."""
        servers, balancer = self._name_servers(), group.balancer
        if servers is None or not isinstance(balancer, Shared) or not balancer.can_change:
            return None
        resolver = self._resolver(servers)
        allowed = self._method.allowed if self._method else ALL
        takes_backup = "backup" in allowed or balancer.peers.next is not None
        timeout = self._resolver_timeout()
        log = self.scope.shared(Logs).main
        return Watch(self.name, balancer, resolver, timeout, log, takes_backup)

    def _resolver(self, servers: NameServers) -> Resolves:
        """Made with the group: workers may not be able to read the library for DNS."""
        return self.scope.shared(Resolvers).of(servers, self.scope.shared(Logs).main)

    def name_servers(self) -> NameServers | None:
        """Those that resolve the names of servers at run time, None if there are none or no such
        names: of the group, or of "http"."""
        if not any(server.lookup for server in self.servers):
            return None
        return self._name_servers()

    def _name_servers(self) -> NameServers | None:
        return self.resolver or self._core.resolver

    def allow_changes(self, group: Upstream) -> None:
        """The servers of the group can be changed while workers run."""
        shared, servers = group.shared, self._name_servers()
        if shared is None:
            return
        shared.can_change = True
        if servers is not None:
            self._resolver(servers)
            shared.takes_names = True

    def _resolver_timeout(self) -> float:
        own = self.is_set("resolver_timeout")
        return self.resolver_timeout if own else self._core.resolver_timeout

    @property
    def _core(self) -> CoreConf | StreamCoreConf:
        """Of the block around it, "http" or "stream"."""
        assert self.level.outer is not None
        core: CoreConf | StreamCoreConf
        core = self.level.outer[StreamCoreConf if self.is_stream else CoreConf]
        return core

    def _check_names(self) -> None:
        """Raises ConfError if names cannot be resolved at run time."""
        assert self._statement is not None
        if not any(server.lookup for server in self.servers):
            return
        place = f'upstream "{self.name}" in {self._statement.file}:{self._statement.line}'
        if self._zone is None:
            raise ConfError(
                f"resolving names at run time requires {place} to be in shared memory"
            ).nowhere()
        servers = self.name_servers()
        if servers is None:
            raise ConfError(
                f"no resolver defined to resolve names at run time in {place}"
            ).nowhere()
        self._resolver(servers)

    def build(self) -> Upstream:
        """The group with its balancer and pool; raises ConfError where it was declared."""
        self._check_names()
        count = 32 if self._connections is None else self._connections
        keepalive = Keepalive(
            count,
            self._local,
            self.keepalive_requests,
            self.keepalive_time,
            self.keepalive_timeout,
        )
        method = self._method or ROUND_ROBIN
        key = method.key.bind(self.level.variables) if method.key else None
        tie = self._sticky.bind(self.level.variables) if self._sticky else None
        try:
            if not (self.servers or self._state):
                raise ConfError("no servers are inside upstream")
            make, extra, servers = method.make, method.extra, self.servers
            if any(server.slow_start for server in servers) and "slow_start" in method.allowed:
                make, extra = partial(SlowStart, make=make), extra + RECOVERY
                servers = tuple(server._replace(unit=UNIT) for server in servers)
            if self.level.shared(DeclaredChecks):
                extra += ("down",)
            values = len(SHARED) + len(extra)
            store = self._zone.peers(self.name, values) if self._zone else None
            notes_heads = method.notes_heads or tie is not None
            bound = BoundConnections(self.keepalive_timeout) if self._ntlm else None
            if bound is not None:
                tie = tie_connections(bound, tie)
            return make_upstream(
                self.name,
                servers,
                keepalive,
                make,
                key,
                tie,
                store,
                extra,
                notes_heads=notes_heads,
                queue=Queue(*self._queue) if self._queue else None,
                bound=bound,
                may_be_empty=self.may_be_empty,
            )
        except ConfError as error:
            assert self._statement is not None
            raise error.at(self._statement.file, self._statement.line) from None


def _resolved(url: Url, address: str) -> tuple[PeerAddress, ...]:
    try:
        return resolve_host(url.host, url.port)
    except AddressError as error:
        raise ConfError(f'{error} in upstream "{address}"') from None


upstream = Module("upstream", UpstreamConf)


@UPSTREAM.closes
@STREAM_UPSTREAM.closes
def check_servers(level: SessionBlock) -> None:
    conf = level[UpstreamConf]
    if not (conf.servers or conf.may_be_empty):
        raise ConfError("no servers are inside upstream")


@upstream.before_merge
def resolve_addresses(level: SessionBlock) -> None:
    """Names that cannot be resolved are reported before other errors of whole blocks."""
    level.shared(Upstreams).resolve()


@upstream.after_merge
def build_groups(conf: UpstreamConf, level: Level) -> None:
    """Builds groups that nothing refers to, too: they may be wrong."""
    if level.context & HTTP:
        build_all(level)


def build_all(level: SessionBlock) -> None:
    groups = level.shared(Upstreams)
    for name in groups.declared:
        groups.get(name)
