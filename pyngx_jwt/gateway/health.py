"""Health checks of HTTP: requests whose responses decide which servers get others."""

from __future__ import annotations

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
from ..metrics.kinds import PEER
from ..upstream.balancer import Timing
from ..upstream.errors import UpstreamError
from ..upstream.head import PeerResponse
from ..upstream.peer import Peer, Peers
from ..upstream.pool import Keepalive, Pool
from ..upstream.upstream import Upstream
from .checks import CheckedGroups, Checker, NoClient, about_check, target_of
from .conf import GatewayConf
from .groups import Upstreams
from .grpc_health import FIELDS, PATH, GrpcTests, health_request
from .health_conf import HealthCheck, HealthConf, MatchBlocks
from .match import DEFAULT_TESTS, LONGEST_BODY, Judge, Seen
from .request_side import RequestSide
from .route import GatewayOptions, Route
from .target import Destination
from .wire import Wire


def note_checks(conf: GatewayConf, level: Level, wire: Wire, options: GatewayOptions) -> None:
    """The health checks of a location that passes its requests on; raises ConfError."""
    for check in level[HealthConf].checks:
        url = conf.target.url if conf.target is not None else None
        try:
            group = level.scope.shared(CheckedGroups).of(url, level.scope.shared(Upstreams))
            tests = _tests_of(check, conf, level)
        except ConfError as error:
            statement = check.statement
            raise error.at(statement.file, statement.line) if statement else error from None
        probe = HttpProbe(check, group.name, Route(conf, level, wire, options), level, tests)
        checker = Checker(check, group, probe, level.scope.shared(Tallies))
        if probe.pool is not None:
            checker.closes = probe.pool.close
        group.checkers.append(checker)


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


class HttpProbe:
    """Asks a server by a request of a location."""

    def __init__(
        self, check: HealthCheck, group: str, route: Route, level: Level, tests: Judge
    ) -> None:
        self.kind = PEER
        self.check, self.group, self.route, self.tests = check, group, route, tests
        self._level = level
        self._body = health_request(check.grpc_service) if check.grpc else b""
        self._head = _grpc_head(self._body) if check.grpc else _head(check.uri)
        seconds = check.keepalive_time
        keepalive = Keepalive(connections=1024, requests=1 << 30, time=seconds, timeout=seconds)
        self.pool = Pool(keepalive) if seconds else None

    async def ask(self, peer: Peer) -> tuple[bool, str]:
        return await self._probe(self._request(peer), peer)

    def log(self, level: Severity, text: str, peer: Peer) -> None:
        self._request(peer).log(level, text)

    def failed(self, error: Exception, peer: Peer) -> None:
        log_failure(self._request(peer), error)

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
        r.about = about_check(self.check, self.group, peer)
        return r

    async def _probe(self, r: Request, peer: Peer) -> tuple[bool, str]:
        """Asks a server: whether it passes, and what the last thing was that was looked at."""
        destination = self.route.find(r)
        assert isinstance(destination, Destination)
        destination.upstream = Upstream(self.group, OnePeer(target_of(self.check, peer)), self.pool)
        if self.pool is not None:
            destination.tag = "health check"
        exchange = RequestSide(self.route, r, destination)
        r.upstream_states = []
        try:
            ready = exchange.prepare(validates=False)
            if not (ready if isinstance(ready, bool) else await ready):
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
        if not whole and (self.tests.needs_body or self.pool is not None):
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
    scope.shared(CheckedGroups).begin(old.shared(Upstreams) if old is not None else None)


def start_checks(scope: Scope, life: WorkerLife) -> None:
    """One worker checks."""
    scope.shared(CheckedGroups).start(life)
