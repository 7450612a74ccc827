"""Connections that are passed on to upstreams by "stream"."""

from __future__ import annotations

import os
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pyngx_jwt.stream.proxy_header import crc32c

from ..backend import Peer, Script
from ..nameserver import Records
from ..nginx import Nginx
from ..process.server import wait_for
from ..wire import DEADLINE, Wire

LOCAL = "listen 127.0.0.1:%%PORT_a%%;"
TO_B = "proxy_pass 127.0.0.1:%%PORT_b%%;"


def echo(peer: Peer) -> None:
    """Sends back what it gets, to the end."""
    while data := peer.socket.recv(65536):
        peer.log += data
        peer.send(data)


def saying(text: bytes) -> Script:
    """A script that sends a text and closes."""
    return lambda peer: peer.send(text)


def hear(peer: Peer) -> None:
    """Reads to the end."""
    peer.rest()


@contextmanager
def connected(nginx: Nginx, port: str = "a") -> Iterator[Wire]:
    with nginx.connect(port) as conversation:
        yield conversation.wire


def test_bytes_both_ways(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    with connected(nginx) as wire:
        for text in (b"one", b"two" * 50_000, b"\0\xff"):
            wire.send(text)
            assert wire.exactly(len(text)) == text


def test_what_the_upstream_says_first(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"220 hello\r\n"))
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    assert nginx.raw(b"", "a") == b"220 hello\r\n"


def test_variables_of_upstreams(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"12345"))
    nginx.stream(f"""
        log_format line "$upstream_addr|$upstream_bytes_sent|$upstream_bytes_received|$status";
        log_format times "$upstream_connect_time $upstream_first_byte_time $upstream_session_time";
        access_log logs/access.log line;
        access_log logs/times.log times;
        upstream u {{ server 127.0.0.1:%%PORT_gone%%; server 127.0.0.1:%%PORT_b%%; }}
        server {{ {LOCAL} proxy_pass u; }}
        """)
    assert nginx.raw(b"abc", "a") == b"12345"
    gone, there = (f"127.0.0.1:{nginx.port(name)}" for name in ("gone", "b"))
    assert nginx.access_log(1) == [f"{gone}, {there}|0, 3|0, 5|200"]
    (times,) = nginx.access_log(1, "times.log")
    assert times.startswith("-, 0.")


def test_next_upstream_off(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"x"))
    nginx.stream(f"""
        log_format status $status;
        access_log logs/access.log status;
        upstream u {{ server 127.0.0.1:%%PORT_gone%%; server 127.0.0.1:%%PORT_b%%; }}
        server {{ {LOCAL} proxy_pass u; proxy_next_upstream off; }}
        """)
    assert nginx.raw(b"", "a") == b""
    assert nginx.raw(b"", "a") == b"x"
    assert nginx.access_log(2) == ["502", "200"]


def test_tries_are_limited(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"x"))
    nginx.stream(f"""
        upstream u {{
            server 127.0.0.1:%%PORT_gone%% max_fails=0;
            server 127.0.0.1:%%PORT_away%% max_fails=0;
            server 127.0.0.1:%%PORT_b%% backup;
        }}
        proxy_next_upstream_timeout 1m;
        server {{ {LOCAL} proxy_pass u; proxy_next_upstream_tries 2; }}
        server {{ listen 127.0.0.1:%%PORT_c%%; proxy_pass u; proxy_next_upstream_tries 3; }}
        """)
    assert nginx.raw(b"", "a") == b""
    assert nginx.raw(b"", "c") == b"x"


def test_no_live_upstreams(nginx: Nginx) -> None:
    nginx.stream(f"""
        log_format line "$upstream_addr $status";
        access_log logs/access.log line;
        upstream u {{ server 127.0.0.1:%%PORT_gone%% down; server 127.0.0.1:%%PORT_gone%% down; }}
        server {{ {LOCAL} proxy_pass u; }}
        """)
    assert nginx.raw(b"", "a") == b""
    nginx.wait_for_log(r"\[error\] .* no live upstreams while connecting to upstream, client: ")
    assert nginx.access_log(1) == ["u 502"]


