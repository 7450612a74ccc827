"""What workers share, by intention: the seam between those who use it and the engine behind.

A store is made by a zone (``zone.rates()``).  Each method is one step that other processes see
as a whole, and none says how it is kept: users have no transaction and no cursor.  A process
that is killed leaves no half of a step, and what it has counted or held is not missed for long.

Today's engine, LMDB in memory, answers at once.  The answers of one on another machine have to
be awaited, so users keep to a shape that has room for it:

- A handler asks its stores in one function and goes on with a plain function of the answer.  If
  the answer is awaitable, the handler returns the coroutine that awaits it and goes on (a
  ``Handler`` may); nothing else changes.  limit_req, limit_conn and the opening of a cache
  entry are written so.  A balancer is asked in a coroutine.
- What is given back at the end of a request (``leave``, ``release``, ``forsake``, the end of a
  peer's turn) is called from cleanups, which wait for nothing; nothing later depends on its
  answer, which is at most logged.
- What variables read (``Counters.total``) cannot wait: an engine answers from what it was
  reported last.
- No state is kept by the user between two steps that would be wrong if another worker came
  in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class ZoneFull(Exception):
    """A step did not fit; nothing of it was kept."""


class PeersChanged(Exception):
    """The servers of an upstream are others than those that a step was for."""


# -- other machines ----------------------------------------------------------------------------


class StoreDown(Exception):
    """The server cannot be asked now, or has not answered; whether it has acted is not known."""


# -- limits ------------------------------------------------------------------------------------


class Rates(Protocol):
    """Leaky buckets by key, a digest of 16 bytes (limit_req).

    ``now`` is in milliseconds of a clock that all have in common, ``rate`` in thousandths of a
    request a second; an excess is in thousandths of a request.  Room for a new key is made by
    forgetting one that was not used of late.
    """

    def look(self, key: bytes, now: int, rate: int) -> int:
        """The excess that a request makes, without counting it."""

    def take(self, key: bytes, now: int, rate: int, burst: int) -> int | None:
        """Counts a request, unless the excess is more than ``burst``, and returns the excess;
        None if there is no memory to count in."""


class Connections(Protocol):
    """Requests in progress by key, of 1 to 255 bytes (limit_conn).

    Counted for each worker, so that those of a killed one do not stay.
    """

    def enter(self, key: bytes, limit: int) -> bool | None:
        """Counts one more unless there are as many; None if there is no memory to count in."""

    def leave(self, key: bytes) -> None:
        """Takes back what ``enter`` has counted."""


class Take(NamedTuple):
    """A bucket to count a request in; rate and burst in thousandths of a request."""

    zone: str
    key: bytes
    rate: int
    burst: int


class Taken(NamedTuple):
    """The number of the bucket that refuses the request, -1 if none; and the excesses."""

    refused: int
    excesses: Sequence[int]


class Entry(NamedTuple):
    """A key of a zone, and how many requests it may have."""

    zone: str
    key: bytes
    limit: int


# -- upstreams ---------------------------------------------------------------------------------

# Of one peer: current weight, effective weight, connections, failures, and two times in seconds,
# of the last failure and of the last check; methods that measure have more.
PeerState = tuple[int, ...]
PeerStates = Iterable[PeerState]


class SharedPeers(Protocol):
    """What all workers know of the servers of one upstream."""

    def transact(
        self, decide: Callable[[PeerStates | None], tuple[T, PeerStates]], version: int = 0
    ) -> T:
        """Lets a balancer choose, or take back a choice, while no other worker does.

        ``decide`` is run once, with what is known (None: nothing yet).  It returns its answer
        and what is known from now on, which is not kept if there is no room.  It must not wait.
        Raises PeersChanged if the servers are not those of the ``version``.
        """

    def states(self, version: int = 0) -> PeerStates | None:
        """What is known (None: nothing yet), for who only looks.  Raises PeersChanged, as above."""

    def version(self) -> int:
        """How often the servers have changed."""

    def roster(self) -> tuple[int, bytes]:
        """The version, and what was given to the ``change`` that made it."""

    def change(
        self, decide: Callable[[PeerStates | None], PeerStates], version: int, roster: bytes
    ) -> int:
        """Changes the servers and returns the new version; ``decide`` turns what is known of the
        old ones into what is known of the new ones, and may run twice.  Raises PeersChanged, as
        above, and ZoneFull.
        """

    def note(self, roster: bytes, version: int) -> None:
        """Replaces what ``roster`` returns, if there is room; the servers are the same.  Raises
        PeersChanged, as above."""


class Sessions(Protocol):
    """The servers that clients are tied to, by a digest of 16 bytes (sticky learn).

    Times are seconds since the epoch.  Room for a new one is made by forgetting one that was not
    used of late.
    """

    def find(self, key: bytes, since: float) -> str:
        """The id of the server, "" if none is known that has been used since then."""

    def note(self, key: bytes, sid: str, now: float, *, create: bool) -> bool:
        """A session is used now, with this server; one that is not known begins, if it may.
        False if there is no room for it."""

    def expire(self, before: float) -> int:
        """Forgets the sessions that were last used before, and returns how many those were."""


# -- caches ------------------------------------------------------------------------------------


class Node(NamedTuple):
    """One entry; the responses of all processes to "what do we know of this digest".

    ``access`` is in microseconds since the epoch, ``lock_time`` in milliseconds of the
    monotonic clock, ``fs_size`` in blocks; ``owner`` stands for the worker that fetches it, 0 is
    none.  An ``error`` is a status to answer with until ``valid_sec``.  Files of the entry that
    are from before ``purged``, or of that second, are of no use.
    """

    access: int = 0
    uniq: int = 0
    valid_sec: int = 0
    fs_size: int = 0
    lock_time: int = 0
    owner: int = 0
    body_start: int = 0
    error: int = 0
    uses: int = 0
    exists: int = 0
    purged: int = 0


# Beginnings of keys, each with the second in which all entries with such a key were purged.
Masks = tuple[tuple[bytes, int], ...]


class IndexTotals(NamedTuple):
    """The sums: ``size`` in blocks; above ``watermark`` entries (-1: none) some have to go.

    ``cold`` until all files are known, ``loading`` is the process that looks for them.
    """

    size: int = 0
    entries: int = 0
    watermark: int = -1
    cold: int = 1
    loading: int = 0


class NodeState(Enum):
    """What ``visit`` found, with nginx's names for it."""

    KNOWN = auto()  # NGX_OK: there is a file or an error, or enough uses to fetch it
    NEW = auto()  # NGX_DECLINED: nothing was known
    SCARCE = auto()  # NGX_AGAIN: not asked for often enough
    FULL = auto()  # NGX_ERROR: no room for another node


