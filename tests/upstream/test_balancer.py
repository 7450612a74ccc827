"""Round robin as tables: who is chosen, request after request."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.upstream import Keepalive, Peer, PeerServer, RoundRobin, make_peers, make_upstream
from pyngx_jwt.upstream.address import inet_address
from pyngx_jwt.upstream.balancer import RoundRobinChoice


def server(
    name: str,
    *,
    weight: int = 1,
    max_conns: int = 0,
    max_fails: int = 1,
    fail_timeout: int = 10,
    backup: bool = False,
    down: bool = False,
    addresses: int = 1,
) -> PeerServer:
    found = tuple(inet_address(name, port) for port in range(1, addresses + 1))
    return PeerServer(name, found, weight, max_conns, max_fails, fail_timeout, backup, down)


@dataclass
class Clients:
    """Requests to one upstream; a peer is told by its host, and by its port unless it is 1."""

    balancer: RoundRobin
    broken: set[str] = field(default_factory=set)
    now: int = 1000
    disabled: list[str] = field(default_factory=list)

    def request(self) -> str:
        """The peers one request tries, in order; "-" if none was left."""
        choice = self.balancer.choose()
        tried: list[str] = []
        while True:
            peer = choice.get(self.now)
            if peer is None:
                return " ".join([*tried, "-"])
            name = peer.name.removesuffix(":1")
            tried.append(name)
            failed = name in self.broken
            if choice.free(failed, self.now):
                self.disabled.append(name)
            if not failed or not choice.tries:
                return " ".join(tried)

    def requests(self, number: int) -> str:
        return ", ".join(self.request() for _ in range(number))


def clients(*servers: PeerServer, broken: str = "") -> Clients:
    return Clients(RoundRobin(make_peers(servers)), set(broken.split()))


A, B, C = server("a"), server("b"), server("c")


@pytest.mark.parametrize(
    "servers, expected",
    [
        ([A], "a, a, a"),
        ([A, B, C], "a, b, c, a, b, c"),
        ([server("a", weight=5), B, C], "a, a, b, a, c, a, a, a, a, b, a, c, a, a"),
        ([server("a", weight=2), server("b", weight=3)], "b, a, b, a, b, b, a, b, a, b"),
        ([A, server("b", down=True), C], "a, c, a, c"),
        ([server("a", addresses=2), B], "a, a:2, b, a, a:2, b"),
        ([A, server("b", backup=True)], "a, a, a"),
        ([server("a", down=True)], "-, -"),
        ([server("a", down=True), server("b", backup=True), server("c", backup=True)], "b, c, b"),
    ],
)
def test_healthy(servers: list[PeerServer], expected: str) -> None:
    assert clients(*servers).requests(expected.count(",") + 1) == expected


@pytest.mark.parametrize(
    "servers, broken, expected",
    [
        # one is retried at the others, then left out
        ([A, B, C], "a", "a b, c, b, c"),
        ([A, B, C], "a b c", "a b c, -, -"),
        # a single one is never held failed
        ([A], "a", "a, a, a"),
        # of two addresses of one server each is a peer
        ([server("a", addresses=2)], "a", "a a:2, a:2, a:2"),
        # max_fails
        ([server("a", max_fails=2), B], "a", "a b, b, a b, b, b"),
        ([server("a", max_fails=0), B], "a", "a b, b, a b, b"),
        # with a backup one is no longer single
        ([A, server("b", backup=True)], "a", "a b, b, b"),
        ([A, server("b", backup=True)], "a b", "a b, -, -"),
    ],
)
def test_failing(servers: list[PeerServer], broken: str, expected: str) -> None:
    assert clients(*servers, broken=broken).requests(expected.count(",") + 1) == expected


def test_tries_count_who_is_not_down() -> None:
    servers = [A, server("b", down=True), server("c", backup=True)]
    assert RoundRobin(make_peers(servers)).choose().tries == 2


def test_comes_back_after_fail_timeout() -> None:
    us = clients(A, server("b", fail_timeout=5), broken="b")
    assert us.requests(3) == "a, b a, a"
    us.now += 5
    assert us.requests(2) == "a, a"
    us.now += 1
    us.broken.clear()
    assert us.requests(4) == "a, a, b, a"


def test_one_request_at_a_time_may_find_out() -> None:
    us = clients(A, server("b", fail_timeout=5), broken="b")
    us.requests(2)
    us.now += 6
    peers = [us.balancer.choose().get(us.now) for _ in range(6)]
    assert " ".join(peer.server.name for peer in peers if peer) == "a a b a a a"


def test_a_success_before_the_timeout_does_not_pardon() -> None:
    us = clients(A, server("b", max_fails=2), broken="b")
    choice = us.balancer.choose()
    b = peer_named(us, "b")
    assert us.requests(2) == "a, b a"
    assert (b.fails, choice.tries) == (1, 2)
    us.broken.clear()
    us.requests(2)
    assert b.fails == 1
    us.now += 11
    us.requests(3)
    assert b.fails == 0


def test_a_failed_peer_comes_back_gently() -> None:
    us = clients(server("a", weight=4, max_fails=2), server("b", weight=4), broken="a")
    us.request()
    a = peer_named(us, "a")
    assert a.effective_weight == 2
    us.broken.clear()
    assert us.requests(6) == "b, b, a, b, a, b"
    assert a.effective_weight == 4


def test_tells_when_a_peer_is_disabled() -> None:
    us = clients(server("a", max_fails=2), B, broken="a")
    us.requests(2)
    assert us.disabled == []
    us.requests(3)
    assert us.disabled == ["a"]


def test_max_conns() -> None:
    us = clients(server("a", max_conns=1), server("b", max_conns=2))
    held: list[RoundRobinChoice] = []
    names = []
    for _ in range(4):
        choice = us.balancer.choose()
        peer = choice.get(us.now)
        names.append(peer.server.name if peer else "-")
        held.append(choice)
    assert names == ["a", "b", "b", "-"]
    held[0].free(False, us.now)
    assert us.request() == "a"


def test_max_conns_of_a_single_peer() -> None:
    us = clients(server("a", max_conns=1))
    choice = us.balancer.choose()
    assert choice.get(us.now) is not None
    assert us.request() == "-"
    choice.free(False, us.now)
    assert us.request() == "a"


def test_free_without_a_peer_is_nothing() -> None:
    us = clients(server("a", down=True))
    choice = us.balancer.choose()
    assert choice.get(us.now) is None
    assert not choice.free(True, us.now)


def test_upstream() -> None:
    upstream = make_upstream("u", [A, B], Keepalive())
    assert [peer.name for peer in upstream.peers.peers] == ["a:1", "b:1"]
    assert upstream.pool is not None
    assert make_upstream("u", [A], Keepalive(connections=0)).pool is None


@pytest.mark.parametrize("servers", [[], [server("a", backup=True)]])
def test_no_servers(servers: list[PeerServer]) -> None:
    with pytest.raises(ConfError, match='no servers in upstream "u"'):
        make_upstream("u", servers, Keepalive())


def peer_named(us: Clients, name: str) -> Peer:
    return next(peer for peer in us.balancer.peers.peers if peer.server.name == name)
