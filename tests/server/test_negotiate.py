"""Accepting connections."""

from __future__ import annotations

import asyncio
import socket
from itertools import count
from pathlib import Path

import uvloop

from pyngx_jwt.compile import load
from pyngx_jwt.log import Log
from pyngx_jwt.options import Options, resolve_options
from pyngx_jwt.server.front_end import FrontEnd
from pyngx_jwt.server.negotiate import ACCEPTS, listen


def test_several_connections_are_accepted_in_a_turn_of_the_loop(tmp_path: Path) -> None:
    """One a turn would make new clients wait for as many turns, each of which serves all others."""
    conf = tmp_path / "nginx.conf"
    conf.write_text("events { } http { server { listen 127.0.0.1:1; return 200 ok; } }")
    cycle = load(Options(*resolve_options(str(tmp_path), str(conf), "stderr")), Log())
    bound = socket.create_server(("127.0.0.1", 0))

    async def run() -> int:
        front = FrontEnd(asyncio.get_running_loop(), count(1))
        listeners = await listen(front, cycle.ports["127.0.0.1:1"], bound)
        clients = [socket.create_connection(bound.getsockname()) for _ in range(ACCEPTS)]
        for _ in range(3):  # one sees that there are connections, one accepts them
            await asyncio.sleep(0)
        accepted = front.accepted
        for client in clients:
            client.close()
        for listener in listeners:
            listener.close()
        return accepted

    assert uvloop.run(run()) == ACCEPTS