class Visit(NamedTuple):
    state: NodeState
    node: Node
    cold: bool = False


MOST_MASKS = 1000  # of one cache
MAX_USES = 1023  # nginx has ten bits
MICRO = 1_000_000


class CacheIndex(Protocol):
    """What is known of the entries of a cache by digest, 16 bytes.

    Times called ``now`` are seconds since the epoch, but milliseconds of the monotonic clock
    for locks.  A worker that was killed holds nothing.  Methods raise ZoneFull if the zone's
    memory is exhausted.
    """

    # -- requests

    def visit(self, md5: bytes, now: float, min_uses: int, *, again: bool) -> Visit:
        """Notes a use of the entry (ngx_http_file_cache_exists).

        ``again`` when the request did so before.  An entry with a file that was used within
        the same second may be left as it is.
        """

    def note_file(self, md5: bytes, body_start: int, uniq: int, fs_size: int) -> None:
        """A request came upon a file that the loader has not reached yet."""

    # -- the right to fetch

    def lock(self, md5: bytes, now: int, age: int) -> int | None:
        """Takes the right to fetch the response; the lock's time, or None if another has it.

        After ``age`` milliseconds another may try (ngx_http_file_cache_lock).
        """

    def is_locked(self, md5: bytes, now: int) -> bool:
        """Whether ``lock`` would be refused."""

    def claim(self, md5: bytes) -> int | None:
        """Takes the right to replace a stale response: the lock's time, or None."""

    # -- the end of a request

    def commit(self, md5: bytes, now: float, stored: tuple[int, int] | None, start: int) -> None:
        """The response is there: ``stored`` is uniq and size in blocks, None if that failed.

        ``start`` is where its body starts (ngx_http_file_cache_update).
        """

    def release(self, md5: bytes, lock_time: int | None) -> None:
        """Gives back what ``lock`` or ``claim`` gave, unless another has taken it since."""

    def remember(self, md5: bytes, lock_time: int | None, error: int, valid_sec: int) -> None:
        """Releases and answers ``error`` until ``valid_sec`` (0: as long as before)."""

    def forsake(self, md5: bytes, lock_time: int | None) -> None:
        """Releases, and forgets a node that has come to nothing and that no worker fetches."""

    # -- loader and manager

    def add(self, md5: bytes, now: float, fs_size: int) -> bool:
        """The loader found a file; False if there is no room (ngx_http_file_cache_add)."""

    def oldest(self) -> tuple[bytes, Node] | None:
        """The entry that has not been used for the longest time; its owner is one that lives."""

    def requeue(self, md5: bytes, now: float) -> None:
        """Counts as a use without being one."""

    def get(self, md5: bytes) -> Node | None:
        """What is known of the entry."""

    def remove(self, md5: bytes, uniq: int) -> None:
        """Forgets an entry whose file is gone, unless it has got another one meanwhile."""

    # -- purging

    def purge(self, md5: bytes, now: float) -> None:
        """Notes that what is there of the entry, and of its variants, is of no use."""

    def add_mask(self, prefix: bytes, now: float, since: float) -> bool:
        """Notes the same for all keys with the prefix.  Masks from before ``since`` are forgotten;
        False if there are too many all the same."""

    def masks(self, version: int) -> tuple[int, Masks] | None:
        """All masks and the number of their changes, None if that is the given number."""

    def head(self) -> IndexTotals:
        """The sums."""

    def start_loading(self) -> bool:
        """Whether this process is to look for files; no other will then."""

    def end_loading(self, complete: bool) -> None:
        """After ``start_loading``; another may start if the work is not complete."""


