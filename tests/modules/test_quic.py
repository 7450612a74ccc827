"""QUIC below HTTP/3: addresses, tokens, ids, and connections that outlive workers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode

from pyngx_jwt.http3 import codes, frames
from pyngx_jwt.http3.frames import varint

from ..http3client import Http3Client, headers, pseudo
from ..nginx import Nginx
from ..wire import DEADLINE, ready
from .test_http3 import FILES, QUIC, TLS

pytestmark = pytest.mark.needs("http_v3_module")

OK = "location / { return 200 $pid; }"
VERSION, UNKNOWN = b"\0\0\0\x01", b"\x1a\x2a\x3a\x4a"
INVALID_TOKEN = 0x0B
STREAM_WITH_PLACE = 0x0E


def serve(nginx: Nginx, server: str = "", main: str = "", http: str = "") -> None:
    nginx(OK + server, http=TLS + http, main=main, listen=QUIC, files=FILES)


def initial(destination: bytes, version: bytes = VERSION, size: int = 1200) -> bytes:
    """What looks like the first packet of a client."""
    head = b"\xc0" + version + bytes((len(destination),)) + destination + b"\x04abcd" + b"\0"
    rest = size - len(head) - 2
    return head + (rest | 0x4000).to_bytes(2) + b"x" * rest


def answer(nginx: Nginx, datagram: bytes, seconds: float = DEADLINE) -> bytes:
    """What one datagram is answered with in these seconds, b"" for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        client.sendto(datagram, ("127.0.0.1", nginx.port()))
        try:
            return client.recv(65535)
        except TimeoutError:
            return b""


def ask(client: Http3Client) -> bytes:
    """The body of a response, which is the number of the worker."""
    return client.wait(client.open(pseudo())).body


def test_versions(nginx: Nginx) -> None:
    serve(nginx)
    came = answer(nginx, initial(b"12345678", UNKNOWN))
    assert came[0] & 0x80 and came[1:5] == bytes(4)
    assert came[5:18] == b"\x04abcd\x0812345678"[:13]
    assert VERSION in [came[at : at + 4] for at in range(len(came) - 4, 17, -4)]


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\xc0",
        b"x" * 1200,
        initial(b"1234567"),
        initial(b"12345678", size=1199),
        initial(b"12345678")[:1000],
        b"\xe0" + initial(b"12345678")[1:],
    ],
    ids=["empty", "a byte", "no packet", "short id", "small", "cut", "no first packet"],
)
def test_what_is_not_answered(nginx: Nginx, datagram: bytes) -> None:
    serve(nginx)
    came = answer(nginx, datagram, 0.5)
    # A packet of an unknown connection may get a stateless reset, and nothing else.
    assert not came or (datagram == b"x" * 1200 and not came[0] & 0x80)
    with nginx.http3() as client:
        assert ask(client)


def active(client: Http3Client) -> bytes:
    """How many connections there are, as stub_status has it."""
    body = client.wait(client.open(pseudo(path="/status"))).body
    return body.partition(b"\n")[0]


def test_packets_that_cannot_be_decrypted(nginx: Nginx) -> None:
    """They do not begin a connection."""
    serve(nginx, "location /status { stub_status; }", main="worker_processes 1;")
    with nginx.http3() as client:
        before = active(client)
        for _ in range(20):
            client.socket.sendto(initial(os.urandom(8)), client.server)
        assert active(client) == before


