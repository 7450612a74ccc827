"""Serves a compiled configuration on listening sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

from ..compile import Cycle
from ..core.worker import WorkerLife
from ..http.listen import Listen
from ..http.ports import Port
from .accept import Acceptor
from .handshake import first_protocol
from .http1 import FrontEnd

GC_THRESHOLD = 10_000  # objects; a request leaves no circles behind


async def serve(cycle: Cycle, sockets: list[tuple[Listen, socket.socket]], control: Any) -> None:
    """Accepts and serves until control says quit (finish what is in flight) or terminate."""
    loop = asyncio.get_running_loop()
    worker = FrontEnd(loop)
    life = WorkerLife(cycle.scope, worker.count, control.worker)
    life.start()
    gc.collect()
    gc.freeze()  # the configuration stays: it need not be looked at again
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    servers = [await _listen(worker, cycle.ports[listen.text], bound) for listen, bound in sockets]
    quit_wait = loop.create_task(control.quit.wait())
    terminate_wait = loop.create_task(control.terminate.wait())
    await asyncio.wait({quit_wait, terminate_wait}, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.close()
    life.quit()
    if not control.terminate.is_set():
        await _finish(worker, life, terminate_wait)
    quit_wait.cancel()
    terminate_wait.cancel()
    await life.end()


async def _listen(
    worker: FrontEnd, port: Port, bound: socket.socket
) -> asyncio.AbstractServer | Acceptor:
    if any(address.listen.proxy_protocol for address in port.addresses):
        return Acceptor(worker, port, bound)
    return await worker.loop.create_server(
        first_protocol(worker, port), sock=bound, backlog=port.listen.backlog
    )


async def _finish(worker: FrontEnd, life: WorkerLife, terminate: asyncio.Task[Any]) -> None:
    worker.stopping = True
    for connection in list(worker.connections):
        connection.shut_down()
    while (worker.connections or worker.handshakes or life.is_busy) and not terminate.done():
        await asyncio.wait({terminate}, timeout=0.05)