def test_a_server_that_is_disabled_is_logged(nginx: Nginx) -> None:
    nginx.stream(f"""
        upstream u {{ server 127.0.0.1:%%PORT_gone%%; server 127.0.0.2:%%PORT_gone%%; }}
        server {{ {LOCAL} proxy_pass u; }}
        """)
    assert nginx.raw(b"", "a") == b""
    there = nginx.port("gone")
    line = nginx.wait_for_log(r"\[warn\] .*temporarily disabled.*127\.0\.0\.2")
    assert "upstream server temporarily disabled while connecting to upstream, client: " in line
    assert f'upstream: "127.0.0.2:{there}", bytes from/to client:0/0' in line


def test_a_server_that_refuses(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {LOCAL} proxy_pass 127.0.0.1:%%PORT_gone%%; }}")
    assert nginx.raw(b"", "a") == b""
    line = nginx.wait_for_log("refused")
    there, here = nginx.port("gone"), nginx.port("a")
    assert line.endswith(
        "connect() failed (111: Connection refused) while connecting to upstream, "
        f"client: 127.0.0.1, server: 127.0.0.1:{here}, "
        f'upstream: "127.0.0.1:{there}", '
        "bytes from/to client:0/0, bytes from/to upstream:0/0"
    )


def test_a_server_that_does_not_accept(nginx: Nginx) -> None:
    """Its queue is full: nothing answers."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    nginx.stream(
        f"server {{ {LOCAL} proxy_pass 127.0.0.1:{full.getsockname()[1]};"
        " proxy_connect_timeout 200ms; }"
    )
    assert nginx.raw(b"", "a") == b""
    nginx.wait_for_log(r"upstream timed out \(110: .* timed out\) while connecting")
    for one in (full, *waiting):
        one.close()


def test_a_server_that_resets(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.exactly(3)
        peer.reset()

    nginx.backend("b", script)
    nginx.stream(f"""
        log_format status $status; access_log logs/access.log status;
        server {{ {LOCAL} {TO_B} }}
        """)
    assert nginx.raw(b"abc", "a") == b""
    nginx.wait_for_log(r"recv\(\) failed \(104: Connection reset by peer\)")
    assert nginx.access_log(1) == ["200"]


def test_a_client_that_resets(nginx: Nginx) -> None:
    backend = nginx.backend("b", echo)
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    with connected(nginx) as wire:
        wire.send(b"abc")
        wire.exactly(3)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert backend.connections(1) == ["abc"]


def test_half_closed(nginx: Nginx) -> None:
    """What comes after the client has ended its side is still passed on."""

    def script(peer: Peer) -> None:
        assert peer.rest() == b"all of it"
        peer.send(b"the answer")

    nginx.backend("b", script)
    nginx.stream(f"server {{ {LOCAL} {TO_B} proxy_half_close on; }}")
    with connected(nginx) as wire:
        wire.send(b"all of it")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b"the answer"


def test_not_half_closed(nginx: Nginx) -> None:
    """By default the session ends with the client's side."""
    backend = nginx.backend("b", hear)
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    with connected(nginx) as wire:
        wire.send(b"all of it")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.closed()
    assert backend.connections(1) == ["all of it"]
    nginx.wait_for_log(r"client disconnected, bytes from/to client:9/0, bytes from/to upstream:0/9")


