"""The methods that are not round robin.

The servers that keys and addresses stand for are those that nginx has been seen to choose.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pytest

from pyngx_jwt.upstream import (
    Balancer,
    ConsistentHash,
    Hash,
    IpHash,
    LeastConn,
    PeerChoice,
    Peers,
    PeerServer,
    Random,
    RoundRobin,
    Shared,
    make_peers,
)
from pyngx_jwt.upstream.address import inet_address, unix_address
from pyngx_jwt.upstream.roster import Edit, Found, Lookup, Roster
from tests.stores import MemoryPeers

Method = Callable[[Peers], Balancer]
NOW = 1000


def server(number: int, weight: int = 1, *, max_fails: int = 1, down: bool = False) -> PeerServer:
    """Port 18080 + number of 127.0.0.1; it is told by its number."""
    address = inet_address("127.0.0.1", 18080 + number)
    return PeerServer(address.name, (address,), weight, max_fails=max_fails, down=down)


def backup(number: int) -> PeerServer:
    address = inet_address("127.0.0.1", 18080 + number)
    return PeerServer(address.name, (address,), backup=True)


SOCKET = PeerServer("unix:/run/none.sock", (unix_address("/run/none.sock"),), max_fails=0)
WEIGHTED = [server(1, 3), server(2), server(3, 2)]
BROKEN = [server(19, max_fails=0), server(2), server(3, 2), server(1), server(4, down=True)]


def tried(choice: PeerChoice, broken: str = "") -> str:
    """The servers a request tries, by the last character of their names, "-" if none is left."""
    names = ""
    while True:
        peer = choice.get(NOW)
        if peer is None:
            return names + "-"
        names += peer.name[-1]
        failed = peer.name[-1] in broken
        choice.free(failed, NOW)
        if not failed or not choice.tries:
            return names


def chosen(balancer: Balancer, keys: Iterable[str], broken: str = "") -> str:
    return " ".join(tried(balancer.choose(key), broken) for key in keys)


def numbered(count: int) -> Iterator[str]:
    return (f"key{number}" for number in range(1, count + 1))


@pytest.mark.parametrize(
    "method, servers, expected",
    [
        (Hash, WEIGHTED, "3 2 3 1 3 3 2 1 1 3 1 3 3 1 1 1 1 1 3"),
        (Hash, BROKEN, "1 3 1 3 3 1 3 93 2 1 2 1 93 2 93 2 93 2 1 2 91 3 1 1 3 91"),
        (ConsistentHash, BROKEN, "1 3 3 93 1 91 1 3 2 92 3 93 3 91 3 3 1 1 3 3 2 2"),
        (ConsistentHash, [*WEIGHTED, SOCKET], "1 3 3 1 k1 1 1 k3 2 1 3 k1 3 1 3 3 1 1 3 1 2 2"),
    ],
)
def test_keys(method: Method, servers: list[PeerServer], expected: str) -> None:
    keys = numbered(expected.count(" ") + 1)
    assert chosen(method(make_peers(servers)), keys, "9k") == expected


IPV4 = {
    "130.183.14.238": "93",
    "127.26.80.57": "2",
    "190.240.126.194": "1",
    "208.143.93.199": "3",
    "81.36.71.227": "93",
    "187.192.4.231": "91",
    "125.236.176.181": "92",
}
IPV6 = "9890:c3f7::f43d 9bce:2e81::b3c5 1ba1:a6ee::4809 5351:c06f::dbc0 6e83:73e2::fca0"


def binary(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address).decode("latin-1")


def test_addresses() -> None:
    balancer = IpHash(make_peers(BROKEN))
    assert {ip: chosen(balancer, [binary(ip)], "9") for ip in IPV4} == IPV4
    weighted = IpHash(make_peers([*WEIGHTED, server(4, down=True)]))
    assert chosen(weighted, map(binary, IPV6.split())) == "3 1 2 1 2"


def test_addresses_of_a_network_go_together() -> None:
    balancer = IpHash(make_peers([server(n) for n in range(1, 9)]))
    keys = [binary(f"192.0.2.{n}") for n in range(100)]
    assert len(set(chosen(balancer, keys).split())) == 1


def test_clients_without_an_address_go_together() -> None:
    balancer = IpHash(make_peers(WEIGHTED))
    assert len(set(chosen(balancer, ["", "", "", ""]).split())) == 1


@pytest.mark.parametrize("method", [Hash, ConsistentHash])
def test_no_key_is_round_robin(method: Method) -> None:
    servers = [server(1), server(2), server(3)]
    assert chosen(method(make_peers(servers)), [""] * 4) == "1 2 3 1"


@pytest.mark.parametrize("method", [Hash, ConsistentHash, IpHash, Random, LeastConn])
def test_all_methods(method: Method) -> None:
    """What they have in common."""
    assert chosen(method(make_peers([server(1)])), "kkk", "1") == "1 1 1"
    assert chosen(method(make_peers([server(1), server(2, down=True)])), "abcd") == "1 1 1 1"
    both_down = [server(1, down=True), server(2, down=True)]
    assert chosen(method(make_peers(both_down)), "k") == "-"
    balancer = method(make_peers([server(1), server(2)]))
    assert sorted(chosen(balancer, "k", "12")) == ["1", "2"]
    assert chosen(balancer, "kk") == "- -"
    with_backups = [server(1), backup(2), backup(3)]
    found = chosen(method(make_peers(with_backups)), ["k"], "1")
    assert found in ("12", "13")
    choice = method(make_peers([PeerServer("a", server(1).addresses, max_conns=1), server(2)]))
    held = [choice.choose("k") for _ in range(6)]
    names = [peer.name[-1] for each in held if (peer := each.get(NOW))]
    assert names.count("1") <= 1 and len(names) == 6


def test_consistent_hash_moves_few_keys() -> None:
    before = ConsistentHash(make_peers([server(n) for n in range(1, 6)]))
    after = ConsistentHash(make_peers([server(n) for n in range(1, 5)]))
    keys = list(numbered(500))
    pairs = list(zip(chosen(before, keys).split(), chosen(after, keys).split(), strict=True))
    assert all(old == new for old, new in pairs if old != "5")
    assert {new for old, new in pairs if old == "5"} == {"1", "2", "3", "4"}


def test_consistent_hash_goes_round_the_addresses_of_a_server() -> None:
    addresses = tuple(inet_address("127.0.0.1", port) for port in (1, 2, 3))
    balancer = ConsistentHash(make_peers([PeerServer("name:80", addresses), server(9, down=True)]))
    assert chosen(balancer, ["k"] * 6) == "1 2 3 1 2 3"


# least_conn


def hold(balancer: Balancer, count: int) -> str:
    """Who gets requests that do not end."""
    names = ""
    for _ in range(count):
        peer = balancer.choose().get(NOW)
        names += peer.name[-1] if peer else "-"
    return names


def test_least_conn() -> None:
    servers = [server(1), server(2), server(3)]
    assert hold(LeastConn(make_peers(servers)), 7) == "1233211"
    assert hold(LeastConn(make_peers(WEIGHTED)), 12) == "132131231131"
    assert chosen(LeastConn(make_peers(WEIGHTED)), "aaaaaa") == "1 3 1 2 3 1"


def test_least_conn_prefers_who_is_idle() -> None:
    balancer = LeastConn(make_peers([server(1), server(2)]))
    busy = balancer.choose()
    assert (peer := busy.get(NOW)) and peer.name[-1] == "1"
    assert chosen(balancer, "aaa") == "2 2 2"
    busy.free(False, NOW)
    assert set(chosen(balancer, "aaaa").split()) == {"1", "2"}


# random


def drawing(*numbers: int) -> Callable[[int], int]:
    """Draws these, and checks that each could have been drawn."""
    left = iter(numbers)

    def draw(below: int) -> int:
        number = next(left)
        assert 0 <= number < below
        return number

    return draw


def test_random_keeps_to_weights() -> None:
    shares = Random(make_peers(WEIGHTED), draw=drawing(0, 1, 2, 3, 4, 5))
    assert chosen(shares, "aaaaaa") == "1 1 1 2 3 3"


def test_random_draws_anew_for_what_cannot_be_used() -> None:
    servers = [server(1), server(2, down=True), server(3)]
    assert chosen(Random(make_peers(servers), draw=drawing(1, 1, 2)), "a") == "3"
    assert chosen(Random(make_peers(servers), draw=drawing(0, 0, 0, 1, 2)), "a", "1") == "13"


def test_random_gives_up_for_round_robin() -> None:
    servers = [server(1), server(2, down=True), server(3)]
    balancer = Random(make_peers(servers), draw=lambda below: 1)
    assert chosen(balancer, "aaaa") == "1 3 1 3"


def test_random_two_takes_the_less_busy() -> None:
    peers = make_peers([server(1), server(2), server(3)])
    balancer = Random(peers, two=True, draw=drawing(0, 0, 1, 0, 2, 1, 2, 1, 0))
    # 0 twice is drawn again; on a tie it is the second
    assert hold(balancer, 3) == "233"
    assert [peer.conns for peer in peers.peers] == [0, 1, 2]
    assert hold(balancer, 1) == "1"


def test_random_is_random() -> None:
    for two in (False, True):
        balancer = Random(make_peers([server(1), server(2), server(3, 2)]), two=two)
        counted = Counter(chosen(balancer, ["k"] * 1000).split())
        assert min(counted["1"], counted["2"], counted["3"]) > 100


# zone


class Workers:
    """Groups of servers in one zone."""

    def __init__(self, *, full: bool = False) -> None:
        self.full = full
        self.groups: dict[str, MemoryPeers] = {}

    def sharing(self, servers: list[PeerServer], name: str = "u") -> Shared:
        """One worker's balancer."""
        store = self.groups.setdefault(name, MemoryPeers(full=self.full))
        return Shared(LeastConn, servers, store)


