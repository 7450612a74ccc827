"""Listening sockets: words of failures, options, one socket a worker."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyngx_jwt.log import FileTarget, Log, OpenFiles, Severity
from pyngx_jwt.process.sockets import (
    Listening,
    address_key,
    close_dropped,
    configure_sockets,
    give_back,
    open_sockets,
    plan,
    take_over,
)
from pyngx_jwt.process.upgrade import activated_sockets, inherited_sockets

from ..ports import free_port
from .fake import FakeListen
from .server import Server, wait_for

TCP = socket.IPPROTO_TCP
SO_PROTOCOL = 38  # as <linux/socket.h> has it


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "error.log"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    files = OpenFiles()
    log = Log(FileTarget(files.add(str(path)), Severity.DEBUG))
    files.open()
    yield log
    files.close()


@pytest.fixture
def opened(log: Log) -> Iterator[list[Listening]]:
    """Closed at the end; a test puts in what it opens."""
    sockets: list[Listening] = []
    yield sockets
    for listening in sockets:
        listening.close(log)


def said(path: Path) -> list[str]:
    return [line.split(": ", 1)[1] for line in path.read_text().splitlines()]


def test_address_in_use_is_tried_for_some_time(server: Server) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        server.write()
        ended = server.run()
    failed = f"bind() to 127.0.0.1:{server.port} failed (98: Address already in use)"
    told = [f"nginx: [emerg] {failed}"] * 5 + ["nginx: [emerg] still could not bind()"]
    assert (ended.returncode, ended.stderr.splitlines()) == (1, told)
    assert server.log().count("try again to bind() after 500ms") == 5
    assert not (server.prefix / "nginx.pid").exists()


def test_address_that_gets_free_in_time(server: Server) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        server.write(text="one", main={"daemon": True})
        server.process = subprocess.Popen(server.command(), env=server.environment)
        server.logged("try again to bind")
    wait_for("pid file", server.pid)
    assert server.get()[0] == "one"


def test_address_that_is_not_ours(server: Server) -> None:
    server.write(listen=[{"host": "192.0.2.1", "port": 80}])
    ended = server.run()
    message = "bind() to 192.0.2.1:80 failed (99: Cannot assign requested address)"
    assert (ended.returncode, ended.stderr) == (1, f"nginx: [emerg] {message}\n")


def test_file_in_the_place_of_a_unix_socket(server: Server) -> None:
    path = server.prefix / "s"
    path.write_text("mine")
    server.write(listen=[{"host": str(path), "family": int(socket.AF_UNIX)}])
    ended = server.run()
    assert ended.stderr.startswith(f"nginx: [emerg] bind() to unix:{path} failed (98:")
    assert path.read_text() == "mine"


def test_failure_leaves_no_unix_socket_behind(server: Server) -> None:
    path = server.prefix / "s"
    server.write(
        listen=[
            {"host": str(path), "family": int(socket.AF_UNIX)},
            {"host": "192.0.2.1", "port": 80},
        ]
    )
    assert server.run().returncode == 1
    assert not path.exists()


def test_reuseport_gives_each_worker_its_socket(server: Server) -> None:
    server.conf["listen"][0]["reuseport"] = True
    server.start(text="one", main={"worker_processes": 2})
    _all_serve(server, server.workers(2))
    assert _listening(server.port) == 2
    server.write(text="two", main={"worker_processes": 3})
    server.signal(signal.SIGHUP)
    server.logged(r"worker process \d+ exited with code 0$", 2)
    assert _listening(server.port) == 3
    _all_serve(server, server.workers(5)[2:])


def _all_serve(server: Server, workers: list[int]) -> None:
    waited_for = set(workers)

    def none_left() -> bool:
        waited_for.discard(int(server.get()[1]))
        return not waited_for

    wait_for("an answer of each worker", none_left)


def test_reuseport_can_be_added_by_a_reload(server: Server) -> None:
    server.start(text="one", main={"worker_processes": 2})
    server.conf["listen"][0]["reuseport"] = True
    server.write(text="two")
    server.signal(signal.SIGHUP)
    server.logged(r"worker process \d+ exited with code 0$", 2)
    assert _listening(server.port) == 2
    assert server.get()[0] == "two"
    assert "[emerg]" not in server.log()


def _listening(port: int) -> int:
    """How many sockets listen on the port of 127.0.0.1."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return sum(wanted in line for line in Path("/proc/net/tcp").read_text().splitlines())


def test_options_are_set(opened: list[Listening], log: Log, path: Path) -> None:
    listen = FakeListen(
        "127.0.0.1",
        free_port(),
        deferred=True,
        so_keepalive="30m::10",
        rcvbuf=8192,
        sndbuf=16384,
        fastopen=5,
    )
    opened += plan([listen], 1)
    assert open_sockets(opened, log)
    configure_sockets(opened, log)
    assert not path.read_text()
    found = opened[0].socket
    assert found
    assert found.getsockopt(TCP, socket.TCP_DEFER_ACCEPT)
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert found.getsockopt(TCP, socket.TCP_KEEPIDLE) == 1800
    assert found.getsockopt(TCP, socket.TCP_KEEPCNT) == 10
    assert found.getsockopt(TCP, socket.TCP_FASTOPEN) == 5
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * 8192
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 16384
    assert not found.get_inheritable()
    assert not found.getblocking()