# -- counters ----------------------------------------------------------------------------------


class Counts(NamedTuple):
    """Connections by what they do, and what there has been since the start."""

    active: int = 0
    reading: int = 0
    writing: int = 0
    waiting: int = 0
    accepted: int = 0
    requests: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Counters(Protocol):
    """The counts of all workers, each of which reports its own (stub_status)."""

    def report(self, own: Counts) -> None:
        """Replaces what this process has reported."""

    def total(self, own: Counts) -> Counts:
        """Reports, and adds up what all have reported.  Of processes that have ended, only what
        there has been since the start still counts."""


# -- sums --------------------------------------------------------------------------------------

Numbers = tuple[int, ...]  # signed, of 64 bits


class Sums(Protocol):
    """Rows of numbers that all processes count in, by a key of at most 400 bytes (statistics).

    A row keeps the length that it was first given.  Methods that write raise ZoneFull if the memory
    is exhausted; without room for new rows, only those are left out.
    """

    def add(self, changes: Iterable[tuple[bytes, Numbers]]) -> bool:
        """Adds to the rows, which begin with zeros; whether there was room for all."""

    def put(self, key: bytes, numbers: Numbers) -> bool:
        """Replaces a row; whether there was room."""

    def report(self, own: Iterable[tuple[bytes, Numbers]]) -> bool:
        """Replaces all that this process has reported, such as what it does now; whether there was
        room for all."""

    def totals(self, prefix: bytes) -> dict[bytes, Numbers]:
        """The rows whose keys begin so."""

    def reports(self, prefix: bytes) -> list[tuple[int, bytes, Numbers]]:
        """What processes that are alive have reported under such keys, with their ids."""

    def forget(self, prefix: bytes) -> None:
        """Removes the rows whose keys begin so: they begin with zeros again."""

    def remove(self, keys: Iterable[bytes]) -> None:
        """Removes rows."""


