"""Passes what comes from one end to the other, both ways (ngx_stream_proxy_process)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from .channel import Channel


class RelaySettings(NamedTuple):
    """Bytes, bytes per second, and seconds; 0 is no limit.  `requests` and `responses` are those
    of UDP, -1 where any number may come."""

    timeout: float
    buffer_size: int
    half_close: bool = False
    upload_rate: int = 0
    download_rate: int = 0
    requests: int = 0
    responses: int = -1


class Deadline(Protocol):
    """A time that is set often and seldom passes; seconds."""

    def set(self, seconds: float) -> None: ...
    def clear(self) -> None: ...
    def stop(self) -> None: ...


MakeDeadline = Callable[[Callable[[], None]], Deadline]  # of what is done when it has passed


class IdleTooLong(Exception):
    """Nothing went either way for the timeout."""


class UpstreamGone(Exception):
    """The server is not to be used any more."""


class Relay:
    """What a client sends goes to an upstream, and the other way round.

    `requests` and `responses` count what has been read: of UDP, the datagrams."""

    def __init__(
        self,
        client: Channel,
        upstream: Channel,
        settings: RelaySettings,
        make_deadline: MakeDeadline,
        note_first_byte: Callable[[], None],
        note_last_datagram: Callable[[], None],
        is_gone: Callable[[], bool] | None = None,
    ) -> None:
        """`is_gone` says whether the server is not to be used any more."""
        self.client, self.upstream, self.settings = client, upstream, settings
        self._note_first_byte = note_first_byte  # of the upstream
        self._note_last_datagram = note_last_datagram
        self._is_gone = is_gone
        self.requests = self.responses = 0
        self._started = int(time.time())
        self._loop = asyncio.get_running_loop()
        self._deadline = make_deadline(self._expired)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._delayed = 0  # directions that wait because of their rate
        self._unsent = 0

    async def run(self) -> str:
        """Until one side closes, or both with half_close: which did it ("client", "upstream"), or
        "" if all datagrams have been answered.  Raises IdleTooLong and UpstreamGone."""
        up = self._loop.create_task(self._upload())
        down = self._loop.create_task(self._download())
        self._touch()
        if self.settings.requests:
            self.client.limit(self.settings.requests)
        try:
            return await self._wait(up, down)
        finally:
            self._deadline.stop()
            for task in (up, down):
                task.cancel()
            self._over.cancel()

    async def _wait(self, up: asyncio.Task[None], down: asyncio.Task[None]) -> str:
        waited: set[asyncio.Future[None]] = {up, down, self._over}
        while True:
            done, waited = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
            if self._over in done:
                return ""
            if self.client.is_udp:
                continue
            if not self.settings.half_close or (up.done() and down.done()):
                return "upstream" if down in done else "client"
            (self.client if down in done else self.upstream).end_writing()

    async def _upload(self) -> None:
        await self._pump(self.client, self.upstream, self.settings.upload_rate)

    async def _download(self) -> None:
        await self._pump(self.upstream, self.client, self.settings.download_rate)

    async def _pump(self, source: Channel, sink: Channel, rate: int) -> None:
        most, passed = self.settings.buffer_size, 0
        while True:
            if rate:
                most = await self._allowance(rate, passed)
            data = await source.read(most)
            if self._over.done():
                return
            if self._is_gone is not None and self._is_gone():
                raise UpstreamGone
            if data is None:
                if source.is_udp:  # an error of the upstream counts as a response
                    self._count(source)
                    self._check_datagrams()
                return
            passed += len(data)
            self._count(source)
            sink.write(data)
            self._touch()
            await sink.drain()
            self._touch()
            if source.is_udp:
                self._check_datagrams()
            if rate and (delay := len(data) * 1000 // rate):
                await self._pause(delay / 1000)

    def _count(self, source: Channel) -> None:
        if source is self.client:
            self.requests += 1
            return
        self.responses += 1
        if self.responses == 1:
            self._note_first_byte()

    # -- rates -----------------------------------------------------------------------------

    async def _allowance(self, rate: int, passed: int) -> int:
        """How much may be read next; waits until that is something."""
        while True:
            allowed = rate * (int(time.time()) - self._started + 1) - passed
            if allowed > 0:
                return min(self.settings.buffer_size, allowed)
            await self._pause(-allowed / rate + 0.001)

    async def _pause(self, seconds: float) -> None:
        """The other side's silence is our doing: it does not count."""
        self._delayed += 1
        self._deadline.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delayed -= 1
        self._touch()

    # -- ends ------------------------------------------------------------------------------

    def _touch(self) -> None:
        if not self._delayed:
            self._deadline.set(self.settings.timeout)

    def _expired(self) -> None:
        unsent = self.client.unsent + self.upstream.unsent
        is_moving, self._unsent = unsent < self._unsent, unsent
        if is_moving:
            self._touch()
        elif not self._over.done():
            self._over.set_exception(IdleTooLong())

    def _check_datagrams(self) -> None:
        """Whether all the datagrams have come that there will be
        (ngx_stream_proxy_test_finalize)."""
        settings = self.settings
        if settings.requests and self.requests < settings.requests:
            return
        if self.is_answered and settings.responses >= 0 and not self._over.done():
            self.client.limit(self.requests)  # the next one may come before we have ended
            self._note_last_datagram()
            self._over.set_result(None)

    @property
    def is_answered(self) -> bool:
        """Whether there are as many responses as are expected."""
        responses = self.settings.responses
        return responses < 0 or self.responses >= responses * self.requests
