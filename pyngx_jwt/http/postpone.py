"""The output of a request and of the subrequests in it, in order (ngx_http_postpone_filter)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from .request import InParts, Request, Sink
from .response import BodyFilter
from .subrequest import subrequest

Step = Callable[[], None]
Stub = Callable[[Request, Sink], None]
MAX_HELD = 65536  # bytes of a subrequest that wait for their turn
SMALL = 1460  # bytes of output that are not worth being sent alone


class Part(InParts):
    """The sink of a subrequest whose response is a part of its parent's body.

    `stub` writes what replaces an empty or failed response, and ends the part."""

    tunnel = None

    def __init__(self, whole: Postponed, stub: Stub | None = None) -> None:
        self._whole, self._stub = whole, stub
        self._r: Request | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._has_turn = self._drops = False
        self._is_empty = True
        self.turn = asyncio.Event()
        self.done = asyncio.Event()

    @property
    def paused(self) -> bool:
        return self._whole.sink.paused if self._has_turn else self._size > MAX_HELD

    def send_continue(self) -> None:
        """Subrequests do not read the client's body."""

    def header(self, r: Request) -> None:
        self._r = r
        self._drops = self._stub is not None and r.err_status >= 300

    def write(self, data: bytes) -> None:
        if self._drops:
            return
        self._is_empty = False
        if self._has_turn:
            self._whole.put(data)
        else:
            self._held.append(data)
            self._size += len(data)

    def flush(self) -> None:
        self._whole.flush()

    def hint(self, fields: list[tuple[str, str]]) -> None:
        """The client's response has begun."""

    async def drain(self) -> None:
        if not self._has_turn:
            await self.turn.wait()
        await self._whole.sink.drain()

    def end(self) -> None:
        stub, self._stub, self._drops = self._stub, None, False
        if stub is not None and self._r is not None and self._is_empty:
            stub(self._r, self)
        else:
            self.done.set()

    def abort(self) -> None:
        self.end()

    def take_turn(self) -> None:
        """From now on the output is sent as it comes."""
        self._has_turn = True
        for data in self._held:
            self._whole.put(data)
        self._held = []
        self.turn.set()


Item = bytes | Part | asyncio.Event | Step


class Postponed(InParts):
    """The sink of a request whose body contains the output of subrequests.

    What the request writes after a subrequest waits until that has ended."""

    tunnel = None

    def __init__(self, r: Request, sink: Sink) -> None:
        self.r, self.sink = r, sink
        self.filters: tuple[BodyFilter, ...] = ()  # of the body with all its parts
        self.before_end: Step | None = None  # taken at the end of the request's own output
        self._queue: deque[Item] = deque()
        self._driver: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_header = self._has_ended = self._was_aborted = False
        self._small = bytearray()
        r.main.cleanups += (self.stop,)

    @property
    def paused(self) -> bool:
        return bool(self._queue) or self.sink.paused

    def send_continue(self) -> None:
        self.sink.send_continue()

    def header(self, r: Request) -> None:
        self._has_header = True

    def write(self, data: bytes) -> None:
        if self._queue:
            self._queue.append(data)
        else:
            self.put(data)

    def put(self, data: bytes) -> None:
        """Sends data whose turn it is."""
        for body_filter in self.filters:
            data = body_filter.feed(data)
        self._emit(data)

    def _emit(self, data: bytes) -> None:
        """Holds back the header and a small amount, as nginx does with "postpone_output"."""
        self._small += data
        if len(self._small) >= SMALL or self.r.unbuffered:
            self._write_small()

    def _write_small(self) -> None:
        if self._has_header:
            self._has_header = False
            self.sink.header(self.r)
        if self._small:
            self.sink.write(bytes(self._small))
            self._small.clear()

    def flush(self) -> None:
        if not self._queue:
            self._write_small()
            self.sink.flush()

    def hint(self, fields: list[tuple[str, str]]) -> None:
        self.sink.hint(fields)

    async def drain(self) -> None:
        if self._driver is not None:
            await asyncio.wait({self._driver})
        await self.sink.drain()

    def end(self) -> None:
        self._has_ended = True
        if self.before_end is not None:
            self.then(self.before_end)
        elif not self._queue:
            self._end()

    def abort(self) -> None:
        """The client gets what there is of it."""
        self._write_small()
        self.cut()

    def cut(self) -> None:
        """Not even that."""
        for task in self._tasks:
            task.cancel()
        self._queue.clear()
        self._was_aborted = True
        self.sink.abort()

    async def finish(self) -> None:
        """Waits for the end of the output."""
        while (driver := self._driver) is not None and not driver.done():
            await asyncio.wait({driver})

    def stop(self) -> None:
        """Ends what writes the output: it is complete, or the client has left."""
        for task in self._tasks:
            task.cancel()
        if self._driver is not None:
            self._driver.cancel()

    def _end(self) -> None:
        if not self.r.header_only:
            for position, body_filter in enumerate(self.filters):
                data = body_filter.end()
                for later in self.filters[position + 1 :]:
                    data = later.feed(data)
                self._emit(data)
        self._write_small()
        self.sink.end()

    # -- subrequests ---------------------------------------------------------------------

    def include(
        self, uri: str, args: str = "", *, stub: Stub | None = None, **options: Any
    ) -> Part:
        """Starts a subrequest; its output comes after what has been written so far."""
        return self.add_part(
            lambda part: subrequest(self.r, uri, args, sink=part, **options), stub=stub
        )

    def add_part(
        self, start: Callable[[Part], Coroutine[Any, Any, Any]], *, stub: Stub | None = None
    ) -> Part:
        """Starts what writes a part of the output, after what has been written so far."""
        part = Part(self, stub)
        self._start(start(part), part.done)
        self._add(part)
        return part

    def wait_for(self, work: Coroutine[Any, Any, Any]) -> None:
        """Starts work; what is written later waits for its end."""
        done = asyncio.Event()
        self._start(work, done)
        self._add(done)

    def then(self, step: Step) -> None:
        """Takes a step when all before it is sent.  What the step writes comes before the rest."""
        self._add(step)

    def _start(self, work: Coroutine[Any, Any, Any], done: asyncio.Event) -> None:
        async def run() -> None:
            try:
                await work
            finally:
                done.set()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _add(self, item: Item) -> None:
        self._queue.append(item)
        if self._driver is None:
            self._driver = asyncio.create_task(self._drive())
            self.r.background += (self._driver,)

    async def _drive(self) -> None:
        try:
            while self._queue:
                await self._advance(self._queue[0])
            self._driver = None
            if self._has_ended and not self._was_aborted:
                self._end()
        except ConnectionResetError:
            self._driver = None
            self.abort()

    async def _advance(self, item: Item) -> None:
        if isinstance(item, Part):
            item.take_turn()
            await item.done.wait()
        elif isinstance(item, asyncio.Event):
            await item.wait()
        if self._was_aborted:
            return
        self._queue.popleft()
        if isinstance(item, bytes):
            self.put(item)
        elif not isinstance(item, (Part, asyncio.Event)):
            rest, self._queue = self._queue, deque()
            item()
            self._queue.extend(rest)
        if self.sink.paused:
            await self.sink.drain()


def postpone(r: Request) -> Postponed:
    """Makes room for the output of subrequests in a response; to be called by header filters,
    before what is sent is compressed."""
    if r.postponed is None:
        r.sink = r.postponed = Postponed(r, r.sink)
    postponed: Postponed = r.postponed
    return postponed