def crypto(at: int, data: bytes = b"x") -> bytes:
    """A part of the handshake."""
    return b"\x06" + varint(at) + varint(len(data)) + data


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param([2 * n for n in range(1, 1000)], "quic too many gaps", id="gaps"),
        pytest.param([65536], "quic too much crypto buffering", id="far"),
    ],
)
@pytest.mark.pyngx_only("nginx says so at other levels, and counts bytes only")
def test_a_hello_in_parts_without_end(nginx: Nginx, parts: list[int], message: str) -> None:
    """Anyone can send it: packets of the handshake are not secret."""
    serve(nginx, main="error_log logs/error.log info;")
    name = os.urandom(8)
    keys = CryptoPair()
    keys.setup_initial(cid=name, is_client=True, version=1)
    with nginx.http3(connect=False) as client:
        client.closed = 0, ""
        for number, first in enumerate(range(0, len(parts), 100)):
            frames = b"".join(crypto(at) for at in parts[first : first + 100]).ljust(1200, b"\0")
            head = b"\xc3" + VERSION + b"\x08" + name + b"\0\0"
            head += (len(frames) + 20 | 0x4000).to_bytes(2) + number.to_bytes(4)
            client.socket.sendto(keys.encrypt_packet(head, frames, number), client.server)
        nginx.wait_for_log(message)


@pytest.mark.pyngx_only("nginx counts bytes only")
def test_a_stream_in_parts_without_end(nginx: Nginx) -> None:
    serve(nginx)
    with nginx.http3() as client:
        assert ask(client)
        with contextlib.suppress(AssertionError):
            for at in range(2, 1000, 2):  # a byte at each of these places of a new stream
                client.send_frame(STREAM_WITH_PLACE, 4, at, 1, at & 0x3F)
                client.until(lambda: False, 0)
        assert client.wait_end() == (QuicErrorCode.INTERNAL_ERROR, "too many gaps")


def test_an_id_of_another_address(nginx: Nginx) -> None:
    """A client can name the reader of another address in the id that it chooses; the packet stays
    where it has come to."""
    nginx(
        OK,
        http=f"{TLS} server {{ listen 127.0.0.1:%%PORT_inner%% quic; return 200 inner; }}",
        main="worker_processes 1;",
        listen=QUIC,
        files=FILES,
    )
    with nginx.http3("inner") as inner, nginx.http3(connect=False) as client:
        client.quic._peer_cid.cid = inner.quic._peer_cid.cid[:-2] + os.urandom(2)
        client.quic.connect(client.server, time.monotonic())
        client.flush()
        client.socket.setblocking(True)
        client.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            assert client.socket.recvfrom(65535)[1] == client.server


def test_a_stateless_reset(nginx: Nginx) -> None:
    """A client knows that its connection is gone by the token that it was given before."""
    key = os.urandom(32)
    nginx.write("key", key)
    serve(nginx, http="quic_host_key key;", main="worker_processes 1;")
    with nginx.http3() as client:
        worker = int(ask(client))
        os.kill(worker, signal.SIGKILL)
        nginx.wait_for_log("start worker process", 2)
        nginx.trouble_is_expected = True
        token = client.quic._peer_cid.stateless_reset_token
        client.quic.send_ping(1)
        datagrams = client.quic.datagrams_to_send(time.monotonic())
        client.socket.sendto(datagrams[0][0] + b"x" * 40, client.server)
        client.socket.settimeout(DEADLINE)
        came = client.socket.recv(65535)
        assert len(came) < len(datagrams[0][0]) + 40
        assert not came[0] & 0x80 and came[-16:] == token


def test_amplification(nginx: Nginx) -> None:
    """A client that does not show that it is at its address gets three times what it sends."""
    serve(nginx)
    with nginx.http3(connect=False) as client:
        client.quic.connect(client.server, time.monotonic())
        client.flush()
        client.socket.settimeout(DEADLINE)
        came = len(client.socket.recv(65535))
        client.socket.settimeout(2)  # longer than it takes to send all of it again
        with contextlib.suppress(TimeoutError):
            while True:
                came += len(client.socket.recv(65535))
        assert came <= 3 * client.sent


def test_retry(nginx: Nginx) -> None:
    serve(nginx, "quic_retry on;")
    with nginx.http3() as client:
        assert client.quic._retry_count == 1
        assert ask(client)
        client.until(lambda: client.tokens)
        token = client.tokens[0]
    with nginx.http3(token=token) as client:  # which makes it unnecessary
        assert client.quic._retry_count == 0
        assert ask(client)
    with nginx.http3(token=b"wrong" * 10, connect=False) as client:
        client.quic.connect(client.server, time.monotonic())
        assert client.wait_end() == (INVALID_TOKEN, "cannot decrypt token")


