"""What costs a client little and must not cost the server much: it is given in pieces, or waits."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyngx_jwt.http2 import frames

from ..authority import Authority
from ..backend import Peer
from ..nginx import Nginx
from ..tls_client import client_context, shaken
from ..wire import DEADLINE
from .test_http2_floods import memory
from .test_http2_frames import OPENED, converse, head

MEGABYTE = 1 << 20
PATIENCE = 2  # seconds without progress
SERVER, ROOT = Authority("front.example"), Authority("root")
CLIENT = Authority("client", issuer=ROOT)
FILES: dict[str, str | bytes] = {
    "front.pem": SERVER.pem,
    "front.key": SERVER.key_pem(),
    "root.pem": ROOT.pem,
}
LISTEN = "127.0.0.1:%%PORT%% ssl"
TLS = "ssl_certificate front.pem; ssl_certificate_key front.key;"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_many_invalid_names(nginx: Nginx) -> None:
    """Fields that are dropped, a byte each, as the client's table has them."""
    nginx(
        "http2 on; error_log logs/quiet.log error; large_client_header_buffers 4 64k;return 200 ok;"
    )
    block = head() + b"\x40\1_\0" + b"\xbe" * 150_000
    pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    sent = [frames.frame(frames.HEADERS, frames.END_STREAM, 1, pieces[0])]
    sent += [frames.frame(frames.CONTINUATION, 0, 1, piece) for piece in pieces[1:]]
    end = frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1)
    wanted = ["SETTINGS ACK", "HEADERS 1 200", "DATA 1 2 END"]
    assert converse(nginx, OPENED + b"".join(sent) + end, 3) == wanted


@pytest.mark.needs("http_gunzip_module")
@pytest.mark.parametrize("where", ["file", "proxied", "buffered"])
def test_a_response_that_inflates(nginx: Nginx, where: str) -> None:
    """What a client does not read is not decompressed."""
    packed = gzip.compress(bytes(96 * MEGABYTE))
    buffering = "on" if where == "buffered" else "off"
    nginx(
        "gunzip on; location /file { gzip_static always; root html; }"
        f"location / {{ proxy_buffering {buffering}; proxy_buffers 8 64k;"
        "proxy_pass http://127.0.0.1:%%PORT_packed%%; }",
        servers=[
            "listen 127.0.0.1:%%PORT_packed%%; root html;"
            "location / { rewrite ^ /file.gz break; add_header Content-Encoding gzip; }"
        ],
        files={"html/file.gz": packed},
        main="worker_processes 1;",
    )
    before = memory(nginx)
    with nginx.connect() as client:
        client.wire.send(f"GET /{where} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.wire.exactly(1)
        nginx.request("GET /none")  # the worker has done what it could
        assert memory(nginx) - before < 40 * MEGABYTE


APPLICATION_DATA = 23  # what a record says that it is, if it is encrypted


@contextmanager
def unfinished(port: int) -> Iterator[tuple[int, threading.Event]]:
    """A relay to a port for a client with early data of one record.  It passes on the record that
    ends early data, and the one that finishes the handshake once it is released."""
    release = threading.Event()

    def forth(client: socket.socket, server: socket.socket) -> None:
        reader, encrypted = client.makefile("rb"), 0
        while head := reader.read(5):
            encrypted += head[0] == APPLICATION_DATA
            if encrypted == 3:
                release.wait()
            server.sendall(head + reader.read(int.from_bytes(head[3:])))

    def relay() -> None:
        with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as up:
            sender = threading.Thread(target=forth, args=(client, up))
            sender.start()
            while data := up.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            sender.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        relaying = threading.Thread(target=relay)
        relaying.start()
        try:
            yield listener.getsockname()[1], release
        finally:
            release.set()
            relaying.join()


def test_the_response_to_early_data(nginx: Nginx) -> None:
    """It is not read from the upstream as long as the client does not finish the handshake."""
    size, sent = 64 * MEGABYTE, [0]
    asked, done = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        asked.set()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            peer.send(bytes(65536))
            sent[0] += 65536
        done.set()

    nginx.backend("up", script)
    nginx(
        f"{TLS} ssl_early_data on; location / {{ proxy_buffering off;"
        "proxy_pass http://127.0.0.1:%%PORT_up%%; } location = /first { return 204; }",
        listen=LISTEN,
        files=FILES,
    )
    session = str(nginx.prefix / "session")
    request = str(nginx.write("request", REQUEST.decode()))
    command = ["openssl", "s_client", "-tls1_3", "-quiet", "-connect"]
    first = REQUEST.replace(b"/ ", b"/first ", 1)
    port = nginx.port()
    words = [*command, f"127.0.0.1:{port}", "-sess_out", session]
    subprocess.run(words, input=first, capture_output=True, timeout=60, check=False)
    with unfinished(port) as (relayed, release):
        words = [*command, f"127.0.0.1:{relayed}", "-sess_in", session, "-early_data", request]
        with subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert asked.wait(DEADLINE)
            assert not done.wait(PATIENCE) and sent[0] < size / 2
            release.set()
            assert client.stdout is not None
            assert len(client.stdout.read().partition(b"\r\n\r\n")[2]) == size


class Silent:
    """A responder that takes a question and says nothing until it is closed."""

    def __enter__(self) -> Silent:
        self.listener = socket.create_server(("127.0.0.1", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"


def test_input_while_a_certificate_is_looked_up(nginx: Nginx) -> None:
    """It stays in the kernel, whose buffers it fills."""
    with Silent() as responder:
        nginx(
            f"{TLS} ssl_verify_client on; ssl_client_certificate root.pem; ssl_ocsp on;"
            f"ssl_ocsp_responder {responder.url}; return 200 ok;",
            listen=LISTEN,
            files=FILES,
        )
        identity: Path = nginx.write("client.pem", CLIENT.pem + CLIENT.key_pem())
        context = client_context(ssl.TLSVersion.TLSv1_3, identity=identity)
        with shaken(nginx, context=context) as (client, _), responder.listener.accept()[0]:
            client.settimeout(PATIENCE)
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 64 * MEGABYTE:
                    sent += client.send(bytes(65536))
            assert sent < 32 * MEGABYTE
