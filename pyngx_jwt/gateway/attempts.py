"""The servers that a request is tried at, one after the other (ngx_http_upstream_next)."""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Final

from ..http.request import Request
from ..log import Severity
from ..metrics.handshakes import UNCOUNTED, HandshakeCounts, of_peer
from ..metrics.kinds import TLS_PEER
from ..upstream.address import Local, parse_local
from ..upstream.affinity import Affinity
from ..upstream.balancer import PeerChoice
from ..upstream.client import PeerConnection
from ..upstream.connect import connect as open_connection
from ..upstream.errors import BadResponse, UpstreamError
from ..upstream.peer import Peer
from ..upstream.queue import Queue, QueuedChoice
from ..upstream.tls import PeerHandshake
from .ntlm import proves
from .route import Route
from .state import UpstreamState
from .target import Destination
from .wire import KEY, Outgoing

NOT_IDEMPOTENT: Final = frozenset({"POST", "LOCK", "PATCH"})
NEXT_STATUS: Final = frozenset((403, 404, 429, 500, 502, 503, 504))
CONNECTING: Final = "connecting to upstream"
LOCAL: Final = "local"  # a failure that is not a server's: no other one is tried
_now: Final = time.monotonic


class Attempts:
    """Chooses a server, connects to it, and decides after a failure whether another is tried.

    At most one server is in use, until `leave`, `finished` or `abandon` gives it back."""

    def __init__(self, route: Route, r: Request, destination: Destination) -> None:
        self.route, self.r, self.destination = route, r, destination
        self.out: Outgoing = destination.out
        r.contexts[KEY] = self.out
        key = destination.upstream.key
        self.key = key(r) if key else ""
        self.choice: PeerChoice = destination.upstream.balancer.choose(self.key)
        if destination.upstream.queue is not None:
            self.choice = QueuedChoice(self.choice, destination.upstream.queue)
        tie = destination.upstream.tie
        self.affinity: Affinity | None = tie(r) if tie is not None else None
        self.connection: PeerConnection | None = None
        self.peer: Peer | None = None
        self.state: UpstreamState
        self.settings = route.settings
        self.started = _now()
        self.doing = CONNECTING  # for the log
        self.streamed = False  # the client's body passes as it comes: there is no second attempt
        self.handshake: PeerHandshake | None = None
        self.local: Local | None = None  # the address that "bind" sets
        self.is_bound = False  # it has been determined
        self.is_own = False  # the connection is the client's alone
        if limit := route.next_upstream_tries:
            self.choice.tries = min(limit, self.choice.tries)

    def url_at(self, name: str) -> str:
        """The URL of the request there, for the log."""
        colon = ":" if name.startswith("unix:") else ""
        return f"{self.out.scheme}://{name}{colon}{self.out.uri}"

    def none_is_left(self) -> str:
        """Logs that no server can be tried; the kind of the failure."""
        self.state.status = 502
        self.log(Severity.ERR, "no live upstreams")
        self.choice.tries = 0
        return "error"

    def log(self, level: Severity, text: str) -> None:
        self.r.log(level, f"{text} while {self.doing}")

    def idle_connection(self, peer: Peer) -> PeerConnection | None:
        """A connection that has served another request, if there is one."""
        upstream, tls = self.destination.upstream, self.destination.tls
        self.handshake = tls.at(self.r, peer.name) if tls is not None else None
        self.local = self._local_address()
        if upstream.bound is not None:
            self.connection = upstream.bound.get(self.r.connection, peer.sid, self._tag())
            if self.connection is not None:
                self.is_own = True
                return self.connection
        if upstream.pool is not None:
            self.connection = upstream.pool.get(peer.name, self._tag())
        return self.connection

    async def connect(self, peer: Peer) -> PeerConnection:
        """A new connection, where none idles; raises ConnectError."""
        self.connection = await open_connection(
            peer.address,
            self.settings,
            ssl=self.handshake,
            local=self.local,
            kind=self.route.wire.connection,
            counts=self._handshake_counts(peer),
        )
        return self.connection

    def _handshake_counts(self, peer: Peer) -> HandshakeCounts:
        """What counts the handshake: servers of groups with a zone have such counts."""
        group = self.destination.upstream
        if self.handshake is None or group.shared is None:
            return UNCOUNTED
        return of_peer(self.route.tallies, TLS_PEER, group.name, peer.name)

    def _tag(self) -> Hashable:
        """What a keep-alive connection must have in common with this request's: what the load
        knows, the TLS name that was sent or verified, our certificate, and the local address."""
        tls = self.handshake
        if tls is not None:
            return self.destination.tag, tls.name, tls.certificate, self.local
        if self.local is not None:
            return self.destination.tag, self.local
        return self.destination.tag

    def _local_address(self) -> Local | None:
        bind = self.route.bind
        if bind is None or (self.is_bound and not self.route.conf.bind_dynamic):
            return self.local
        self.is_bound, text = True, bind(self.r)
        local = parse_local(text, transparent=self.route.is_transparent) if text else None
        if text and local is None:
            self.r.log(Severity.ERR, f'invalid local address "{text}"')
        return local

    def failed(self, error: UpstreamError) -> str:
        """Logs a failure; its kind, as "next_upstream" has it, or "local"."""
        if error.handshaking:
            self.doing = "SSL handshaking to upstream"
        self.log(Severity.CRIT if error.critical else Severity.ERR, str(error))
        if error.local:
            return LOCAL
        if self.state.response is None:  # else it has a status
            self.state.status = 504 if error.timed_out else 502
        if error.timed_out:
            return "timeout"
        return "invalid_header" if isinstance(error, BadResponse) else "error"

    def goes_on(self, failure: str) -> bool:
        """Whether another server is to be tried after a failure (ngx_http_upstream_next)."""
        kept = self.connection is not None and self.connection.requests > 1
        self.leave(failed=failure != LOCAL)
        if kept and failure == "error":  # it was closed while it idled: not the server's fault
            self.choice.tries += 1
        return self.choice.tries > 0 and self._allowed(failure)

    def wants_next(self, kind: str) -> bool:
        """Whether a response is left aside for another server's (ngx_http_upstream_test_next)."""
        return self.choice.tries > 1 and self._allowed(kind)

    def _allowed(self, failure: str) -> bool:
        kinds = self.route.next
        limit = self.route.conf.next_upstream_timeout
        if failure not in kinds or (limit and _now() - self.started >= limit):
            return False
        sent = self.state.bytes_sent > 0
        if sent and self.streamed:
            return False
        return not sent or self.r.method not in NOT_IDEMPOTENT or "non_idempotent" in kinds

    def choose(self) -> Peer | None:
        """Takes the next server from the balancer."""
        affinity, now = self.affinity, int(_now())
        if affinity is None:
            self.peer = self.choice.get(now)
        else:
            self.peer = self.choice.get(now, affinity.wanted())
            if self.peer is not None:
                affinity.chosen(self.peer)
        return self.peer

    async def wait_for_server(self, queue: Queue) -> Peer | None:
        """Waits in the queue until a server can take the request."""

        def take() -> Peer | None:
            fresh = self.destination.upstream.balancer.choose(self.key)
            fresh.tries = min(fresh.tries, max(1, self.choice.tries))
            self.choice = QueuedChoice(fresh, queue)
            return self.choose()

        return await queue.wait(take)

    def leave(self, *, failed: bool, final: bool = True) -> None:
        """Gives the server back to the balancer and closes its connection; another one is tried
        if its response is not `final`."""
        self.state.response_time = _now() - self.state.started
        if final and not failed:
            self._note_served()
        if self.connection is not None:
            self.state.bytes_received = self.connection.bytes_received
            self.connection.close()
            self.connection = None
        timing = self.state if final and not failed else None
        self.state.failed = failed
        if self.peer is not None and self.choice.free(failed, int(_now()), timing):
            self.state.disabled = True
            self.log(Severity.WARN, "upstream server temporarily disabled")
        self.peer = None

    def note_head(self) -> None:
        """The head of the response is passed on."""
        if self.affinity is not None and self.peer is not None:
            self.affinity.answered(self.peer)
        self.choice.answered(self.state)

    def _release(self, connection: PeerConnection, now: float) -> None:
        """Keeps the connection for others, or for its client alone if that has proven on it who
        it is."""
        upstream, peer = self.destination.upstream, self.peer
        if upstream.bound is not None and peer is not None and (self.is_own or proves(self.r)):
            upstream.bound.put(self.r.connection, connection, peer.sid, self._tag())
            self.choice.free(False, int(now), self.state)
        else:
            upstream.release(self.choice, connection, self._tag(), now, self.state)

    def _note_served(self) -> None:
        if self.affinity is not None and self.peer is not None:
            self.affinity.served(self.peer)

    def abandon(self) -> None:
        """Gives the server back in the middle of its response, which is not its failure."""
        self._note_served()
        state = self.state
        state.response_time = _now() - state.started
        if self.connection is not None:
            state.bytes_received = self.connection.bytes_received
            self.connection.close()
            self.connection = None
        self.choice.free(False, int(_now()), state)
        self.peer = None

    def finished(self, length: int) -> None:
        """The upstream is done: its connection can serve others."""
        state, connection = self.state, self.connection
        self._note_served()
        now = _now()  # the loop's own clock
        if state.response is not None and state.response.warning:
            self.log(self.out.reader.excess_level, state.response.warning)
        state.response_time = now - state.started
        state.response_length = length
        if connection is not None:
            state.bytes_received = connection.bytes_received
            tls = self.destination.tls
            if tls is not None and self.handshake is not None:
                tls.keep_session(self.handshake, state.peer, connection.ssl_object)
            self._release(connection, now)
            self.connection = self.peer = None
        elif self.peer is not None:
            self.choice.free(False, int(now), state)
            self.peer = None