def test_no_tokens_without_retry(nginx: Nginx) -> None:
    serve(nginx)
    with nginx.http3() as client:
        assert ask(client)
        assert client.tokens == []


def test_other_keys(nginx: Nginx) -> None:
    serve(nginx)
    with nginx.http3() as client:
        client.quic.request_key_update()
        assert ask(client)
        client.quic.request_key_update()
        assert ask(client)


def move(client: Http3Client, host: str) -> socket.socket:
    """The client sends from another address from now on; the socket that it had."""
    before = client.socket
    client.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.socket.bind((host, 0))
    client.socket.setblocking(False)
    return before


def test_a_request_from_an_address_that_is_not_proven(nginx: Nginx) -> None:
    """A client can send from an address that is not its own, but gets nothing there."""
    serve(nginx, "location /who { return 200 $remote_addr; }")
    with nginx.http3() as client:
        assert ask(client)
        before = move(client, "127.0.0.20")
        client.quic.change_connection_id()
        assert client.wait(client.open(pseudo(path="/who"))).body == b"127.0.0.1"
        # By now it has answered there.
        assert client.wait(client.open(pseudo(path="/who"))).body == b"127.0.0.20"
        before.close()


def test_a_handshake_that_goes_on_elsewhere(nginx: Nginx) -> None:
    serve(nginx, "location /who { return 200 $remote_addr; }")
    with nginx.http3(connect=False) as client:
        client.quic.connect(client.server, time.monotonic())
        client.flush()
        assert ready(client.socket, DEADLINE)
        home = move(client, "127.0.0.20")
        data, address = home.recvfrom(65535)
        client.quic.receive_datagram(data, address, time.monotonic())
        while not client.quic._handshake_complete:
            assert ready(home, DEADLINE)
            data, address = home.recvfrom(65535)
            client.quic.receive_datagram(data, address, time.monotonic())
        client.flush()
        away, client.socket = client.socket, home
        assert client.wait(client.open(pseudo(path="/who"))).body == b"127.0.0.1"
        assert not ready(away, 0)
        away.close()


def test_another_address(nginx: Nginx) -> None:
    serve(nginx, "location /who { return 200 $remote_addr:$remote_port; }")
    with nginx.http3() as client:
        first = client.wait(client.open(pseudo(path="/who"))).body
        client.socket.close()
        client.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.socket.setblocking(False)
        client.quic.change_connection_id()
        assert ask(client)
        moved = client.wait(client.open(pseudo(path="/who"))).body
        assert moved != first and moved.startswith(b"127.0.0.1:")


def test_the_number_of_streams(nginx: Nginx) -> None:
    serve(nginx, "http3_max_concurrent_streams 3;")
    with nginx.http3() as client:
        assert client.quic._remote_max_streams_bidi == 3
        held = [client.begin(headers(pseudo())[:5]) for _ in range(3)]
        more = client.open(pseudo())
        assert not client.until(lambda: client.responses[more].ended, 0.3)
        client.quic.reset_stream(held[0], codes.REQUEST_CANCELLED)
        assert client.wait(more).body


def test_ids_of_a_client(nginx: Nginx) -> None:
    serve(nginx, "quic_active_connection_id_limit 5; quic_gso off; http3_hq off;")
    with nginx.http3() as client:
        assert ask(client)
        assert client.quic._remote_active_connection_id_limit == 5


