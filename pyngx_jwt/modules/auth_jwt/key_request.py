"""Keys that a location answers with."""

from __future__ import annotations

import asyncio
import math
import random
import time

from ...http.body import KeptBody
from ...http.request import Location, Request
from ...http.subrequest import Kept, subrequest
from ...jwt import KeySet, KeySetError, NoUsableKey
from ...log import Severity
from .key_sets import JWKS, NOTHING, Failure, KeyForm, Keys, KeySets
from .sharing import shared_location
from .shelf import KeyShelf, name_of

LOOK = 1.0  # seconds between two looks at a location without auth_jwt_key_cache
REFRESH = 10.0  # seconds between two fetches past the caches on the way
FETCH = 60.0  # seconds that a fetch takes at most, from its beginning to the end of the answer
PATIENCE = 2.0  # seconds that requests wait for a fetch while the last keys may be used instead
LONGEST_PAUSE = 300.0  # seconds between two fetches that no request asks for, if keys last longer
GLANCE = 0.02  # seconds between two looks at what another worker fetches
RETRY = 60.0  # seconds at most between two fetches of a location that fails
# Of the client's fields a key server is passed these only: an answer that many requests use
# must not depend on one of them, and neither tokens nor cookies are its business.
PASSED = frozenset({"user-agent"})
Answered = tuple[Keys, float]  # and when they were asked for, in seconds since the epoch


