"""The peer that a key stands for (ngx_http_upstream_hash_module, ..._ip_hash_module).

All of nginx's numbers are kept, so that several front ends, nginx among them, agree.  A
peer that cannot be used is passed over by hashing on; after some tries round robin decides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from zlib import crc32

from .balancer import MOST_TRIES, RoundRobinChoice, weigh
from .peer import Peer, Peers

_POINTS = 160  # of a peer on the circle, for each unit of its weight


class HashChoice(RoundRobinChoice):
    """What the methods share; `_find` gives the index of a peer."""

    __slots__ = ("hash", "key", "misses")

    def __init__(self, peers: Peers, tries: int, key: bytes) -> None:
        super().__init__(peers, tries)
        self.key, self.hash, self.misses = key, 0, 0

    def get(self, now: int, hint: str = "") -> Peer | None:
        if self.misses > MOST_TRIES or self._is_alone() or not self.key:
            return super().get(now, hint)
        index = self.hinted(hint, now) if hint else None
        if index is None:
            index = self._find(now)
        return super().get(now, hint) if index is None else self.take(index, now)

    def _is_alone(self) -> bool:
        return len(self.peers.peers) < 2

    def _find(self, now: int) -> int | None:
        """Hashes on until a peer may be tried, None if that takes too long."""
        peers = self.peers
        while True:
            index = peers.index_at(self._next_hash() % peers.total_weight)
            if self.is_open(index, now):
                return index
            self.misses += 1
            if self.misses > MOST_TRIES:
                return None

    def _next_hash(self) -> int:
        raise NotImplementedError


class IpHash:
    """By the client's address; the key is its binary form, of IPv4 the network of 24 bits."""

    __slots__ = ("peers", "tries")

    def __init__(self, peers: Peers) -> None:
        self.peers, self.tries = peers, peers.tries

    def choose(self, key: str = "") -> IpHashChoice:
        address = key.encode("latin-1")
        # clients of unix sockets have all the same
        known = address[:3] if len(address) == 4 else address if len(address) == 16 else bytes(3)
        return IpHashChoice(self.peers, self.tries, known)


class IpHashChoice(HashChoice):
    """ngx_http_upstream_get_ip_hash_peer."""

    __slots__ = ()

    def __init__(self, peers: Peers, tries: int, key: bytes) -> None:
        super().__init__(peers, tries, key)
        self.hash = 89

    def _next_hash(self) -> int:
        number = self.hash
        for byte in self.key:
            number = (number * 113 + byte) % 6271
        self.hash = number
        return number


class Hash:
    """By a key, compatible with Cache::Memcached."""

    __slots__ = ("peers", "tries")

    def __init__(self, peers: Peers) -> None:
        self.peers, self.tries = peers, peers.tries

    def choose(self, key: str = "") -> KeyHashChoice:
        return KeyHashChoice(self.peers, self.tries, key.encode("latin-1"))


class KeyHashChoice(HashChoice):
    """ngx_http_upstream_get_hash_peer."""

    __slots__ = ("rehash",)

    def __init__(self, peers: Peers, tries: int, key: bytes) -> None:
        super().__init__(peers, tries, key)
        self.rehash = 0

    def _next_hash(self) -> int:
        salt = b"%d" % self.rehash if self.rehash else b""
        self.hash += crc32(salt + self.key) >> 16 & 0x7FFF
        self.rehash += 1
        return self.hash


class ConsistentHash:
    """By a key on a circle ("ketama"), compatible with Cache::Memcached::Fast: a server that
    comes or goes moves few keys."""

    __slots__ = ("hashes", "peers", "servers", "tries")

    def __init__(self, peers: Peers) -> None:
        self.peers, self.tries = peers, peers.tries
        points: dict[int, str] = {}
        for peer in peers.peers:
            for point in _points(peer.server.name, peer.weight):
                points.setdefault(point, peer.server.name)
        self.hashes = sorted(points)
        self.servers = [points[point] for point in self.hashes]

    def choose(self, key: str = "") -> ConsistentChoice:
        data = key.encode("latin-1")
        place = bisect_left(self.hashes, crc32(data))
        return ConsistentChoice(self.peers, self.tries, data, place, self.servers)


class ConsistentChoice(HashChoice):
    """ngx_http_upstream_get_chash_peer; `hash` is a place on the circle."""

    __slots__ = ("servers",)

    def __init__(
        self, peers: Peers, tries: int, key: bytes, place: int, servers: list[str]
    ) -> None:
        super().__init__(peers, tries, key)
        self.hash, self.servers = place, servers

    def _is_alone(self) -> bool:
        return self.peers.single or not self.servers  # not so if there is a backup one

    def _find(self, now: int) -> int | None:
        while self.misses <= MOST_TRIES:
            index = self._best_of(self.servers[self.hash % len(self.servers)], now)
            if index is not None:
                return index
            self.hash += 1
            self.misses += 1
        return None

    def _best_of(self, server: str, now: int) -> int | None:
        """Round robin among the addresses of a server."""
        best: Peer | None = None
        best_index: int | None = None
        total = 0
        for index, peer in enumerate(self.peers.peers):
            if peer.server.name != server or not self.is_open(index, now):
                continue
            total += weigh(peer)
            if best is None or peer.current_weight > best.current_weight:
                best, best_index = peer, index
        if best is not None:
            best.current_weight -= total
        return best_index


def _points(server: str, weight: int) -> Iterator[int]:
    """The places of a server: each is the checksum of the server and the place before."""
    base = crc32(b"\0".join(_host_and_port(server.encode("latin-1"))))
    point = 0
    for _ in range(weight * _POINTS):
        point = crc32(point.to_bytes(4, "little"), base)
        yield point


def _host_and_port(server: bytes) -> tuple[bytes, bytes]:
    if server[:5].lower() == b"unix:":
        return server[5:], b""
    host, colon, port = server.rpartition(b":")
    if colon and (not port or port.isdigit()):
        return host, port
    return server, b""
