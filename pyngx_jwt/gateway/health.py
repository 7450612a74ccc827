"""Health checks: requests whose responses decide which servers get others.

One worker checks the servers.  What it finds is part of the state of the servers that all
workers share.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any

from ..conf.scope import Scope
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.body import KeptBody
from ..http.engine import log_failure
from ..http.head import RequestHead, new_head
from ..http.level import Level
from ..http.request import Request, Server
from ..http.subrequest import Kept
from ..http.uri import normalize
from ..log import Severity
from ..metrics import Tallies
from ..metrics.kinds import CHECK_FAILURES, CHECKS, PEER
from ..metrics.kinds import UNHEALTHY as TURNED_UNHEALTHY
from ..upstream.address import inet_address
from ..upstream.balancer import Timing
from ..upstream.errors import UpstreamError
from ..upstream.head import PeerResponse
from ..upstream.least_time import milliseconds
from ..upstream.peer import CHECKING, UNHEALTHY, Peer, Peers
from ..upstream.pool import Keepalive, Pool
from ..upstream.shared import Shared
from ..upstream.slow_start import begin_recovery
from ..upstream.upstream import Upstream
from .conf import GatewayConf
from .groups import Upstreams
from .grpc_health import FIELDS, PATH, GrpcTests, health_request
from .health_conf import HealthCheck, HealthConf, MatchBlocks
from .match import DEFAULT_TESTS, LONGEST_BODY, Judge, Seen
from .request_side import RequestSide
from .route import GatewayOptions, Route
from .target import Destination
from .wire import Wire

# -- what is declared ----------------------------------------------------------------------------


class CheckedGroups:
    """The groups whose servers are checked, by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, CheckedGroup] = {}


def note_checks(conf: GatewayConf, level: Level, wire: Wire, options: GatewayOptions) -> None:
    """The health checks of a location that passes its requests on; raises ConfError."""
    for check in level[HealthConf].checks:
        try:
            group = _checked_group(conf, level)
            tests = _tests_of(check, conf, level)
        except ConfError as error:
            statement = check.statement
            raise error.at(statement.file, statement.line) if statement else error from None
        route = Route(conf, level, wire, options)
        group.checkers.append(Checker(check, group, route, level, tests))


def _checked_group(conf: GatewayConf, level: Level) -> CheckedGroup:
    url = conf.target.url if conf.target is not None else None
    if url is None:
        raise ConfError('"health_check" requires a group of servers that is known by its name')
    upstream = level.scope.shared(Upstreams).get(url.host)
    if upstream is None or upstream.shared is None:
        raise ConfError(f'"health_check" requires a "zone" in upstream "{url.host}"')
    groups = level.scope.shared(CheckedGroups).by_name
    return groups.setdefault(upstream.name, CheckedGroup(upstream.name, upstream.shared))


def _tests_of(check: HealthCheck, conf: GatewayConf, level: Level) -> Judge:
    if check.grpc:
        if conf.prefix != "grpc":
            raise ConfError('"type=grpc" requires "grpc_pass"')
        return GrpcTests(check.grpc_status)
    tests = DEFAULT_TESTS
    if check.match:
        try:
            tests = level.scope.shared(MatchBlocks)[check.match]
        except KeyError:
            raise ConfError(f'unknown match "{check.match}"') from None
    return tests.bind(level.variables)


# -- groups --------------------------------------------------------------------------------------


