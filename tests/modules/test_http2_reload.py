"""Reloads while clients of HTTP/2 are busy: every request is answered, or may be sent again."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyngx_jwt.http2 import frames

from ..http2client import Http2Client
from ..nginx import Nginx

CONNECTIONS, STREAMS, RELOADS = 4, 10, 3
GET = [(":method", "GET"), (":scheme", "http"), (":path", "/get"), (":authority", "a")]
POST = [(":method", "POST"), (":scheme", "http"), (":path", "/post"), (":authority", "a")]
BODY = b"x" * 5000
SERVER = """
    http2 on;
    location /get { return 200 ok; }
    location /post { proxy_pass http://127.0.0.1:%%PORT_up%%; }
    """
UPSTREAM = "server { listen 127.0.0.1:%%PORT_up%%; location / { return 200 ok; } }"


class Load:
    """Clients that ask until they are stopped, over new connections where one ends."""

    def __init__(self, nginx: Nginx) -> None:
        self.nginx, self.stopped = nginx, threading.Event()

    def run(self) -> Counter[str]:
        """What became of the requests of one client."""
        tally = Counter[str]()
        while not self.stopped.is_set():
            with self.nginx.http2() as client:
                tally["lost"] += len(self._ask(client, tally))
            tally["connections"] += 1
        return tally

    def _ask(self, client: Http2Client, tally: Counter[str]) -> set[int]:
        """The requests that are neither answered nor refused when the connection ends."""
        pending, open_to_send = set[int](), True
        while True:
            try:
                while open_to_send and len(pending) < STREAMS and client.goaway is None:
                    body = BODY if tally["sent"] % 2 else b""
                    tally["sent"] += 1
                    pending.add(client.open(POST if body else GET, body))
                going_on = client.receive()
            except OSError:  # closed, which says nothing about what is to be read yet
                open_to_send, going_on = False, client.receive()
            pending = {number for number in pending if not self._settled(client, number, tally)}
            open_to_send = open_to_send and not self.stopped.is_set()
            if not going_on or (not pending and (client.goaway is not None or not open_to_send)):
                return pending

    @staticmethod
    def _settled(client: Http2Client, number: int, tally: Counter[str]) -> bool:
        response = client.responses[number]
        if response.ended:
            tally["answered" if response.body == b"ok" else "wrong"] += 1
        elif response.reset == frames.REFUSED_STREAM:
            tally["refused"] += 1
        elif client.goaway is not None and number > client.goaway.last:
            tally["beyond the last stream"] += 1
        else:
            return False
        return True


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost(nginx: Nginx, workers: int) -> None:
    main = f"worker_processes {workers};"
    nginx(SERVER, http=UPSTREAM, main=main)
    load = Load(nginx)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(load.run) for _ in range(CONNECTIONS)]
        try:
            for _ in range(RELOADS):
                nginx.reload(SERVER, http=UPSTREAM, main=main)
        finally:
            load.stopped.set()
        tallies = [one.result() for one in running]
    total = sum(tallies, Counter[str]())
    assert not total["lost"] and not total["wrong"], total
    assert all(tally["connections"] > 1 and tally["answered"] for tally in tallies), tallies