# -- values ------------------------------------------------------------------------------------


class KeyVal(Protocol):
    """Values by key, both of any bytes, that may expire.  Times are seconds since the epoch."""

    def get(self, key: bytes, now: float) -> bytes | None:
        """The value, unless there is none or it has expired."""

    def set(self, key: bytes, value: bytes, expires: float = 0.0) -> bool:
        """Puts or replaces a value that expires at that time (0: never); False if there is no
        room, and all is as it was."""

    def restore(self, values: Sequence[tuple[bytes, bytes]], expires: float = 0.0) -> bool:
        """Puts all values that a store of this size has held before, which in another order may
        take more than what ``set`` would fill; False if that is too much, and all is as it was."""

    def delete(self, key: bytes) -> bool:
        """Whether there was a value, expired or not."""

    def expire(self, now: float) -> int:
        """Deletes what has expired, and returns how many those were."""

    def items(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values that have not expired, in no order.

        What changes meanwhile is seen or not, but no key is seen twice.
        """

    def note(self, name: bytes, text: bytes) -> None:
        """Keeps a short text about the values themselves, for which there is always room; all
        workers see it, and it lasts as long as the values do."""

    def noted(self, name: bytes) -> bytes:
        """What was noted, b"" for nothing."""


# -- dictionaries of code ----------------------------------------------------------------------


class DictEntry(NamedTuple):
    """A value with its flags; ``expires`` is in milliseconds since the epoch, 0 is never."""

    value: bytes
    flags: int = 0
    expires: int = 0

    def has_expired(self, now: int) -> bool:
        return 0 < self.expires <= now


class Stored(NamedTuple):
    """What became of a change: whether it was made, and whether others had to make room."""

    done: bool
    evicted: bool


Change = Callable[[DictEntry | None], DictEntry | None]


class SharedDict(Protocol):
    """Values by key, both of any bytes, that may expire, and make room for others.

    ``now`` is in milliseconds since the epoch.
    """

    def get(self, key: bytes, now: int) -> DictEntry | None:
        """The value, even if it has expired."""

    def update(self, key: bytes, now: int, change: Change, *, evicts: bool = True) -> Stored:
        """Replaces the value by what ``change`` makes of it, with all others kept out.

        It gets None for "no such key", and may return it; what it got is left as it is.  It may
        run twice.  ``evicts``: what was not used of late makes room."""

    def entries(self) -> Iterator[tuple[bytes, DictEntry]]:
        """All of them, expired or not, in no order."""

    def expire(self, now: int, most: int) -> int:
        """Deletes what has expired, at most so many (0: all), and returns how many those were."""

    def free(self) -> int:
        """Bytes that are left, near enough."""


# -- records -----------------------------------------------------------------------------------


class Records(Protocol):
    """Short bytes by name, of 1 to 32 bytes, that expire: TLS sessions, states of certificates.

    Times are seconds since the epoch.  Room for a new record is made by forgetting one that would
    expire soon."""

    def get(self, name: bytes, now: float) -> bytes | None:
        """The record, unless there is none or it has expired."""

    def put(self, name: bytes, value: bytes, expires: float) -> bool:
        """False if there is no room for it."""

    def remove(self, name: bytes) -> None:
        """Forgets a record."""

    def rotate(self, change: Callable[[bytes], bytes]) -> bytes:
        """Replaces the one record that does not expire, b"" if there is none, and returns it."""