class CheckedGroup:
    """A group of servers with its checks."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name, self.shared = name, shared
        self.checkers: list[Checker] = []

    def begin(self, old: Shared | None = None) -> None:
        """Before the workers start: servers wait for their first check if that is mandatory,
        unless they were healthy before a reload and are to remain so."""
        mandatory = [one.check for one in self.checkers if one.check.mandatory]
        if old is None:
            self.shared.begin(CHECKING if mandatory else 0)
        elif all(check.persistent for check in mandatory):
            healthy = {peer.name for peer in old.look() if not peer.down & (CHECKING | UNHEALTHY)}
            for peer in self.shared.peers.all:
                if peer.name in healthy:
                    peer.down &= ~CHECKING

    def start(self, life: WorkerLife) -> None:
        for checker in self.checkers:
            life.until_quit(checker.watch())

    def judged(self, peer: Peer) -> bool:
        """The verdict of a check has changed; whether the state of the server changes with it.

        One failing check makes it unhealthy, all of them have to pass to make it healthy."""

        def change() -> bool:
            before, verdicts = peer.down, [one.verdict_of(peer) for one in self.checkers]
            if False in verdicts:
                peer.down = before & ~CHECKING | UNHEALTHY
            elif all(verdicts):
                peer.down = before & ~(CHECKING | UNHEALTHY)
                if before & UNHEALTHY:
                    begin_recovery(peer, milliseconds())
            return peer.down != before

        return self.shared.run(change)


# -- checks --------------------------------------------------------------------------------------


class Checker:
    """One check of all servers of a group."""

    def __init__(
        self, check: HealthCheck, group: CheckedGroup, route: Route, level: Level, tests: Judge
    ) -> None:
        self.check, self.group, self.route, self.tests = check, group, route, tests
        self._level, self._tallies = level, level.scope.shared(Tallies)
        self._body = health_request(check.grpc_service) if check.grpc else b""
        self._head = _grpc_head(self._body) if check.grpc else _head(check.uri)
        seconds = check.keepalive_time
        keepalive = Keepalive(connections=1024, requests=1 << 30, time=seconds, timeout=seconds)
        self._pool = Pool(keepalive) if seconds else None
        self._verdicts: dict[int, bool] = {}  # by the serial of the peer
        self._streaks: dict[int, int] = {}  # results that were alike, negative if they failed

    async def watch(self) -> None:
        """Checks all servers again and again, until it is cancelled."""
        running: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                peers = self.group.shared.look()
                self._forget({peer.serial for peer in peers}, running)
                for peer in peers:
                    if not peer.server.down and peer.serial not in running:
                        running[peer.serial] = asyncio.create_task(self._check(peer))
                await asyncio.sleep(self.check.interval)
        finally:
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)
            if self._pool is not None:
                self._pool.close()

    def _forget(self, known: set[int], running: dict[int, asyncio.Task[None]]) -> None:
        """Lets go of what has ended, and of servers that are gone."""
        for serial, task in list(running.items()):
            if task.done():
                del running[serial]
            elif serial not in known:
                task.cancel()
        for serial in [serial for serial in self._verdicts if serial not in known]:
            del self._verdicts[serial], self._streaks[serial]

    def verdict_of(self, peer: Peer) -> bool | None:
        """Whether the server passes, None before its first check if that is mandatory."""
        if peer.serial in self._verdicts:
            return self._verdicts[peer.serial]
        if self.check.mandatory and peer.down & CHECKING:
            return None
        return not peer.down & UNHEALTHY

    async def _check(self, peer: Peer) -> None:
        if self.check.jitter:
            await asyncio.sleep(random.uniform(0, self.check.jitter))
        r = self._request(peer)
        try:
            passed, doing = await self._probe(r, peer)
        except Exception as error:
            log_failure(r, error)
            return
        has_changed = self._judge(peer, passed) and self.group.judged(peer)
        if self._tallies.wanted:
            self._count(peer, passed, has_changed=has_changed)
        if has_changed:
            state, level = ("healthy", Severity.NOTICE) if passed else ("unhealthy", Severity.WARN)
            r.log(level, f"peer is {state} while {doing}")

    def _count(self, peer: Peer, passed: bool, *, has_changed: bool) -> None:
        row = self._tallies.row(PEER, self.group.name, peer.name)
        row.add(CHECKS)
        if not passed:
            row.add(CHECK_FAILURES)
            row.add(TURNED_UNHEALTHY, int(has_changed))

    def _judge(self, peer: Peer, passed: bool) -> bool:
        """Counts a result; whether the verdict is another one now."""
        serial, before = peer.serial, self.verdict_of(peer)
        streak = self._streaks.get(serial, 0)
        streak = max(streak, 0) + 1 if passed else min(streak, 0) - 1
        needed = 1 if before is None else self.check.passes if passed else self.check.fails
        self._streaks[serial] = streak
        self._verdicts[serial] = passed if abs(streak) >= needed else bool(before)
        return self._verdicts[serial] is not before

    # -- one request -----------------------------------------------------------------------------

    def _request(self, peer: Peer) -> CheckRequest:
        location = self._level.location
        assert location is not None
        server = Server()
        server.core, server.name, server.location = location.core, "", location
        server.rewrite, server.tree, server.named = (), None, {}
        r = CheckRequest(self._head, NoClient(), Kept(0), server)
        r.valid_location = False  # the URI is not that of a client: it is sent as it is
        if self._body:
            r.body = KeptBody(self._body, length=len(self._body))
            r.content_length_in = len(self._body)
        check, port = self.check, f", port {self.check.port}" if self.check.port else ""
        about = f'health check "{check.match}" of peer {peer.name} in upstream "{self.group.name}"'
        r.about = f", {about}{port}"
        return r

    async def _probe(self, r: Request, peer: Peer) -> tuple[bool, str]:
        """Asks a server: whether it passes, and what the last thing was that was looked at."""
        destination = self.route.find(r)
        assert isinstance(destination, Destination)
        destination.upstream = Upstream(self.group.name, OnePeer(self._target(peer)), self._pool)
        if self._pool is not None:
            destination.tag = "health check"
        exchange = RequestSide(self.route, r, destination)
        r.upstream_states = []
        try:
            if not await exchange.prepare(validates=False):
                return False, "sending request to upstream"
            response, _ = await exchange.attempt()
            if response is None:
                exchange.leave(failed=True)
                return False, exchange.doing
            return await self._examine(r, exchange, response)
        finally:
            if exchange.peer is not None:
                exchange.leave(failed=False)

    async def _examine(
        self, r: Request, exchange: RequestSide, response: PeerResponse
    ) -> tuple[bool, str]:
        body, whole = response.body or b"", response.body is not None
        if not whole and (self.tests.needs_body or self._pool is not None):
            exchange.doing = "reading upstream"
            try:
                body, whole = await _read(exchange)
            except UpstreamError as error:
                exchange.failed(error)
                return False, exchange.doing
        passed, doing = self.tests.judge(Seen(r, response, body[:LONGEST_BODY].decode("latin-1")))
        if whole:
            exchange.finished(len(body))
        return passed, doing

    def _target(self, peer: Peer) -> Peer:
        address = peer.address
        if self.check.port and address.port:
            return replace(peer, address=inet_address(address.host, self.check.port))
        return peer


async def _read(exchange: RequestSide) -> tuple[bytes, bool]:
    """As much of the body as is looked at, and whether that is all."""
    connection = exchange.connection
    assert connection is not None
    parts, size = list[bytes](), 0
    while size < LONGEST_BODY:
        data = await connection.read()
        if data is None:
            return b"".join(parts), True
        parts.append(data)
        size += len(data)
    return b"".join(parts), False


def _head(uri: str) -> RequestHead:
    head = new_head(0, "")
    head.method, head.http_version, head.unparsed_uri = "GET", 1001, uri
    head.uri, head.args, *_ = normalize(uri) or (uri, "", False, False)
    return head


def _grpc_head(body: bytes) -> RequestHead:
    head = _head(PATH)
    head.method = "POST"
    head.headers = [*FIELDS, ("Content-Length", str(len(body)))]
    head.index = {name.lower(): value for name, value in head.headers}
    return head


class CheckRequest(Request):
    """A request that no client has sent."""

    about = ""  # for the log

    def particulars(self) -> str:
        return self.about


@dataclass(slots=True)
class NoClient:
    """The Connection of such a request."""

    number: int = 0
    requests: int = 1
    remote_addr: str = ""
    remote_port: str = ""
    binary_remote_addr: bytes = b""
    server_addr: str = ""
    server_port: str = ""
    proxy_protocol: Any = None
    ssl: Any = None
    sni: str = ""
    start: float = 0.0
    sent: int = 0
    closed: bool = False

    def tcp_info(self) -> bytes:
        return b""


class OnePeer:
    """The Balancer of a request to a peer that has been chosen already."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.peers = peer, Peers((peer,), single=True)
        self.tries = 1

    def choose(self, key: str = "") -> OnePeer:
        return self

    def get(self, now: int, hint: str = "") -> Peer | None:
        return self.peer

    def answered(self, timing: Timing) -> None:
        """It is not measured."""

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        return False


# -- the life of a configuration -----------------------------------------------------------------


def begin_checks(scope: Scope, old: Scope | None = None) -> None:
    """Gives servers the state that they have until their first check."""
    for name, group in scope.shared(CheckedGroups).by_name.items():
        before = old.shared(Upstreams).get(name) if old is not None else None
        if old is None:
            group.begin()
        elif before is not None and before.shared is not None:
            group.begin(before.shared)


def start_checks(scope: Scope, life: WorkerLife) -> None:
    """One worker checks."""
    for group in scope.shared(CheckedGroups).by_name.values() if life.number == 0 else ():
        group.start(life)