def test_the_window_of_a_stream(nginx: Nginx) -> None:
    """A body that nobody reads does not come; when it is read, the rest comes."""
    backend = nginx.backend("slow", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    serve(
        nginx,
        "http3_stream_buffer_size 16k; client_max_body_size 0;"
        "location /up { proxy_request_buffering off; proxy_http_version 1.1;"
        " proxy_pass http://127.0.0.1:%%PORT_slow%%; }",
    )
    assert backend
    with nginx.http3() as client:
        assert client.quic._remote_max_stream_data_bidi_remote == 16384
        number = client.begin(headers(pseudo("POST", "/up")))
        client.send(number, frames.frame(codes.DATA, b"x" * 300_000), end=True)
        assert client.wait(number).body == b"ok"


def workers_of(nginx: Nginx, clients: list[Http3Client]) -> set[bytes]:
    return {ask(client) for client in clients}


def test_several_workers(nginx: Nginx) -> None:
    serve(nginx, main="worker_processes 3;")
    with ExitStack() as stack:
        clients = [stack.enter_context(nginx.http3()) for _ in range(20)]
        assert len(workers_of(nginx, clients)) > 1
        for client in clients:
            assert len({ask(client) for _ in range(3)}) == 1


@pytest.mark.pyngx_only("without eBPF, nginx loses connections when a client's address changes")
def test_packets_find_their_worker(nginx: Nginx) -> None:
    """The kernel gives the packets of another address to another worker."""
    serve(nginx, main="worker_processes 4;")
    with nginx.http3() as client:
        worker = ask(client)
        for _ in range(6):
            client.socket.close()
            client.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.socket.setblocking(False)
            assert ask(client) == worker


@pytest.mark.pyngx_only("without eBPF, nginx loses connections when workers are replaced")
@pytest.mark.parametrize("count", [1, 2])
def test_a_reload_under_way(nginx: Nginx, count: int) -> None:
    """Requests that have begun come to their end with the old workers, and others go to the new
    ones."""
    main = f"worker_processes {count};"
    body = "x" * 20_000
    nginx.write("html/slow", body)
    slow = "location /slow { limit_rate 10k; root html; }"
    serve(nginx, slow, main=main)
    with ExitStack() as stack:
        clients = [stack.enter_context(nginx.http3()) for _ in range(6)]
        old = workers_of(nginx, clients)
        numbers = [client.open(pseudo(path="/slow")) for client in clients]
        for client, number in zip(clients, numbers, strict=True):
            client.until(lambda c=client, n=number: c.responses[n].body)  # type: ignore[misc]
        nginx.reload(OK + slow, http=TLS, main=main, listen=QUIC)
        with nginx.http3() as client:
            assert ask(client) not in old
        for client, number in zip(clients, numbers, strict=True):
            assert client.wait(number).body.decode() == body
            assert client.wait_end() is not None
            assert client.goaway == number + 4


@pytest.mark.pyngx_only("without eBPF, nginx loses connections when workers are replaced")
def test_a_handshake_during_a_reload(nginx: Nginx) -> None:
    """The second flight of a client goes to the new worker, which hands it over."""
    serve(nginx, main="worker_processes 1;")
    with nginx.http3(connect=False) as client:
        client.quic.connect(client.server, time.monotonic())
        client.flush()
        nginx.wait_for_log("start worker process")
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                held = client.socket.recvfrom(65535)
                break
            except BlockingIOError:
                time.sleep(0.01)
        nginx.send_signal(signal.SIGHUP)
        nginx.wait_for_log("gracefully shutting down")
        client.quic.receive_datagram(*held, time.monotonic())
        client.until(lambda: client.handshake)
        assert client.handshake is not None or client.closed is not None


def test_the_end_of_the_server(nginx: Nginx) -> None:
    """A graceful end waits for requests, and takes their packets."""
    nginx.write("html/slow", "x" * 20_000)
    serve(nginx, "location /slow { limit_rate 10k; root html; }", main="worker_processes 1;")
    with nginx.http3() as client:
        number = client.open(pseudo(path="/slow"))
        client.until(lambda: client.responses[number].body)
        nginx.send_signal(signal.SIGQUIT)
        nginx.wait_for_log("gracefully shutting down")
        assert len(client.wait(number).body) == 20_000
        assert client.wait_end() is not None


def test_several_packets_in_one_call(nginx: Nginx, tmp_path: Path) -> None:
    nginx.write("html/large", "0123456789abcdef" * 20_000)
    serve(nginx, "quic_gso on; location /large { root html; }")
    with nginx.http3() as client:
        response = client.request("GET /large")
        assert response.body == b"0123456789abcdef" * 20_000
