"""The peer that would be done first, with a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyngx_jwt.upstream import Peer, PeerServer, make_peers
from pyngx_jwt.upstream.address import inet_address
from pyngx_jwt.upstream.balancer import PeerChoice
from pyngx_jwt.upstream.least_time import LeastTime, RandomLeastTime


@dataclass
class Times:
    header_time: float
    response_time: float
    connect_time: float = -1.0


@dataclass
class Group:
    """Two servers or more, and the time; `takes` are the seconds to head and end of each."""

    takes: dict[str, tuple[float, float]]
    weights: dict[str, int] = field(default_factory=dict)
    last_byte: bool = False
    inflight: bool = False
    now: float = 1000.0

    def __post_init__(self) -> None:
        servers = [
            PeerServer(name, (inet_address(name, 1),), self.weights.get(name, 1))
            for name in self.takes
        ]
        self.peers = make_peers(servers)
        self.method = LeastTime(
            self.peers,
            last_byte=self.last_byte,
            inflight=self.inflight,
            clock=lambda: int(self.now * 1000),
        )

    def begin(self) -> tuple[PeerChoice, Peer]:
        choice = self.method.choose()
        peer = choice.get(int(self.now))
        assert peer is not None
        return choice, peer

    def end(self, choice: PeerChoice, peer: Peer) -> str:
        header, end = self.takes[peer.server.name]
        self.now += end
        times = Times(header, end)
        choice.answered(times)
        choice.free(False, int(self.now), times)
        return peer.server.name

    def requests(self, count: int) -> str:
        return "".join(self.end(*self.begin()) for _ in range(count))


def test_equal_times_take_turns() -> None:
    assert Group({"a": (0.001, 0.002), "b": (0.015, 0.002), "c": (0.0, 0.0)}).requests(6) == (
        "abcabc"
    )


def test_the_time_to_the_head_or_to_the_end() -> None:
    takes = {"a": (0.0, 1.0), "b": (0.5, 0.6)}
    assert Group(takes).requests(5) == "abaaa"
    assert Group(takes, last_byte=True).requests(5) == "abbbb"


def test_weights_count() -> None:
    takes = {"a": (0.1, 0.1), "b": (0.3, 0.3)}
    assert Group(takes, {"b": 2}).requests(5) == "baaaa"
    assert Group(takes, {"b": 4}).requests(5) == "babbb"


def test_active_requests_count() -> None:
    group = Group({"a": (0.0, 0.0), "b": (0.05, 0.05)})
    assert group.requests(2) == "ab"
    open_ones = [group.begin() for _ in range(5)]
    assert "".join(peer.server.name for _, peer in open_ones) == "aaaba"


def test_failures_are_not_quick() -> None:
    group = Group({"a": (0.5, 0.5), "b": (0.9, 0.9)})
    assert group.requests(3) == "aba"
    choice, peer = group.begin()
    assert peer.server.name == "a"
    choice.free(False, int(group.now))
    assert peer.header_time == peer.response_time == 500


def test_averages_move_slowly() -> None:
    group = Group({"a": (0.1, 0.1), "b": (0.2, 0.2)})
    assert group.requests(3) == "aba"
    group.takes["a"] = (1.0, 1.0)
    assert group.requests(4) == "aaab"


def test_slow_ones_get_another_chance() -> None:
    """Their time is halved whenever they have been idle for "fail_timeout"."""
    group = Group({"a": (0.0, 0.0), "b": (1.0, 1.0)})
    assert group.requests(4) == "abaa"
    group.now += 70
    assert "b" in group.requests(2)


def test_requests_that_hang_are_noticed() -> None:
    for inflight, expected in ((True, "bbb"), (False, "aaa")):
        group = Group({"a": (0.0, 0.0), "b": (0.1, 0.1)}, inflight=inflight)
        assert group.requests(3) == "aba"
        hanging = group.begin()
        assert hanging[1].server.name == "a"
        group.now += 9.0
        assert group.requests(3) == expected
        group.end(*hanging)
        assert hanging[1].inflight == 0


def test_a_request_is_in_flight_up_to_its_head() -> None:
    group = Group({"a": (0.1, 0.1), "b": (0.1, 0.1)}, inflight=True)
    (_, idle), (one, peer), (two, same) = group.begin(), group.begin(), group.begin()
    assert peer is same and [idle.inflight, peer.inflight] == [1, 2]
    group.now += 1
    one.answered(Times(1.0, -1))
    assert (peer.inflight, peer.header_time) == (1, 1000)
    one.free(True, int(group.now))
    two.free(True, int(group.now))
    assert (peer.inflight, peer.inflight_last, peer.header_time) == (0, 0, 1000)


def test_the_better_of_two() -> None:
    servers = [PeerServer(name, (inet_address(name, 1),)) for name in "abc"]
    draws = iter([0, 1, 0, 2, 1, 2])
    method = RandomLeastTime(make_peers(servers), draw=lambda _: next(draws), clock=lambda: 0)
    found = []
    for took in (0.5, 0.3, 0.1):
        choice = method.choose()
        peer = choice.get(0)
        assert peer is not None
        found.append(peer.server.name)
        choice.free(False, 0, Times(took, took))
    assert found == ["b", "c", "c"]