class KeyRequest:
    """Keys that a location answers with.

    If the answer cannot depend on the request, requests share it: one fetches, the others
    wait, and it is used for `cache` seconds (auth_jwt_key_cache).  Without that it is found
    out whether they can share, and if so it is used for `LOOK` seconds.

    Shared keys outlast a location that fails: until `stale` seconds after the last good answer
    (pyngx_jwt_keys_stale) requests use them, and only wait `PATIENCE` seconds for newer ones, or
    not at all once a fetch has failed.  Fetches then go on beside the requests, ever more seldom.
    """

    __slots__ = (
        "_args",
        "_asked_at",
        "_failures",
        "_fetching",
        "_form",
        "_good",
        "_good_at",
        "_good_until",
        "_keys",
        "_lifetime",
        "_location",
        "_on_shelf",
        "_refreshed",
        "_refreshing",
        "_sets",
        "_shared",
        "_shelf",
        "_since",
        "_stale",
        "_uri",
        "failed_fetches",
        "fetch_seconds",
        "fetches",
        "is_bound",
        "key",
        "place",
        "server",
        "until",
    )

    def __init__(
        self,
        uri: str,
        cache: float,
        stale: float,
        sets: KeySets,
        form: KeyForm = JWKS,
        shelf: KeyShelf | None = None,
    ) -> None:
        self._uri, _, self._args = uri.partition("?")
        self.key = (uri, form.name)  # in r.contexts: what this was answered for the request
        self.place = f'key request "{self._uri}"'
        self._sets, self._form = sets, form
        self._lifetime, self._stale = cache or LOOK, stale
        self._shared = True if cache else None  # None: not known yet
        self._location: Location | None = None  # the one by which it is shared
        self._keys: Keys = NOTHING
        self._since = self.until = 0.0
        self._good: KeySet | None = None  # the last keys
        self._good_until = 0.0
        self._failures = 0  # fetches since then that have failed, or take long
        self._refreshed = {True: 0.0, False: 0.0}  # the last times, by whether a kid was unknown
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        # Where other workers find the keys; the name is known with the location.
        self._shelf = shelf if shelf is not None else KeyShelf()
        self._on_shelf = b""
        self.server = -1  # the number of the server that it is asked of, until that is used
        self.is_bound = False  # to one issuer
        # For statistics.
        self.fetches = self.failed_fetches = 0
        self.fetch_seconds = 0.0
        self._good_at = 0.0
        self._asked_at = 0.0

    def concerns(self, issuer: object) -> bool:
        """Whether the keys can verify tokens of an issuer; those that are bound cannot verify
        others'."""
        return True

    def _parse(self, octets: bytes, r: Request | None) -> KeySet:
        """The keys of a text; remarks about them go to the log of the request.  Raises
        KeySetError."""

        def report(text: str) -> None:
            if r is not None:
                r.log(Severity.WARN, text)

        return self._sets.parse(octets, self._form, self.place, report)

    @property
    def is_awaited(self) -> bool:
        """Whether keys may be at hand before a request needs them: they are if it can be known
        that all requests share them."""
        return self._shared is not False

    @property
    def state(self) -> tuple[int, float, float] | None:
        """How many keys there are, since when and until when they may be used; None if there
        are none, or none that requests share."""
        if self._good is None or time.time() >= self._good_until:
            return None
        return len(self._good.keys), self._good_at, self._good_until

    @property
    def name(self) -> str:
        """What pyngx_jwt_key_issuer calls it."""
        return self.key[0]

    def current(self, r: Request, now: float) -> Keys | None:
        """The keys that are at hand, None if they have to be fetched."""
        if self._since <= now < self.until:
            return self._keys
        if self._failures and (keys := self._last(now)):
            self._start(r)
            return keys
        return None

    def _last(self, now: float) -> KeySet | None:
        """The last keys, as long as they may be used; not if the clock was put back so far that
        they come from a time as far in the future."""
        lasts = self._good_until - self._good_at
        return self._good if abs(now - self._good_at) < lasts else None

    def stand_in(self, octets: bytes | None) -> None:
        """From now on this is what the location answered, where it cannot be asked; None: a set
        without keys.  Raises KeySetError."""
        self._keys = self._sets.stand_in(octets, self._form, self.place)
        self._since, self.until = -math.inf, math.inf

    def may_refresh(self, now: float, *, by_kid: bool) -> bool:
        """Whether it is time to ask past caches, or that is being done.  A location that has
        just failed is not asked again.  Unknown kids have a time of their own (`by_kid`): they
        are more likely to be of new keys than bad signatures are, of which there may be many."""
        if self._refreshing is not None:
            return True
        has_failed = isinstance(self._keys, Failure) and self._since <= now < self.until
        return not has_failed and not 0 <= now - self._refreshed[by_kid] < REFRESH

    async def fetch(self, r: Request) -> Keys:
        """The location's answer."""
        if self._shared is None:
            self._location = shared_location(r, self._uri, self._args)
            self._shared = self._location is not None
        if self._shared:
            self._name_shelf(r)
            if self._recall() and (keys := self.current(r, time.time())) is not None:
                return keys
            task, last = self._start(r), self._last(time.time())
            await asyncio.wait([task], timeout=None if last is None else PATIENCE)
            if not task.done():
                assert last is not None
                if not self._failures:  # one of several requests that wait
                    self._fall_back(r, f"{self.place} takes more than {PATIENCE:g} seconds")
                return last
            task.result()
        return self._keys if self._shared else (await self._ask_well(r))[0]

    def _name_shelf(self, r: Request) -> None:
        """Finds out under which name the keys of the location are on the shelf."""
        if self.server >= 0:
            location = self._location or shared_location(r, self._uri, self._args)
            if location is not None:
                self._on_shelf = name_of(self.server, r.server, location, self.key)
            self.server = -1

    async def _await_other(self) -> bool:
        """Waits for another worker that fetches the keys, if there is one, for a while; whether
        that has brought some."""
        deadline = time.monotonic() + PATIENCE
        while True:
            # Looked at after the claim: what the last to have it fetched is there by then.
            claimed = self._shelf.claim(self._on_shelf, PATIENCE)
            if self._recall() and time.time() < self._good_at + self._lifetime:
                return True
            if claimed or time.monotonic() >= deadline:
                return False
            await asyncio.sleep(GLANCE)

    def _recall(self) -> bool:
        """Takes what another worker has fetched since, if it may still be used; whether it was
        there."""
        kept = self._shelf.get(self._on_shelf) if self._on_shelf else None
        if kept is None or kept[0] <= self._asked_at:
            return False
        asked, at, text = kept
        lasts, now = max(self._lifetime, self._stale), time.time()
        if not at <= now < at + lasts:
            return False
        try:
            key_set = self._parse(text, None)
        except KeySetError:  # of another version
            return False
        self._good, self._good_at, self._good_until = key_set, at, at + lasts
        self._asked_at = asked
        if now < at + self._lifetime:
            self._failures = 0
            self._keys, self._since, self.until = key_set, now, at + self._lifetime
        return True

    @property
    def freshness(self) -> float:
        """The seconds after which shared keys should be fetched again though no request asks."""
        return max(self._lifetime, min(self._stale / 2, LONGEST_PAUSE))

    @property
    def pause(self) -> float:
        """The seconds until they should be: a request may have had them fetched meanwhile."""
        left = self._good_at + self.freshness - time.time()
        return min(max(left, LOOK), self.freshness)

    @property
    def is_shared(self) -> bool | None:
        """Whether requests share what is fetched, None before it is known."""
        return self._shared

    @property
    def is_failing(self) -> bool:
        """Whether the last fetch has failed."""
        return self._failures > 0 or isinstance(self._keys, Failure)

    async def fetch_early(self, r: Request) -> None:
        """As fetch(), for no request that waits; keys that were fetched a moment ago, for a
        request or by another worker, will do."""
        self._recall()
        if self._good is not None and time.time() < self._good_at + self.freshness / 2:
            return
        before = self._good_at
        keys = await self.fetch(r)
        if self._shared and isinstance(keys, KeySet) and self._good_at == before:
            await self._start(r)  # it was at hand, and is not to become too old

    def _start(self, r: Request) -> asyncio.Task[None]:
        """A fetch, in a task of its own: others wait for it even if `r` is gone."""
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch(r))
        return self._fetching

    async def refresh(self, r: Request, *, by_kid: bool) -> Keys:
        """The answer of the location's upstream, whatever a cache holds.  What is at hand
        meanwhile serves others, and goes on to do so if this fails."""
        if self._refreshing is None:
            self._refreshed[by_kid] = time.time()
            if not self._shared:
                return (await self._ask(r, refresh=True))[0]
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh(r))
        await asyncio.shield(self._refreshing)
        return self._keys

    async def _fetch(self, r: Request) -> None:
        before = self._since
        try:
            if self._on_shelf and await self._await_other():
                return
            keys, asked = await self._ask_well(r)
        finally:
            self._fetching = None
            if self._on_shelf:
                self._shelf.release(self._on_shelf)
        if self._shared and self._since == before:  # not if a refresh brought keys meanwhile
            if isinstance(keys, KeySet):
                self._accept(keys, asked)
            else:
                self._fail(r, keys, asked)

    async def _refresh(self, r: Request) -> None:
        try:
            keys, asked = await self._ask(r, refresh=True)
        finally:
            self._refreshing = None
        if isinstance(keys, Failure):
            if not self._recall():
                r.log(Severity.WARN, f"auth_jwt: {keys.text}; the last keys are still used")
        elif self._shared:
            self._accept(keys, asked)

    def _keep(self, keys: Keys, seconds: float) -> None:
        now = time.time()
        self._keys, self._since, self.until = keys, now, now + seconds

    def _accept(self, key_set: KeySet, asked: float) -> None:
        """Uses what was asked for at that time, or what another worker has asked for since."""
        self._good, self._asked_at, self._failures = key_set, asked, 0
        self._good_at = time.time()
        self._good_until = time.time() + max(self._lifetime, self._stale)
        self._keep(key_set, self._lifetime)
        self._recall()

    def _fail(self, r: Request, failure: Failure, asked: float) -> None:
        """Only a set without keys withdraws the last ones at once, and not those that another
        worker has asked for since."""
        now = time.time()
        if failure.withdraws:
            self._good, self._asked_at = None, asked
            if self._on_shelf:
                self._shelf.drop(self._on_shelf, FETCH, asked)
                if self._recall() and now < self.until:
                    return
        last = self._last(now)
        if last is None:
            self._failures = 0
            self._keep(failure, LOOK)
            return
        self._fall_back(r, failure.text)
        self._keep(last, min(retry_delay(self._failures), self._good_until - now))

    def _fall_back(self, r: Request, reason: str) -> None:
        """Counts a fetch that fails or takes long; the first one is logged."""
        if not self._failures:
            r.log(Severity.ERR, f"auth_jwt: {reason}; the last keys are still used")
        self._failures += 1

    async def _ask_well(self, r: Request) -> Answered:
        """The location's answer; if a cache gives one that is of no use, that of its upstream."""
        keys, asked = await self._ask(r)
        if isinstance(keys, Failure) and keys.kept and self.may_refresh(time.time(), by_kid=False):
            self._refreshed[False] = time.time()
            newer = await self._ask(r, refresh=True)
            return newer if isinstance(newer[0], KeySet) else (keys, asked)
        return keys, asked

    async def _ask(self, r: Request, *, refresh: bool = False) -> Answered:
        """An answer, in the time there is for it, which is counted."""
        began = time.monotonic()
        self.fetches += 1
        try:
            keys, asked = await self._answer_in_time(r, refresh=refresh)
        except BaseException:
            self.failed_fetches += 1
            raise
        self.fetch_seconds += time.monotonic() - began
        if isinstance(keys, Failure):
            self.failed_fetches += 1
        return keys, asked

    async def _answer_in_time(self, r: Request, *, refresh: bool) -> Answered:
        """An answer, in a task that ends when its caller does."""
        asked = time.time()
        task = asyncio.get_running_loop().create_task(self._answer(r, refresh))
        try:
            await asyncio.wait([task], timeout=FETCH)
            if task.done():
                return task.result()
        finally:
            task.cancel()
        return Failure(f"{self.place} failed: no end in {FETCH:g} seconds", self._sentence), asked

    @property
    def _sentence(self) -> str:
        return f'failed to load {self._form.name}: "{self._uri}"'

    async def _answer(self, r: Request, refresh: bool) -> Answered:
        asked = time.time()
        sub = await subrequest(
            r,
            self._uri,
            self._args,
            limit=self._sets.limits.set_size,
            body=KeptBody(),
            passed=PASSED,
            refresh=refresh,
            asks_for_keys=True,
        )
        if self._location not in (None, sub.location):  # it was redirected: who knows why
            self._shared = False
        place, sink = self.place, sub.sink
        assert isinstance(sink, Kept)
        sentence = self._sentence
        if reason := _fault(sub, sink, self._sets.limits.set_size):
            coding = sub.sent_header("content-encoding")
            if coding:
                what = "JWKS" if self._form is JWKS else "key"
                returned = f"{what} subrequest returned compressed response"
                sentence = f"{returned} (Content-Encoding: {coding}), rejecting"
            text = f"{place} failed: {reason}"
            is_kept = sub.status == 200 and sub.cached
            return Failure(text, sentence, fatal=bool(coding), kept=is_kept), asked
        try:
            key_set = self._parse(sink.body, r)
        except KeySetError as error:
            is_empty = isinstance(error, NoUsableKey)
            text = f"{place} failed: {error}"
            return Failure(text, sentence, withdraws=is_empty, kept=sub.cached), asked
        if self._shared and self._on_shelf:
            self._shelf.put(self._on_shelf, sink.body, max(self._lifetime, self._stale), asked)
        return key_set, asked


def _fault(sub: Request, sink: Kept, most: int) -> str:
    """What makes an answer unusable, "" if nothing does."""
    if sub.status != 200:
        return f"status {sub.status}"
    if sink.too_big:
        return f"more than {most} bytes"
    if not sink.complete:
        return "incomplete answer"
    if coding := sub.sent_header("content-encoding"):
        return f'content coding "{coding}"'
    return ""


def retry_delay(failures: int) -> float:
    """Seconds until the next fetch after so many failures in a row: each time about twice as
    long, and random, so that workers do not ask at the same time."""
    longest = min(LOOK * 2 ** min(failures - 1, 16), RETRY)
    return random.uniform(longest / 2, longest)
