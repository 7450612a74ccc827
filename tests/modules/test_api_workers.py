"""Changes of a group by several workers at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyngx_jwt.log import Log
from pyngx_jwt.modules.api.answers import ApiError
from pyngx_jwt.modules.api.servers import Servers
from pyngx_jwt.upstream import PeerServer, RoundRobin, Shared, Upstream
from pyngx_jwt.upstream.address import inet_address
from pyngx_jwt.upstream.roster import Answer, Lookup
from pyngx_jwt.zones.store import PeerStates

from ..stores import MemoryPeers

NAME = PeerServer("a:80", (), lookup=Lookup("a", 80))


class Contended(MemoryPeers):
    """Another worker makes its change right before the next one is made."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] | None = None

    def change(
        self, decide: Callable[[PeerStates | None], PeerStates], version: int, roster: bytes
    ) -> int:
        before, self.before = self.before, None
        if before is not None:
            before()
        return super().change(decide, version, roster)


def workers() -> tuple[Contended, Servers, Servers]:
    store = Contended()
    one, other = (
        Servers(Upstream("u", Shared(RoundRobin, [NAME], store), None), "", Log(), is_stream=False)
        for _ in range(2)
    )
    return store, one, other


def answers(*hosts: str) -> list[Answer]:
    return [Answer(inet_address(host, 80), "a:80", 1, False) for host in hosts]


def addresses(servers: Servers) -> list[str]:
    return [peer.name for peer in servers.shared.look()]


def refused(act: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ApiError) as error:
        act()
    return error.value.status, error.value.code


def resolve(servers: Servers, *hosts: str) -> None:
    shared = servers.shared
    shared.change(shared.current().renewed(-1, answers(*hosts), 0))


def test_an_address_that_is_gone_does_not_come_back() -> None:
    store, one, other = workers()
    resolve(one, "10.0.0.1", "10.0.0.2")
    store.before = lambda: resolve(other, "10.0.0.2")
    change = refused(lambda: one.change("1", {"down": True}))
    assert change == (404, "UpstreamServerNotFound")
    assert addresses(one) == addresses(other) == ["10.0.0.2:80"]


@pytest.mark.parametrize("again", [lambda s: s.change("1", {"weight": 2}), lambda s: s.remove("1")])
def test_a_server_that_another_worker_has_removed(again: Callable[[Servers], object]) -> None:
    store, one, other = workers()
    one.add({"server": "10.0.0.9:80"})
    store.before = lambda: other.remove("1")
    assert refused(lambda: again(one)) == (404, "UpstreamServerNotFound")
    assert addresses(one) == addresses(other) == []


def test_both_changes_are_kept() -> None:
    store, one, other = workers()
    one.add({"server": "10.0.0.9:80"})
    store.before = lambda: other.change("1", {"weight": 2})
    made = one.change("1", {"max_conns": 3})
    assert isinstance(made, dict) and (made["weight"], made["max_conns"]) == (2, 3)
