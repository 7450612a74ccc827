"""Servers that have recovered, and how much they get, with a clock that is set by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from pyngx_jwt.upstream import LeastConn, PeerServer, RoundRobin, make_peers
from pyngx_jwt.upstream.address import inet_address
from pyngx_jwt.upstream.balancer import Balancer
from pyngx_jwt.upstream.peer import Peers
from pyngx_jwt.upstream.slow_start import UNIT, SlowStart

LENGTH = 10.0  # seconds


def server(name: str, *, weight: int = 1, slow: float = LENGTH) -> PeerServer:
    return PeerServer(
        name, (inet_address(name, 1),), weight, fail_timeout=1, slow_start=slow, unit=UNIT
    )


class Group:
    def __init__(
        self, *servers: PeerServer, make: Callable[[Peers], Balancer] = RoundRobin
    ) -> None:
        self.now = 1000.0
        self.slow = SlowStart(make_peers(servers), make=make, clock=lambda: int(self.now * 1000))

    def request(self, broken: str = "") -> str:
        choice, name = self.slow.choose(), ""
        while choice.tries and (peer := choice.get(int(self.now))) is not None:
            name = peer.server.name
            choice.free(name in broken, int(self.now))
            if name not in broken:
                break
        return name

    def shares(self, count: int = 1000) -> Counter[str]:
        return Counter(self.request() for _ in range(count))

    def recover(self) -> None:
        """The first server fails, and then serves a request."""
        while self.request(broken="a") != "b" or not self.slow.peers.peers[0].fails:
            pass
        self.now += 2
        while self.slow.peers.peers[0].fails:
            self.request()


@pytest.mark.parametrize("make", [RoundRobin, LeastConn])
@pytest.mark.parametrize(
    "age, share", [(0.0, 0.0), (0.1, 0.1), (0.25, 0.25), (0.5, 0.5), (1.0, 1.0), (9.0, 1.0)]
)
def test_the_share_grows(make: Callable[[Peers], Balancer], age: float, share: float) -> None:
    group = Group(server("a"), server("b"), make=make)
    group.recover()
    group.now += age * LENGTH
    expected = 1000 * share / (1 + share)
    assert abs(group.shares()["a"] - expected) <= 10


def test_weights_are_kept() -> None:
    group = Group(server("a", weight=3), server("b"))
    assert abs(group.shares(400)["a"] - 300) <= 2
    group.recover()
    group.now += LENGTH / 2
    assert abs(group.shares(1000)["a"] - 600) <= 10


def test_servers_without_it_recover_at_once() -> None:
    group = Group(server("a", slow=0.0), server("b"))
    group.recover()
    assert abs(group.shares()["a"] - 500) <= 10


def test_the_only_server() -> None:
    group = Group(server("a"))
    assert group.request(broken="a") == group.request() == "a"
    assert not group.slow.peers.peers[0].slow_since
