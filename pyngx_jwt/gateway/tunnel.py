"""Bytes both ways after a 101 (ngx_http_upstream_upgrade)."""

from __future__ import annotations

import asyncio

from ..http.client import Tunnel
from ..http.request import Request
from ..log import Severity
from ..upstream.client import PeerConnection
from ..upstream.errors import UpstreamError
from .state import UpstreamState

PROXYING = "while proxying upgraded connection"


async def pass_both_ways(
    r: Request, tunnel: Tunnel, upstream: PeerConnection, state: UpstreamState
) -> None:
    """Passes bytes until a side closes, or nothing came from either for too long."""
    client, sink = ClientSide(tunnel, upstream, state), r.sink
    sink.flush()
    tunnel.start_tunnel(client)
    try:
        while (data := await upstream.read()) is not None:
            sink.write(data)
            if sink.paused:
                await sink.drain()
    except UpstreamError as error:
        if not client.gone:
            r.log(Severity.ERR, f"{error} {PROXYING}")
    finally:
        tunnel.stop_tunnel()
        client.stop()


class ClientSide:
    """What the client sends goes to the upstream."""

    def __init__(self, tunnel: Tunnel, upstream: PeerConnection, state: UpstreamState) -> None:
        self.tunnel, self.upstream, self.state = tunnel, upstream, state
        self.gone = False  # nginx closes both sides when one has ended
        self.task: asyncio.Task[None] | None = None

    def client_data(self, data: bytes) -> None:
        self.upstream.write(data)
        self.state.bytes_sent += len(data)
        self.upstream.touch()
        if self.upstream.is_full and (self.task is None or self.task.done()):
            self.task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        self.tunnel.pause_reading()
        try:
            await self.upstream.drain()
        except UpstreamError:
            self.upstream.close()  # the reader gets the error
        finally:
            self.tunnel.resume_reading()

    def client_eof(self) -> None:
        """What the client has sent before is still delivered."""
        self.gone = True
        self.upstream.close(flush=True)

    def client_closed(self) -> None:
        self.client_eof()

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
