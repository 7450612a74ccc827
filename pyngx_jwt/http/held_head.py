"""A head that is not known before its body: it waits until there is some."""

from __future__ import annotations

from .client import Tunnel
from .request import InParts, Request, Sink


class HeldHead(InParts):
    """A sink that hands on the head with the first bytes of the body."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.held: Request | None = None

    @property
    def tunnel(self) -> Tunnel | None:
        return self.sink.tunnel

    @property
    def paused(self) -> bool:
        return self.sink.paused

    def send_continue(self) -> None:
        self.sink.send_continue()

    def header(self, r: Request) -> None:
        self.held = r

    def write(self, data: bytes) -> None:
        self._release()
        self.sink.write(data)

    def flush(self) -> None:
        if self.held is None:
            self.sink.flush()

    def hint(self, fields: list[tuple[str, str]]) -> None:
        self.sink.hint(fields)

    async def drain(self) -> None:
        await self.sink.drain()

    def end(self) -> None:
        self._release()
        self.sink.end()

    def abort(self) -> None:
        self.sink.abort()

    def _release(self) -> None:
        r, self.held = self.held, None
        if r is not None:
            r.header_only = r.header_only or r.method == "HEAD"
            self.sink.header(r)
