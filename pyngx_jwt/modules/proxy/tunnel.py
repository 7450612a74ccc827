"""Bytes both ways after a 101 (ngx_http_upstream_upgrade)."""

from __future__ import annotations

import asyncio
from typing import Any

from ...http.request import Request
from ...log import Level
from ...upstream.client import Connection
from ...upstream.errors import UpstreamError

CLIENT_BUFFER = 65536


async def tunnel(r: Request, upstream: Connection, timeout: float) -> None:
    """Passes bytes until a side closes, or nothing came from either for `timeout` seconds."""
    client = ClientSide(r, upstream)
    sink: Any = r.sink
    sink.flush()
    sink.start_tunnel(client)
    try:
        while (data := await upstream.read()) is not None:
            sink.write(data)
            if sink.paused:
                await sink.drain()
    except UpstreamError as error:
        if error.timed_out:
            r.log(Level.ERR, f"{error} while proxying upgraded connection")
    finally:
        sink.stop_tunnel()
        client.stop()


class ClientSide:
    """What the client sends goes to the upstream."""

    def __init__(self, r: Request, upstream: Connection) -> None:
        self.r, self.upstream = r, upstream
        self.task: asyncio.Task[None] | None = None

    def client_data(self, data: bytes) -> None:
        self.upstream.write(data)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        sink: Any = self.r.sink
        sink.pause_reading()
        try:
            await self.upstream.drain()
        except UpstreamError:
            self.upstream.close()
        finally:
            sink.resume_reading()

    def client_eof(self) -> None:
        """nginx closes both sides when one has ended."""
        self.upstream.close()

    def client_closed(self) -> None:
        self.upstream.close()

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
