"""HTTP/3 of a running configuration: large bodies both ways, and a reload under load.

    python -m bench.http3_bulk bulk [MEGABYTES]   memory of the worker, CPU time per megabyte
    python -m bench.http3_bulk requests [COUNT]   CPU time per request, ten at a time
    python -m bench.http3_bulk reload [SECONDS]   requests that are lost when workers are replaced

The client is aioquic's, in this process: its own CPU time is not counted, but it sets the pace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pyngx_jwt.http3 import codes, frames
from tests.authority import Authority
from tests.http3client import Http3Client, headers, pseudo

MEGABYTE = 1 << 20
PART = 262_144  # bytes that are handed to the client at a time
CLIENTS = 8
OWN = Authority("localhost", ["localhost"])
CONF = """
daemon off; user root; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    client_max_body_size 0; keepalive_requests 1000000;
    ssl_certificate {folder}/own.pem; ssl_certificate_key {folder}/own.key;
    server {{
        listen 127.0.0.1:{port} quic;
        root {folder};
        location = /small {{ return 200 {body}; }}
        location /put {{ dav_methods PUT; root {folder}; }}
    }}
}}
"""


class Server:
    """A server in a folder of its own."""

    def __init__(self, folder: Path, workers: int, port: int = 18443) -> None:
        self.folder, self.port = folder, port
        (folder / "own.pem").write_text(OWN.pem)
        (folder / "own.key").write_text(OWN.key_pem())
        text = CONF.format(folder=folder, workers=workers, port=port, body="x" * 100)
        (folder / "conf").write_text(text)
        command = [sys.executable, "-m", "pyngx_jwt", "-p", str(folder), "-c", f"{folder}/conf"]
        self.process = subprocess.Popen(command)
        while not (folder / "pid").exists() or not self.workers():
            time.sleep(0.1)
        time.sleep(1)

    def workers(self) -> list[int]:
        """The numbers of the worker processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]

    def memory(self) -> int:
        """The bytes that the workers hold."""
        texts = [Path(f"/proc/{n}/status").read_text() for n in self.workers()]
        return sum(int(text.partition("VmRSS:")[2].split()[0]) * 1024 for text in texts)

    def cpu(self) -> float:
        """The seconds that they have computed."""
        fields = [Path(f"/proc/{n}/stat").read_text().split() for n in self.workers()]
        return sum(int(f[13]) + int(f[14]) for f in fields) / os.sysconf("SC_CLK_TCK")

    def client(self) -> Http3Client:
        return Http3Client(self.port, max_data=64 * MEGABYTE, max_stream_data=16 * MEGABYTE)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def bulk(server: Server, megabytes: int) -> None:
    """One large body each way."""
    with (server.folder / "large").open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    with server.client() as client:
        client.request("GET /small")
        for way in ("to the client", "from the client"):
            before, most, cpu = server.memory(), 0, server.cpu()
            if way == "to the client":
                number = client.open(pseudo(path="/large"))
            else:
                number = client.begin(headers(pseudo("PUT", "/put")))
            response, left, came = client.responses[number], megabytes * MEGABYTE, 0
            while not response.ended and client.closed is None:
                if way == "from the client" and left and _pending(client, number) < PART:
                    size = min(PART, left)
                    left -= size
                    part = frames.frame(codes.DATA, bytes(size))
                    client.send(number, part, end=not left)
                client.until(lambda: True)
                client.until(lambda: False, 0.001)
                most = max(most, server.memory())
                came += len(response.body)
                if way == "to the client":
                    response.body = b""
                    client.plain[number] = b""
            done = came if way == "to the client" else megabytes * MEGABYTE
            each = (server.cpu() - cpu) / (done / MEGABYTE)
            grown = (most - before) / MEGABYTE
            print(
                f"{done / MEGABYTE:.0f} MB {way}: {each * 1000:.1f} ms CPU a megabyte, "
                f"the worker grew by {grown:.1f} MB from {before / MEGABYTE:.1f} MB"
            )


def _pending(client: Http3Client, number: int) -> int:
    stream = client.quic._streams.get(number)
    return 0 if stream is None else len(stream.sender._buffer)


def requests(server: Server, count: int) -> None:
    """Small responses, ten at a time on one connection."""
    with server.client() as client:
        client.request("GET /small")
        cpu = server.cpu()
        for _ in range(count // 10):
            numbers = [client.open(pseudo(path="/small")) for _ in range(10)]
            for number in numbers:
                assert len(client.wait(number).body) == 100
                del client.responses[number], client.plain[number]
        print(f"{(server.cpu() - cpu) / count * 1e6:.0f} us CPU a request")


def reload(server: Server, seconds: float) -> None:
    """Clients that begin a new connection when they are told to; a reload every second."""
    served = lost = connections = reloads = 0
    clients = [server.client() for _ in range(CLIENTS)]
    end, next_reload = time.monotonic() + seconds, time.monotonic() + 0.5
    while time.monotonic() < end:
        if time.monotonic() > next_reload:
            server.process.send_signal(signal.SIGHUP)
            reloads += 1
            next_reload += 2
        for at, client in enumerate(clients):
            if client.goaway is not None or client.closed is not None:
                client.__exit__()
                clients[at] = client = server.client()
                connections += 1
            number = client.open(pseudo(path="/small"))
            response = client.wait(number)
            if response.ended:
                served += 1
            elif client.goaway is None or number < client.goaway:
                lost += 1
    for client in clients:
        client.__exit__()
    print(
        f"{reloads} reloads, {connections} new connections: {served} requests served, {lost} lost"
    )


def main(what: str, amount: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), 2 if what == "reload" else 1)
        try:
            if what == "bulk":
                bulk(server, int(amount or 256))
            elif what == "requests":
                requests(server, int(amount or 5000))
            else:
                reload(server, float(amount or 20))
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
