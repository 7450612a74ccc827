"""Serves a compiled configuration on listening sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

from ..compile import Cycle
from ..core.ports import ListenOptions
from ..core.worker import WorkerLife
from .front_end import FrontEnd
from .negotiate import listen

TURNS = 10  # of the event loop, in which requests that were cut are logged
GC_THRESHOLD = 10_000  # objects; a request leaves no circles behind


async def serve(
    cycle: Cycle, sockets: list[tuple[ListenOptions, socket.socket]], control: Any
) -> None:
    """Accepts and serves until control says quit (finish what is in flight) or terminate."""
    loop = asyncio.get_running_loop()
    front = FrontEnd(loop, control.numbers, cycle.main.multi_accept)
    life = WorkerLife(cycle.scope, front.count, control.worker, front.requests)
    life.start()
    if not life.is_prepared:
        control.serves.clear()
        await _prepare(life, control)
    gc.collect()
    gc.freeze()  # the configuration stays: it need not be looked at again
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    ports = tuple(cycle.ports.values())
    servers = [
        await listen(front, cycle.ports[options.key], bound, ports) for options, bound in sockets
    ]
    control.serves.set()
    quit_wait = loop.create_task(control.quit.wait())
    terminate_wait = loop.create_task(control.terminate.wait())
    await asyncio.wait({quit_wait, terminate_wait}, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.close()
    life.quit()
    if not control.terminate.is_set():
        await _finish(front, life, terminate_wait)
    quit_wait.cancel()
    terminate_wait.cancel()
    await life.end()
    front.close()


async def _prepare(life: WorkerLife, control: Any) -> None:
    """Clients wait meanwhile, for the sockets listen already; not if the worker is to end."""
    loop = asyncio.get_running_loop()
    quit_wait, preparing = loop.create_task(control.quit.wait()), loop.create_task(life.prepare())
    await asyncio.wait({quit_wait, preparing}, return_when=asyncio.FIRST_COMPLETED)
    for task in (quit_wait, preparing):
        task.cancel()
    await asyncio.gather(quit_wait, preparing, return_exceptions=True)
    if not preparing.cancelled():
        preparing.result()


async def _finish(front: FrontEnd, life: WorkerLife, terminate: asyncio.Task[Any]) -> None:
    front.stopping = True
    for connection in list(front.connections):
        connection.shut_down()
    while (front.is_busy or life.is_busy) and not terminate.done():
        await asyncio.wait({terminate}, timeout=0.05)
    for one in (*front.connections, *front.sessions):  # worker_shutdown_timeout is over
        one.cut()
    for _ in range(TURNS):
        if front.connections or front.sessions:
            await asyncio.sleep(0)