def test_workers_share() -> None:
    workers, servers = Workers(), [server(1), server(2), server(3)]
    one, other = workers.sharing(servers), workers.sharing(servers)
    assert hold(one, 1) + hold(other, 1) + hold(one, 1) == "123"
    assert hold(workers.sharing(servers, "v"), 1) == "1"


def test_workers_share_failures_and_backups() -> None:
    workers, servers = Workers(), [server(1), server(2), backup(3)]
    one, other = workers.sharing(servers), workers.sharing(servers)
    assert chosen(one, "a", "12") == "123"
    assert chosen(other, "aa") == "3 3"
    held = one.choose()
    assert held.tries == 3
    held.tries = 1
    assert held.tries == 1


def test_without_room_workers_go_on_alone() -> None:
    workers, servers = Workers(full=True), [server(1), server(2)]
    one, other = workers.sharing(servers), workers.sharing(servers)
    assert hold(one, 2) + hold(other, 2) == "1212"


def roster(*serials: int) -> Roster:
    """Addresses of the last of the servers; the serial is the number."""
    return Roster(
        tuple(Found(n, -2, inet_address("127.0.0.1", 18080 + n), "name", 1, False) for n in serials)
    )


NAMED = [server(1), PeerServer("name", (), lookup=Lookup("name", 80))]


