"""How a session finds its upstream, connects to it, and is passed on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from ...conf.scope import Scope
from ...core.capabilities import KeptCapabilities
from ...core.logs import Logs
from ...dns import Resolvers
from ...gateway.groups import Upstreams
from ...gateway.state import UpstreamState
from ...gateway.target import Names, remembered, resolved
from ...gateway.tls import Tls, tls_of
from ...http.template import bind_size
from ...log import Severity, errno_text
from ...stream.channel import Channel, TcpChannel
from ...stream.contexts import STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.proxy_header import header_of
from ...stream.relay import IdleTooLong, Relay, RelaySettings, UpstreamGone
from ...stream.session import (
    BAD_GATEWAY,
    BAD_REQUEST,
    SERVER_ERROR,
    SUCCESS,
    TIMED_OUT,
    Status,
    StreamHandler,
    StreamSession,
)
from ...upstream.address import AddressError, Local, parse_local, parse_url
from ...upstream.balancer import PeerChoice
from ...upstream.client import PeerSettings
from ...upstream.connect import open_endpoint
from ...upstream.errors import TIMED_OUT as UPSTREAM_TIMED_OUT
from ...upstream.errors import UpstreamError
from ...upstream.peer import DOWN, UNHEALTHY, Peer
from ...upstream.shared import Shared
from ...upstream.tls import PeerHandshake
from ...upstream.upstream import Upstream
from ..core.stream import StreamCoreConf
from .counting import peer_counts
from .datagrams import open_datagrams
from .health import note_checks
from .mqtt import opening_of
from .plan import HOST, FindUpstream, Plan
from .proxy_conf import StreamProxyConf

CONNECTING, PROXYING = "connecting to upstream", "proxying connection"
UNUSABLE = DOWN | UNHEALTHY  # of a server: what ends sessions if "proxy_session_drop" is on
DROP_CHECKS = 0.05  # seconds, at least, between two looks at it

stream_proxy = StreamModule("stream_proxy", StreamProxyConf)


@stream_proxy.after_merge
def load_tls(conf: StreamProxyConf, level: StreamLevel) -> None:
    """Certificates are loaded, and can be wrong, whether something is passed on or not."""
    if conf.bind is not None and conf.bind.transparent:
        conf.scope.shared(KeptCapabilities).net_raw = True
    if conf.proxy_ssl and level.context & STREAM_SERVER:
        _tls(conf, level)


@stream_proxy.content
def pass_on(conf: StreamProxyConf, level: StreamLevel) -> StreamHandler | None:
    if conf.target is None:
        return None
    variables = level.variables
    plan = Plan(
        conf,
        _finder(conf, level),
        PeerSettings(conf.connect_timeout, socket_keepalive=conf.socket_keepalive),
        RelaySettings(
            conf.proxy_timeout,
            conf.proxy_buffer_size,
            conf.proxy_half_close,
            requests=conf.proxy_requests,
            responses=conf.proxy_responses,
        ),
        bind_size(conf.proxy_upload_rate, variables),
        bind_size(conf.proxy_download_rate, variables),
        conf.bind.address.bind(variables) if conf.bind is not None else None,
        conf.bind is not None and conf.bind.transparent,
        _tls(conf, level) if conf.proxy_ssl else None,
        peer_counts(level),
        opening_of(level),
    )
    note_checks(plan, level)

    async def handle(s: StreamSession) -> Status:
        passing = Passing(s, plan)
        try:
            return await passing.run()
        finally:
            passing.end()

    return handle


def _tls(conf: StreamProxyConf, level: StreamLevel) -> Tls[StreamSession]:
    protocols = [protocol.bind(level.variables) for protocol in conf.alpn]

    def alpn(s: StreamSession) -> tuple[bytes, ...]:
        names = (protocol(s).encode("latin-1") for protocol in protocols)
        return tuple(name for name in names if 0 < len(name) < 256)

    return tls_of(conf, level.variables, lambda s: str(s.contexts[HOST]), alpn)


def _finder(conf: StreamProxyConf, level: StreamLevel) -> FindUpstream:
    """A function that finds the upstream; raises ConfError if a fixed one cannot be had."""
    target, groups = conf.target, level.shared(Upstreams)
    assert target is not None
    if target.url is not None:
        upstream = groups.of_url(target.url, target.statement)
        return lambda s: upstream
    for name in groups.declared:
        groups.get(name)
    text_of_target = target.text.bind(level.variables)
    names = _names(level)
    known: dict[tuple[str, int], Upstream] = {}

    def find(s: StreamSession) -> Upstream | Awaitable[Upstream | None] | None:
        text = text_of_target(s)
        try:
            url = parse_url(text, default_port=0, resolve=False)
        except AddressError as error:
            s.log(Severity.ERR, f'{error} in upstream "{text}"')
            return None
        group = groups.find(url)
        if group is not None:
            return group
        if not url.port and not url.text.startswith("unix:"):
            s.log(Severity.ERR, f'no port in upstream "{url.host}"')
            return None
        if url.addresses:
            return remembered(known, url)
        if names is None:
            s.log(Severity.ERR, f"no resolver defined to resolve {url.host}")
            return None
        return resolved(s, url, names)

    return find


def _names(level: StreamLevel) -> Names | None:
    core = level[StreamCoreConf]
    if core.resolver is None:
        return None
    scope: Scope = level.scope
    resolver = scope.shared(Resolvers).of(core.resolver, scope.shared(Logs).main)
    return Names(resolver, core.resolver_timeout)


def error_of(error: Exception) -> str:
    """In nginx's words."""
    return f"recv() failed {errno_text(error)}" if isinstance(error, OSError) else str(error)


