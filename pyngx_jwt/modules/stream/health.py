"""How servers of "stream" are checked: by a connection or a datagram, and what they say to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...conf.scope import Scope
from ...core.worker import WorkerLife
from ...errors import ConfError
from ...gateway.checks import CheckedGroups, Checker, NoClient, about_check, target_of
from ...gateway.groups import Upstreams
from ...gateway.health_conf import HealthCheck
from ...http.engine import log_failure
from ...http.location import ServerNames
from ...http.ports import AddressOf
from ...log import Severity
from ...metrics import Tallies
from ...metrics.kinds import STREAM_PEER
from ...stream.channel import Channel, TcpChannel
from ...stream.level import StreamLevel, stream_shared
from ...stream.module import StreamModule
from ...stream.ports import StreamBuilt
from ...stream.proxy_header import header_of
from ...stream.relay import Deadline
from ...stream.session import StreamServer, StreamSession
from ...upstream.address import Local, parse_local
from ...upstream.connect import open_endpoint
from ...upstream.errors import TIMED_OUT, UpstreamError
from ...upstream.peer import Peer
from ..core.stream import StreamCoreConf
from .datagrams import open_datagrams
from .health_conf import StreamHealthConf, StreamMatchBlocks, StreamTests
from .plan import HOST, Plan
from .proxy_conf import StreamProxyConf

CONNECTING, SENDING = "connecting to upstream", "sending data to upstream"
READING, MATCHING = "reading data from upstream", "checking data from upstream"
HELLO = b"nginx health check"  # the datagram, if "match" has none

stream_upstream_hc = StreamModule("stream_upstream_hc", StreamHealthConf)


@stream_upstream_hc.after_merge
def check_place(conf: StreamHealthConf, level: StreamLevel) -> None:
    """There must be servers to check."""
    if conf.checks and level[StreamProxyConf].target is None:
        error = ConfError('"health_check" requires "proxy_pass" beside it')
        raise _placed(error, conf.checks[0])


def _placed(error: ConfError, check: HealthCheck) -> ConfError:
    statement = check.statement
    return error.at(statement.file, statement.line) if statement else error


def note_checks(plan: Plan, level: StreamLevel) -> None:
    """The checks of a server that passes its sessions on; raises ConfError."""
    conf, target = level[StreamHealthConf], plan.conf.target
    for check in conf.checks:
        url = target.url if target is not None else None
        try:
            group = level.shared(CheckedGroups).of(url, level.shared(Upstreams))
            if check.match and check.match not in level.shared(StreamMatchBlocks):
                raise ConfError(f'unknown match "{check.match}"')
        except ConfError as error:
            raise _placed(error, check) from None
        tests = level.shared(StreamMatchBlocks).get(check.match, StreamTests())
        probe = StreamProbe(check, group.name, plan, level, tests)
        group.checkers.append(Checker(check, group, probe, level.scope.shared(Tallies)))


class StreamProbe:
    """Asks a server by a connection of its own."""

    def __init__(
        self, check: HealthCheck, group: str, plan: Plan, level: StreamLevel, tests: StreamTests
    ) -> None:
        self.kind = STREAM_PEER
        self.check, self.group, self.plan, self.tests = check, group, plan, tests
        self._level = level
        self._timeout: float = level[StreamHealthConf].health_check_timeout

    async def ask(self, peer: Peer) -> tuple[bool, str]:
        asking = Asking(self, self._session(), target_of(self.check, peer))
        try:
            async with asyncio.timeout(self._timeout):
                passed = await (asking.by_datagram() if self.check.udp else asking.by_connection())
        except UpstreamError as error:
            self.log(Severity.CRIT if error.critical else Severity.ERR, asking.text(error), peer)
            passed = False
        except TimeoutError:
            passed = asking.is_silence_good
            if not passed:
                self.log(Severity.ERR, f"{TIMED_OUT} while {asking.doing}", peer)
        finally:
            asking.close()
        return passed, asking.doing

    def log(self, level: Severity, text: str, peer: Peer) -> None:
        self._server().log.write(level, text + about_check(self.check, self.group, peer))

    def failed(self, error: Exception, peer: Peer) -> None:
        log_failure(self._session(), error)

    def _session(self) -> StreamSession:
        """What variables are evaluated for; it has no client."""
        listen = self._level[StreamCoreConf].listens[0]
        address = AddressOf(listen, ServerNames(self._server()))
        session = StreamSession(NoClient(), Channel(), address, _no_deadline)
        session.contexts[HOST] = self.group
        return session

    def _server(self) -> StreamServer:
        servers = self._level.scope.shared(StreamBuilt).servers
        return next(server for level, server in servers if level is self._level)


def _no_deadline(expired: Callable[[], None]) -> Deadline:
    raise NotImplementedError("a check has a timeout of its own")


class Asking:
    """One check of one server."""

    def __init__(self, probe: StreamProbe, session: StreamSession, peer: Peer) -> None:
        self.plan, self.tests, self.session, self.peer = probe.plan, probe.tests, session, peer
        self.doing = CONNECTING
        self.is_silence_good = False
        self._channel: Channel | None = None

    def text(self, error: UpstreamError) -> str:
        """What the log says of an error."""
        if error.handshaking:
            self.doing = "SSL handshaking to upstream"
        return f"{error} while {self.doing}"

    def close(self) -> None:
        if self._channel is not None:
            self._channel.abort()

    async def by_connection(self) -> bool:
        """Raises UpstreamError."""
        version, preface, handshake = self.plan.conf.proxy_protocol, b"", None
        header = header_of(self.session, version) if version else b""
        if self.plan.tls is not None:
            handshake, preface = self.plan.tls.at(self.session, self.peer.name), header
        channel: Channel = await open_endpoint(
            TcpChannel,
            self.peer.address,
            self.plan.peers,
            ssl=handshake,
            local=self._local(),
            preface=preface,
        )
        self._channel, self.doing = channel, SENDING
        if header and not preface:
            channel.write(header)
        channel.write(self.tests.send or b"")
        await channel.drain()
        return await self._read(channel)

    async def by_datagram(self) -> bool:
        """Raises UpstreamError.  Without "expect", nothing need be answered."""
        channel: Channel = open_datagrams(self.peer.address, self._local())
        self._channel, self.doing = channel, SENDING
        channel.write(self.tests.send or HELLO)
        if self.tests.expects is None:
            self.is_silence_good, self.doing = True, READING
            return await channel.read(self.plan.conf.proxy_buffer_size) is not None
        return await self._read(channel)

    async def _read(self, channel: Channel) -> bool:
        """Until what has come passes, or there is no more that is looked at."""
        if self.tests.expects is None:
            return True
        self.doing, received = READING, b""
        most = self.plan.conf.proxy_buffer_size
        while len(received) < most:
            data = await channel.read(most - len(received))
            if data is None:
                break
            received = (received + data)[:most]  # a datagram can be longer
            if self.tests.passes(received):
                self.doing = MATCHING
                return True
        self.doing = MATCHING
        return False

    def _local(self) -> Local | None:
        plan = self.plan
        text = plan.bind(self.session) if plan.bind is not None else ""
        return parse_local(text, transparent=plan.is_transparent) if text else None


# -- the life of a configuration -----------------------------------------------------------------


@stream_upstream_hc.after_read
def begin(scope: Scope) -> None:
    stream_shared(scope, CheckedGroups).begin()


@stream_upstream_hc.check_continues
def go_on(scope: Scope, old: Scope) -> None:
    stream_shared(scope, CheckedGroups).begin(stream_shared(old, Upstreams))


@stream_upstream_hc.worker_starts
def start(scope: Scope, life: WorkerLife) -> None:
    stream_shared(scope, CheckedGroups).start(life)
