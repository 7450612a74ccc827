"""What one request walks through: python -m bench.walk.

A request with a token is checked and passed on to an upstream, over connections that are kept.  Its
second run is watched: how many functions of the package are called, in how many files, and how
often the walk goes from one room (a package, or a module of modules/) into another, in either
direction.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pyngx_jwt
from pyngx_jwt.compile import load
from pyngx_jwt.jwt.mint import mint
from pyngx_jwt.log import Log
from pyngx_jwt.options import Options, resolve_options
from pyngx_jwt.process import Control
from pyngx_jwt.server.serve import serve

ROOT = Path(pyngx_jwt.__file__).parent
CONF = """
events {{ }}
http {{
    access_log off;
    upstream app {{ server 127.0.0.1:{upstream}; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            auth_jwt "API";
            auth_jwt_key_file keys.json;
            proxy_set_header X-Sub $jwt_claim_sub;
            proxy_pass http://app;
        }}
    }}
}}
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def room(path: str) -> str:
    """The package that a file is of, below the whole one."""
    parts = Path(path).relative_to(ROOT).with_suffix("").parts
    return "/".join(parts[: 2 if parts[0] == "modules" else 1])


class Watch:
    """Counts, while it is the profile function, what of the package runs."""

    def __init__(self) -> None:
        self.calls = self.file_crossings = self.room_crossings = 0
        self.files: Counter[str] = Counter()
        self._stack: list[str] = []
        self._at = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event not in ("call", "return"):
            return
        path = frame.f_code.co_filename
        if not path.startswith(str(ROOT)):
            return
        if event == "call":
            self.calls += 1
            self.files[path] += 1
            self._stack.append(path)
            self._go(path)
        elif self._stack:
            self._stack.pop()
            if self._stack:
                self._go(self._stack[-1])

    def _go(self, path: str) -> None:
        if self._at and path != self._at:
            self.file_crossings += 1
            self.room_crossings += room(path) != room(self._at)
        self._at = path


def answer_all(listener: socket.socket) -> None:
    """The upstream: every request gets the same answer."""
    connection, _ = listener.accept()
    while connection.recv(65536):
        connection.sendall(ANSWER)


def ask(port: int, token: str, loop: asyncio.AbstractEventLoop, watch: Watch) -> None:
    """The client: one request to get warm, one that is watched."""
    request = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as client:
        for watched in (False, False, True):
            if watched:
                _profile(loop, watch)
            client.sendall(request)
            got = client.recv(65536)
            assert got.startswith(b"HTTP/1.1 200") and got.endswith(b"ok"), got
        _profile(loop, None)


def _profile(loop: asyncio.AbstractEventLoop, watch: Watch | None) -> None:
    """Makes `watch` the profile function of the server's thread; None: nobody watches."""
    done = threading.Event()

    def turn() -> None:
        sys.setprofile(watch)
        done.set()

    loop.call_soon_threadsafe(turn)
    done.wait()


def main() -> None:
    free = ("127.0.0.1", 0)
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(free) as upstream,
        socket.create_server(free) as bound,
    ):
        asyncio.run(_walk(Path(folder), upstream, bound))


async def _walk(folder: Path, up: socket.socket, bound: socket.socket) -> None:
    port, upstream = bound.getsockname()[1], up.getsockname()[1]
    (folder / "logs").mkdir()
    minted = mint("RS256", {"sub": "alice", "exp": int(time.time()) + 3600})
    (folder / "keys.json").write_text(minted.key_set)
    (folder / "nginx.conf").write_text(CONF.format(port=port, upstream=upstream))
    paths = resolve_options(str(folder), str(folder / "nginx.conf"), "stderr")
    cycle = load(Options(*paths), Log())
    loop, watch, control = asyncio.get_running_loop(), Watch(), Control(worker=1)
    threading.Thread(target=answer_all, args=(up,), daemon=True).start()
    server = loop.create_task(serve(cycle, [(cycle.listens[0], bound)], control))
    await loop.run_in_executor(None, ask, port, minted.token, loop, watch)
    control.terminate.set()
    await server
    print(f"{watch.calls} calls, {len(watch.files)} files, {watch.file_crossings} file crossings")
    rooms = Counter[str]()
    for path, count in watch.files.items():
        rooms[room(path)] += count
    print(f"{len(rooms)} rooms, {watch.room_crossings} room crossings")
    for name, count in rooms.most_common():
        print(f"{count:6} {name}")


if __name__ == "__main__":
    main()