@pytest.fixture
def has_multipath() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP).close()
    except (AttributeError, OSError) as error:
        pytest.skip(f"no MPTCP: {error}")


@pytest.mark.usefixtures("has_multipath")
def test_multipath_is_another_socket_at_the_same_address(
    opened: list[Listening], log: Log, path: Path
) -> None:
    listen = FakeListen("127.0.0.1", free_port())
    old = plan([listen], 1)
    assert open_sockets(old, log)
    opened += plan([replace(listen, multipath=True)], 1)
    take_over(opened, old)
    assert open_sockets(opened, log)
    close_dropped(old, log)
    assert not path.read_text() and old[0].socket is None
    found = opened[0].socket
    assert found and found.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL) == socket.IPPROTO_MPTCP
    with socket.create_connection(found.getsockname(), 5):
        found.setblocking(True)
        found.accept()[0].close()
    again = plan([replace(listen, multipath=True)], 1)
    take_over(again, opened)
    assert again[0].socket is found


@pytest.mark.usefixtures("has_multipath")
@pytest.mark.parametrize("reuseport", [False, True])
def test_a_socket_is_not_shared_after_a_reload_that_fails(
    opened: list[Listening], log: Log, reuseport: bool
) -> None:
    listen = FakeListen("127.0.0.1", free_port())
    opened += plan([listen], 1)
    assert open_sockets(opened, log)
    present = opened[0].socket
    assert present
    changed = replace(listen, reuseport=reuseport, multipath=not reuseport)
    new = plan([changed, FakeListen("192.0.2.1", 80)], 2)
    take_over(new, opened)
    assert not open_sockets(new, log)
    assert present.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    give_back(new, opened, log)
    assert not present.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    assert opened[0].socket is present and not opened[0].kept
    with socket.create_connection(("127.0.0.1", listen.port), 5):
        present.setblocking(True)
        present.accept()[0].close()


@pytest.mark.usefixtures("has_multipath")
@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, socket.IPPROTO_MPTCP])
def test_a_socket_of_the_service_manager_is_not_replaced(
    opened: list[Listening], log: Log, protocol: int
) -> None:
    """The manager keeps it open: connections could go where nobody accepts them."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as manager:
        manager.bind(("127.0.0.1", 0))
        manager.listen()
        given = activated_sockets([os.dup(manager.fileno())], log)
        for multipath in (protocol == socket.IPPROTO_TCP, True, False):
            listen = FakeListen("127.0.0.1", manager.getsockname()[1], multipath=multipath)
            opened[:] = plan([listen], 1)
            take_over(opened, given)
            assert open_sockets(opened, log)
            assert opened[0].socket is given[0].socket
            close_dropped(given, log)
            assert not manager.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
            given = list(opened)


def test_options_change_on_an_open_socket(opened: list[Listening], log: Log) -> None:
    listen = FakeListen("127.0.0.1", free_port(), deferred=True)
    old = plan([listen], 1)
    assert open_sockets(old, log)
    configure_sockets(old, log)
    opened += plan([replace(listen, deferred=False, backlog=10)], 1)
    take_over(opened, old)
    assert open_sockets(opened, log)
    configure_sockets(opened, log)
    found = opened[0].socket
    assert found is old[0].socket
    assert found
    assert found.getsockopt(TCP, socket.TCP_DEFER_ACCEPT) == 0


@pytest.mark.parametrize("only", [True, False])
def test_ipv6only(opened: list[Listening], log: Log, only: bool) -> None:
    port = free_port()
    opened += plan([FakeListen("::", port, family=socket.AF_INET6, ipv6only=only)], 1)
    assert open_sockets(opened, log)
    with socket.socket() as client:
        assert (client.connect_ex(("127.0.0.1", port)) == 0) is not only


def test_one_address_however_written() -> None:
    key = address_key(socket.AF_INET6, "::1", 80)
    assert key == address_key(socket.AF_INET6, "0:0::0001", 80)
    assert key != address_key(socket.AF_INET6, "::1", 81)


def test_sockets_named_by_the_variable(opened: list[Listening], log: Log, path: Path) -> None:
    mine = socket.create_server(("127.0.0.1", 0))
    number = mine.detach()
    opened += inherited_sockets(f"{number};4095;x;3;", log)
    assert [x.listen.text for x in opened] == [f"127.0.0.1:{opened[0].listen.port}"]
    variable = "NGINX environment variable"
    assert said(path) == [
        f'using inherited sockets from "{number};4095;x;3;"',
        "getsockname() of the inherited socket #4095 failed (9: Bad file descriptor)",
        f'invalid socket number "x" in {variable}, ignoring the rest of the variable',
    ]
