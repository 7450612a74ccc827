"""Servers that code chooses ("balancer_by_lua", "ngx.balancer")."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from ...http.failure import RequestFailed
from ...http.session import Session
from ...http.variables import R, VariableTable
from ...upstream.address import PeerAddress, inet_address, unix_address
from ...upstream.balancer import PeerChoice, RoundRobin, Timing
from ...upstream.peer import Peer, Peers, PeerServer, make_peers
from .calls import Calls, LuaError
from .chunk import BoundChunk, Chunk

calls = Calls()

MOST_KNOWN = 1000  # addresses


class Choosing(Protocol):
    """What code decides for a request (a LuaRequest)."""

    picked: str
    more_tries: int
    has_failed: bool
    exit_code: int | None


RunBalancer = Callable[[Any, BoundChunk, bool], Choosing]  # of a session


class Picked(str):
    """The address that code has chosen for a request, "" for any of the group's servers; of the
    next attempt it chooses anew."""

    again: Callable[[], Picked]
    more_tries: int


class BalancerCode:
    """What makes the key of a request: it runs the code."""

    def __init__(self, chunk: Chunk, run: RunBalancer) -> None:
        self._chunk, self._run = chunk, run

    def bind(self, variables: VariableTable[R]) -> Callable[[R], str]:
        bound = self._chunk.bind(variables)
        return lambda r: self._pick(r, bound, has_failed=False)

    def _pick(self, r: Session, bound: BoundChunk, *, has_failed: bool) -> Picked:
        run = self._run(r, bound, has_failed)
        if run.exit_code:  # whatever it is, as in nginx
            raise RequestFailed
        picked = Picked(run.picked)
        picked.more_tries = run.more_tries
        picked.again = lambda: self._pick(r, bound, has_failed=True)
        return picked


class ByCode:
    """Takes addresses as keys; without one the servers of the group have their turns."""

    def __init__(self, peers: Peers) -> None:
        self.peers = peers
        self._others = RoundRobin(peers)
        self._known: dict[str, RoundRobin] = {}

    def choose(self, key: str = "") -> PeerChoice:
        return CodeChoice(self, key) if isinstance(key, Picked) else self._others.choose()

    def balancer_of(self, picked: str) -> RoundRobin:
        if not picked:
            return self._others
        known = self._known.get(picked)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            server = PeerServer(picked, (_address(picked),), max_fails=0)
            known = self._known[picked] = RoundRobin(make_peers((server,)))
        return known


class CodeChoice:
    """The servers that are tried for one request."""

    __slots__ = ("_balancer", "_choice", "_picked", "tries")

    def __init__(self, balancer: ByCode, picked: Picked) -> None:
        self._balancer, self._picked = balancer, picked
        self._choice: PeerChoice | None = None
        self.tries = 1 + picked.more_tries

    def get(self, now: int, hint: str = "") -> Peer | None:
        if self._choice is not None:
            self._picked = self._picked.again()
            self.tries += self._picked.more_tries
        self._choice = self._balancer.balancer_of(self._picked).choose()
        return self._choice.get(now, hint)

    def answered(self, timing: Timing) -> None:
        """The code measures nothing."""

    def free(self, failed: bool, now: int, timing: Timing | None = None) -> bool:
        self.tries -= self.tries > 0
        return self._choice is not None and self._choice.free(failed, now, timing)


def _address(picked: str) -> PeerAddress:
    if picked.startswith("unix:"):
        return unix_address(picked.removeprefix("unix:"))
    host, _, port = picked.rpartition(":")
    return inet_address(host.strip("[]"), int(port))


# -- ngx.balancer ---------------------------------------------------------------------------


@calls
def balancer_set(run: Choosing, host: str, port: int | None) -> Any:
    if host.startswith("unix:"):
        run.picked = host
        return True
    host = host.strip("[]")
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return None, "no host allowed"
    if port is None or not 0 < port < 65536:
        return None, f"invalid port: {port}"
    run.picked = inet_address(host, int(port)).name
    return True


@calls
def balancer_tries(run: Choosing, count: int) -> bool:
    if count < 0:
        raise LuaError("bad count")
    run.more_tries = int(count)
    return True


@calls
def balancer_failure(run: Choosing) -> Any:
    """ "failed" and a status, after the first attempt."""
    return ("failed", 502) if run.has_failed else None