def test_timeout(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    nginx.stream(f"""
        log_format status $status; access_log logs/access.log status;
        server {{ {LOCAL} {TO_B} proxy_timeout 1s; }}
        """)
    with connected(nginx) as wire:
        wire.send(b"abc")
        assert wire.exactly(3) == b"abc"
        assert wire.closed()
    nginx.wait_for_log(
        r"\[info\] .* connection timed out \(110: .* timed out\) while proxying connection, client"
    )
    assert nginx.access_log(1) == ["200"]


@pytest.mark.parametrize("directive", ["proxy_upload_rate", "proxy_download_rate"])
def test_rate(nginx: Nginx, directive: str) -> None:
    """All of it comes, in pieces."""
    nginx.backend("b", echo)
    nginx.stream(f"""
        map $server_port $rate {{ default 300; }}
        server {{ {LOCAL} {TO_B} {directive} $rate; }}
        """)
    with connected(nginx) as wire:
        wire.send(b"x" * 700)
        assert not wire.buffer
        assert wire.exactly(700) == b"x" * 700


def test_sizes_of_buffers(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    nginx.stream(f"""
        proxy_buffer_size 1k;
        proxy_socket_keepalive on;
        server {{ {LOCAL} {TO_B} }}
        server {{ listen 127.0.0.1:%%PORT_c%%; {TO_B} proxy_downstream_buffer 2k; }}
        server {{ listen 127.0.0.1:%%PORT_d%%; {TO_B} proxy_upstream_buffer 2k; }}
        """)
    for port in ("a", "c", "d"):
        with connected(nginx, port) as wire:
            wire.send(b"y" * 100_000)
            assert wire.exactly(100_000) == b"y" * 100_000


def test_old_names_are_reported(nginx: Nginx) -> None:
    found = nginx.accepts(main="stream { proxy_downstream_buffer 2k; }")
    assert (
        'the "proxy_downstream_buffer" directive is deprecated, '
        'use the "proxy_buffer_size" directive instead in '
    ) in found


def test_bind(nginx: Nginx) -> None:
    nginx.stream(f"""
        server {{ {LOCAL} {TO_B} proxy_bind 127.0.0.2; }}
        server {{ listen 127.0.0.1:%%PORT_c%%; {TO_B} proxy_bind $address;
                  set $address 127.0.0.3; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; return $remote_addr; }}
        """)
    assert nginx.raw(b"", "a") == b"127.0.0.2"
    assert nginx.raw(b"", "c") == b"127.0.0.3"


@pytest.mark.pyngx_only("NGINX Plus has it")
def test_bind_again_for_each_server(nginx: Nginx) -> None:
    """By default the address is determined once."""
    nginx.stream(f"""
        map $upstream_addr $address {{ volatile; default 127.0.0.2; ~, 127.0.0.3; }}
        upstream u {{ server 127.0.0.1:%%PORT_gone%%; server 127.0.0.1:%%PORT_b%%; }}
        server {{ {LOCAL} proxy_pass u; proxy_bind $address; proxy_bind_dynamic on; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; return $remote_addr; }}
        """)
    assert nginx.raw(b"", "a") == b"127.0.0.3"


def test_variables_name_the_upstream(nginx: Nginx) -> None:
    nginx.stream(f"""
        upstream group {{ server 127.0.0.1:%%PORT_b%%; }}
        map $remote_addr $where {{ default group; }}
        server {{ {LOCAL} proxy_pass $where; }}
        server {{ listen 127.0.0.1:%%PORT_c%%; proxy_pass 127.0.0.1:$to; set $to %%PORT_b%%; }}
        server {{ listen 127.0.0.1:%%PORT_d%%; proxy_pass $nowhere; set $nowhere no.such.name:1; }}
        server {{ listen 127.0.0.1:%%PORT_e%%; proxy_pass $nowhere; set $nowhere 127.0.0.1; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; listen unix:%%DIR%%/s; return here; }}
        server {{ listen 127.0.0.1:%%PORT_f%%; proxy_pass unix:%%DIR%%/s; }}
        """)
    for port in ("a", "c", "f"):
        assert nginx.raw(b"", port) == b"here"
    assert nginx.raw(b"", "d") == b""
    nginx.wait_for_log(r"no resolver defined to resolve no\.such\.name")
    assert nginx.raw(b"", "e") == b""
    nginx.wait_for_log(r'no port in upstream "127\.0\.0\.1"')


def test_resolver(nginx: Nginx) -> None:
    nginx.names("dns", {"a.example": Records(("127.0.0.1",))})
    nginx.stream(f"""
        resolver 127.0.0.1:%%PORT_dns%% ipv6=off;
        resolver_timeout 5s;
        server {{ {LOCAL} set $name a.example; proxy_pass $name:%%PORT_b%%; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; return here; }}
        """)
    assert nginx.raw(b"", "a") == b"here"


@pytest.mark.parametrize(
    ("method", "ports"),
    [
        ("", "bcbcbc"),
        ("hash $remote_addr;", "cccccc"),
        ("hash $remote_addr consistent;", ""),
        ("least_conn;", "bcbcbc"),
        ("least_time connect;", ""),
        ("least_time first_byte inflight;", ""),
        ("least_time last_byte;", ""),
        ("random;", ""),
        ("random two least_conn;", ""),
        ("zone z 64k;", "bcbcbc"),
    ],
)
def test_methods_of_balancing(nginx: Nginx, method: str, ports: str) -> None:
    nginx.stream(f"""
        upstream u {{ {method} server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%%; }}
        server {{ {LOCAL} proxy_pass u; }}
        server {{ listen 127.0.0.1:%%PORT_b%%; return b; }}
        server {{ listen 127.0.0.1:%%PORT_c%%; return c; }}
        """)
    found = b"".join(nginx.raw(b"", "a") for _ in range(6)).decode()
    assert set(found) <= set("bc") and len(found) == 6
    if ports and "hash" not in method:
        assert found in (ports, ports[::-1])
    if "hash" in method:
        assert len(set(found)) == 1


def test_limits_of_a_server(nginx: Nginx) -> None:
    """The second connection at a time goes to the backup."""
    nginx.backend("b", echo)
    nginx.stream(f"""
        upstream u {{
            zone u 64k;
            server 127.0.0.1:%%PORT_b%% max_conns=1;
            server 127.0.0.1:%%PORT_c%% backup;
        }}
        server {{ {LOCAL} proxy_pass u; }}
        server {{ listen 127.0.0.1:%%PORT_c%%; return backup; }}
        """)
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"
        assert nginx.raw(b"", "a") == b"backup"


# -- the PROXY protocol ----------------------------------------------------------------------


def test_header_of_version_1(nginx: Nginx) -> None:
    def script(peer: Peer) -> None:
        peer.until(b"end")

    backend = nginx.backend("b", script)
    nginx.stream(f"server {{ {LOCAL} {TO_B} proxy_protocol on; }}")
    with connected(nginx) as wire:
        port = wire.socket.getsockname()[1]
        wire.send(b"end")
        wire.closed()
    here = nginx.port("a")
    assert backend.connections(1) == [f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {here}\r\nend"]


@pytest.mark.pyngx_only("nginx has it since 1.31.4")
def test_header_of_version_2(nginx: Nginx) -> None:
    nginx.stream(f"""
        server {{ {LOCAL} proxy_pass 127.0.0.1:%%PORT_b%%; proxy_protocol v2; }}
        server {{ listen 127.0.0.1:%%PORT_b%% proxy_protocol;
                  return "$proxy_protocol_addr $proxy_protocol_server_port"; }}
        """)
    assert nginx.raw(b"", "a") == f"127.0.0.1 {nginx.port('a')}".encode()


def test_checksum() -> None:
    """The examples of RFC 3720, B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


@pytest.mark.pyngx_only("nginx has it since 1.31.4")
def test_header_of_version_2_by_bytes(nginx: Nginx) -> None:
    backend = nginx.backend("b", hear)
    nginx.stream(f"server {{ {LOCAL} {TO_B} proxy_protocol v2; }}")
    with connected(nginx) as wire:
        port = wire.socket.getsockname()[1]
        wire.send(b"end")
    got = backend.connections(1)[0].encode("latin-1")
    ends = b"\x7f\0\0\1\x7f\0\0\1" + struct.pack("!HH", port, nginx.port("a"))
    head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13" + ends + b"\3\0\4"
    assert got == head + crc32c(head + bytes(4)).to_bytes(4) + b"end"


# -- much at once ----------------------------------------------------------------------------


@pytest.mark.pyngx_only("the memory of nginx is not ours to bound")
def test_a_client_that_reads_nothing(nginx: Nginx) -> None:
    """The upstream has to wait: what it could send is not kept."""
    sent, stopped = [0], threading.Event()

    def flood(peer: Peer) -> None:
        peer.socket.settimeout(1)
        try:
            while sent[0] < 100 << 20:
                sent[0] += peer.socket.send(b"x" * 65536)
        except TimeoutError:
            stopped.set()

    nginx.backend("b", flood)
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    with connected(nginx) as wire:  # what the first one costs is kept
        wire.exactly(1 << 20)
    sent[0] = 0
    before = memory(nginx)
    with connected(nginx) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert stopped.wait(DEADLINE)
        assert sent[0] < 32 << 20  # what the buffers of the kernel hold
        assert memory(nginx) - before < 4 << 20


def memory(nginx: Nginx) -> int:
    """Bytes of resident memory of all its processes."""
    master = nginx.pid()
    with open(f"/proc/{master}/task/{master}/children") as file:
        processes = [master, *map(int, file.read().split())]
    pages = 0
    for process in processes:
        with open(f"/proc/{process}/statm") as file:
            pages += int(file.read().split()[1])
    return pages * resource.getpagesize()


def descriptors(nginx: Nginx) -> int:
    """Open files of its workers."""
    master = nginx.pid()
    with open(f"/proc/{master}/task/{master}/children") as file:
        return sum(len(os.listdir(f"/proc/{process}/fd")) for process in file.read().split())


def test_a_thousand_connections_leave_nothing_open(nginx: Nginx) -> None:
    nginx.backend("b", saying(b"x"))
    nginx.stream(f"""
        log_format status $status; access_log logs/access.log status;
        server {{ {LOCAL} {TO_B} }}
        """)
    assert nginx.raw(b"", "a") == b"x"
    nginx.access_log(1)
    before = descriptors(nginx)
    for _ in range(1000):
        assert nginx.raw(b"", "a") == b"x"
    nginx.access_log(1001)
    wait_for("the last to be closed", lambda: descriptors(nginx) <= before)


def test_a_client_that_sends_nothing(nginx: Nginx) -> None:
    """It does not keep others waiting, and costs no more than its timeout."""
    nginx.backend("b", echo)
    nginx.stream(f"server {{ {LOCAL} {TO_B} proxy_timeout 1s; }}")
    with connected(nginx) as silent, connected(nginx) as other:
        other.send(b"x")
        assert other.exactly(1) == b"x"
        assert silent.closed()


def test_worker_shutdown_timeout(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    text = f"server {{ {LOCAL} {TO_B} }}"
    nginx(main=f"worker_shutdown_timeout 300ms; stream {{ {text} }}")
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"
        nginx.reload(main=f"worker_shutdown_timeout 300ms; stream {{ {text} }}")
        assert wire.closed()


def test_connections_outlast_a_reload(nginx: Nginx) -> None:
    nginx.backend("b", echo)
    nginx.stream(f"server {{ {LOCAL} {TO_B} }}")
    with connected(nginx) as wire:
        wire.send(b"x")
        assert wire.exactly(1) == b"x"
        nginx.reload(main=f"stream {{ server {{ {LOCAL} return new; }} }}")
        assert nginx.raw(b"", "a") == b"new"
        wire.send(b"y")
        assert wire.exactly(1) == b"y"