def test_peers_come_and_go_for_all_workers() -> None:
    workers = Workers()
    one, other = workers.sharing(NAMED), workers.sharing(NAMED)
    assert chosen(other, "aa") == "1 1"
    one.change(roster(2, 3))
    assert hold(one, 2) + hold(other, 2) == "1233"
    one.change(roster(4))
    assert hold(other, 2) == "44"  # the first peer has its two requests still
    assert other.current() == roster(4)
    one.change(roster())
    assert chosen(other, "a") == "1" and other.peers.single


def test_requests_at_peers_that_go() -> None:
    workers = Workers()
    one, other = workers.sharing(NAMED), workers.sharing(NAMED)
    one.change(roster(2))
    stays, goes, begun = other.choose(), other.choose(), other.choose()
    kept, gone = stays.get(0), goes.get(0)
    assert kept is not None and gone is not None
    assert (kept.serial, gone.serial) == (-1, 2)
    one.change(roster(3))
    assert not goes.free(False, 0) and not stays.free(False, 0)
    assert kept.conns == 0
    one.change(roster(2))  # the address is there again, but not the peer
    again = begun.get(0)
    assert again is not None and again.serial == 2 and again is not gone
    one.change(roster(3))
    assert begun.tries == 2
    begun.free(True, 0)
    other_one = begun.get(0)
    assert other_one is not None and other_one.serial == -1
    one.change(roster())
    begun.free(True, 0)
    assert not begun.tries


@pytest.mark.parametrize(
    "method", [RoundRobin, LeastConn, Random, partial(Random, two=True), IpHash, Hash]
)
def test_there_may_be_none(method: Method) -> None:
    assert chosen(method(make_peers(NAMED[1:])), ["key"]) == "-"


def test_there_may_be_none_on_the_circle() -> None:
    assert chosen(ConsistentHash(make_peers(NAMED[1:])), ["key"]) == "-"


def test_rosters_pass_the_store() -> None:
    found = Found(7, 1, inet_address("::1", 8080), "host.example", 3, True)
    edits = (
        Edit(7, None, "host.example", down=True),
        Edit(8, inet_address("10.0.0.1", 80), "10.0.0.1:80"),
        Edit(9, None, "a.example", lookup=Lookup("a.example", 80, "http")),
    )
    of_all = Roster((found,), {1: 1_700_000_000}, 9, edits, (-2,))
    assert Roster.decode(of_all.encode()) == of_all