class Passing:
    """A session and its upstream: servers are tried one after the other, and with the one that
    accepts the connection bytes go both ways."""

    def __init__(self, s: StreamSession, plan: Plan) -> None:
        self.s, self.plan = s, plan
        self.channel: Channel | None = None  # to the server that is in use
        self.choice: PeerChoice | None = None
        self.peer: Peer | None = None
        self.state: UpstreamState | None = None
        self.handshake: PeerHandshake | None = None
        self.local: Local | None = None
        self.shared: Shared | None = None  # what all workers know of the group
        self.notes_heads = False  # the group wants to know when the first byte comes
        self.failed = False  # the server, and not the session

    async def run(self) -> Status:
        s, plan = self.s, self.plan
        s.details = self._details
        self._bind()
        found = plan.find(s)
        upstream = await found if isinstance(found, Awaitable) else found
        if upstream is None:
            return SERVER_ERROR
        s.contexts[HOST], self.notes_heads = upstream.name, upstream.notes_heads
        self.shared = upstream.shared
        key = upstream.key(s) if upstream.key is not None else ""
        choice = self.choice = upstream.balancer.choose(key)
        if limit := plan.conf.next_upstream_tries:
            choice.tries = min(limit, choice.tries)
        channel = await self._connect(choice)
        return BAD_GATEWAY if channel is None else await self._relay(channel)

    def _bind(self) -> None:
        """Finds the address that "bind" sets."""
        if self.plan.bind is not None:
            self.local = self._local_address(self.plan.bind(self.s))

    def _local_address(self, text: str) -> Local | None:
        local = parse_local(text, transparent=self.plan.is_transparent) if text else None
        if text and local is None:
            self.s.log(Severity.ERR, f'invalid local address "{text}"')
        return local

    # -- connecting ------------------------------------------------------------------------

    async def _connect(self, choice: PeerChoice) -> Channel | None:
        """Tries servers until one accepts (ngx_stream_proxy_next_upstream)."""
        conf, since = self.plan.conf, time.monotonic()
        while True:
            self.s.action = CONNECTING
            peer = self.peer = choice.get(int(time.monotonic()))
            if peer is None:
                self._begin(str(self.s.contexts[HOST]))
                self.s.log(Severity.ERR, "no live upstreams")
                return None
            state = self._begin(peer.name)
            state.server = peer.server.name
            if conf.bind_dynamic:
                self._bind()
            try:
                return await self._open(peer, state)
            except UpstreamError as error:
                self._note(error)
            self._leave(failed=True)
            limit = conf.next_upstream_timeout
            spent = time.monotonic() - since
            if not (choice.tries and conf.proxy_next_upstream) or (limit and spent >= limit):
                return None

    def _begin(self, name: str) -> UpstreamState:
        now = time.monotonic()
        if self.state is not None:
            self.state.response_time = now - self.state.started
        self.state = UpstreamState(name, started=now)
        self.s.upstream_states.append(self.state)
        return self.state

    async def _open(self, peer: Peer, state: UpstreamState) -> Channel:
        s, tls = self.s, self.plan.tls
        if s.is_udp:
            channel: Channel = open_datagrams(peer.address, self.local)
        else:
            version, preface = self.plan.conf.proxy_protocol, b""
            if tls is not None:
                self.handshake = tls.at(s, peer.name)
                preface = header_of(s, version) if version else b""
            channel = await open_endpoint(
                TcpChannel,
                peer.address,
                self.plan.peers,
                ssl=self.handshake,
                local=self.local,
                preface=preface,
                counts=self.plan.counts.handshakes(str(s.contexts[HOST]), state),
            )
        self.channel = channel
        if s.server.tcp_nodelay:
            channel.set_nodelay()
        s.note(f"{'udp ' if s.is_udp else ''}proxy {channel.local_name} connected to {peer.name}")
        state.connect_time = time.monotonic() - state.started
        if self.choice is not None:
            self.choice.answered(state)
        self.plan.counts.connected(str(s.contexts[HOST]), state)
        return channel

    def _note(self, error: UpstreamError) -> None:
        if error.handshaking:
            self.s.action = "SSL handshaking to upstream"
        self.s.log(Severity.CRIT if error.critical else Severity.ERR, str(error))

    # -- passing on ------------------------------------------------------------------------

    async def _relay(self, channel: Channel) -> Status:
        s, plan, state = self.s, self.plan, self.state
        assert state is not None
        if plan.conf.proxy_protocol and self.handshake is None:
            channel.write(header_of(s, plan.conf.proxy_protocol))
        if plan.opening is not None and not s.is_udp:
            opening = await plan.opening(s, plan.conf.proxy_timeout)
            if opening is None:
                return BAD_REQUEST
            channel.write(opening)
        settings = plan.relay
        if plan.upload_rate is not None or plan.download_rate is not None:
            settings = settings._replace(
                upload_rate=plan.upload_rate(s) if plan.upload_rate is not None else 0,
                download_rate=plan.download_rate(s) if plan.download_rate is not None else 0,
            )
        s.action = PROXYING
        is_gone = self._drops()
        relay = Relay(
            s.channel,
            channel,
            settings,
            s.make_deadline,
            self._note_first_byte,
            self._give_back,
            is_gone,
        )
        try:
            side = await relay.run()
        except IdleTooLong:
            return self._idle(relay, channel)
        except UpstreamGone:
            s.note(f"upstream server is not used any more{self._bytes()}")
            return SUCCESS
        self._note_errors(channel)
        if s.is_udp:
            s.note(f"udp done{self._packets(relay)}{self._bytes()}")
        else:
            s.note(f"{side} disconnected{self._bytes()}")
        return SUCCESS

    def _drops(self) -> Callable[[], bool] | None:
        """What says that the server is not to be used any more, if that ends sessions."""
        peer, shared = self.peer, self.shared
        if not self.plan.conf.proxy_session_drop or peer is None or shared is None:
            return None
        serial, address, checked = peer.serial, peer.address, 0.0

        def is_gone() -> bool:
            nonlocal checked
            now = time.monotonic()
            if now - checked < DROP_CHECKS:
                return False
            checked = now
            return not any(
                one.serial == serial and one.address == address and not one.down & UNUSABLE
                for one in shared.look()
            )

        return is_gone

    def _note_errors(self, channel: Channel) -> None:
        """What has ended a side, where that was no goodbye."""
        s = self.s
        for end, name, level in (
            (s.channel, "client", Severity.INFO),
            (channel, "upstream", Severity.ERR),
        ):
            if end.error is not None:
                s.action = f"proxying and reading from {name}"
                s.log(level, error_of(end.error))

    def _note_first_byte(self) -> None:
        if self.state is None:
            return
        self.state.header_time = time.monotonic() - self.state.started
        if self.choice is not None and self.notes_heads:
            self.choice.answered(self.state)

    def _idle(self, relay: Relay, channel: Channel) -> Status:
        s = self.s
        if not s.is_udp:
            s.log(Severity.INFO, TIMED_OUT)
            return SUCCESS
        self._note_errors(channel)
        s.action = PROXYING
        if relay.is_answered:
            s.note(f"udp timed out{self._packets(relay)}{self._bytes()}")
            return SUCCESS
        s.log(Severity.ERR, UPSTREAM_TIMED_OUT)
        self.failed = True
        return BAD_GATEWAY

    # -- leaving ---------------------------------------------------------------------------

    def _leave(self, *, failed: bool) -> None:
        """Gives the server back and closes the connection to it."""
        self._free(failed=failed)
        state, channel = self.state, self.channel
        if channel is not None:
            tls, handshake = self.plan.tls, self.handshake
            if tls is not None and handshake is not None and state is not None and not failed:
                tls.keep_session(handshake, state.peer, channel.tls)
            channel.abort() if channel.unsent else channel.close()
            self.channel = None

    def _free(self, *, failed: bool) -> None:
        state, channel = self.state, self.channel
        if state is not None:
            state.response_time = time.monotonic() - state.started
            if channel is not None:
                state.bytes_received, state.bytes_sent = channel.received, channel.sent
        if self.peer is not None and self.choice is not None:
            timing = state if not failed else None
            is_disabled = self.choice.free(failed, int(time.monotonic()), timing)
            if is_disabled:
                self.s.log(Severity.WARN, "upstream server temporarily disabled")
            self.peer = None
            if state is not None:
                state.failed, state.disabled = failed, is_disabled
                self.plan.counts.left(str(self.s.contexts[HOST]), state)

    def _give_back(self) -> None:
        """Gives the server back as soon as the last datagram has passed: the next session of the
        client, who has its answer, may be balanced before this one has come to its end."""
        self._free(failed=self._has_failed())

    def end(self) -> None:
        """The session is over, whatever has ended it."""
        self._leave(failed=self.failed or (self.s.is_udp and self._has_failed()))

    def _has_failed(self) -> bool:
        return self.channel is not None and self.channel.error is not None

    # -- for the log -----------------------------------------------------------------------

    def _details(self) -> str:
        """As ngx_stream_proxy_log_error appends them."""
        name = self.state.peer if self.state is not None else ""
        upstream = f', upstream: "{name}"' if name else ""
        return upstream + self._bytes()

    def _bytes(self) -> str:
        client, channel = self.s.channel, self.channel
        received, sent = (channel.received, channel.sent) if channel is not None else (0, 0)
        return (
            f", bytes from/to client:{client.received}/{client.sent}"
            f", bytes from/to upstream:{received}/{sent}"
        )

    def _packets(self, relay: Relay) -> str:
        return f", packets from/to client:{relay.requests}/{relay.responses}"
