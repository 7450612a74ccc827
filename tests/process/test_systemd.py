"""A service manager: it opens sockets for us, and is told when we serve."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..wire import DEADLINE
from .server import Server, running, wait_for

# Executes a command with the socket as its third descriptor, as a manager does.
ACTIVATE = """\
import os, sys
number = int(sys.argv[1])
if number != 3:
    os.dup2(number, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=sys.argv[2] or str(os.getpid()), LISTEN_FDNAMES="web")
os.execv(sys.argv[3], sys.argv[3:])
"""


class Told:
    """The manager's end of the notifications."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(DEADLINE)

    def next(self) -> dict[str, str]:
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def told(server: Server, tmp_path: Path) -> Iterator[Told]:
    server.environ["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    told = Told(str(tmp_path / "notify"))
    yield told
    told.socket.close()


@pytest.mark.parametrize("master", [True, False])
def test_a_start_a_reload_and_a_stop_are_reported(server: Server, told: Told, master: bool) -> None:
    pid = server.start(text="one", main={"master_process": master})
    assert told.next() == {"READY": "1", "MAINPID": str(pid), "STATUS": ""}
    server.write(text="two")
    server.signal(signal.SIGHUP)
    reloading = told.next()
    assert reloading.pop("RELOADING") == "1"
    assert int(reloading.pop("MONOTONIC_USEC")) > 0
    assert told.next()["READY"] == "1"
    wait_for("the new configuration alone", lambda: server.get()[0] == "two")
    server.signal(signal.SIGQUIT)
    assert told.next() == {"STOPPING": "1"}


@pytest.mark.parametrize("master", [True, False])
def test_a_reload_that_fails_ends_as_well(server: Server, told: Told, master: bool) -> None:
    server.start(text="one", main={"master_process": master})
    told.next()
    server.write(refuse="no")
    server.signal(signal.SIGHUP)
    assert told.next()["RELOADING"] == "1"
    assert told.next()["STATUS"] == "the new configuration was refused"


def test_names_without_a_file(server: Server, tmp_path: Path) -> None:
    server.environ["NOTIFY_SOCKET"] = f"@{tmp_path}"
    told = Told(f"@{tmp_path}")
    server.start()
    assert told.next()["READY"] == "1"
    told.socket.close()


def activate(server: Server, opened: socket.socket, pid: str = "") -> None:
    server.write(text="one")
    command = [sys.executable, "-c", ACTIVATE, str(opened.fileno()), pid, *server.command()]
    with open(server.prefix / "stderr", "wb") as stderr:
        server.process = subprocess.Popen(
            command, env=server.environment, stderr=stderr, pass_fds=[opened.fileno()]
        )


def test_a_socket_of_the_manager_is_used(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        server.port = opened.getsockname()[1]
        server.conf["listen"] = [{"host": "127.0.0.1", "port": server.port}]
        activate(server, opened)
        assert server.get()[0] == "one"  # not refused before the server was ready
    address = f"127.0.0.1:{server.port}"
    assert server.logged(f"using sockets of the service manager: {address}$")


def test_a_new_binary_knows_whose_a_socket_is(server: Server) -> None:
    path = str(server.prefix / "s")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)
        opened.listen()
        server.conf["listen"].append({"host": path, "family": int(socket.AF_UNIX)})
        server.write(main={"daemon": True})
        activate(server, opened)
        assert server.wait() == 0
        old = server.pid()
        server.signal(signal.SIGUSR2)
        wait_for("old pid file", lambda: server.pid("nginx.pid.oldbin") == old)
        new = wait_for("new pid file", server.pid)
        os.kill(old, signal.SIGQUIT)
        wait_for("old end", lambda: not running(old))
        server.signal(signal.SIGQUIT)
        wait_for("new end", lambda: not running(new))
    assert os.path.exists(path)


def test_the_file_of_its_socket_stays(server: Server) -> None:
    path = str(server.prefix / "s")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)
        opened.listen()
        server.conf["listen"].append({"host": path, "family": int(socket.AF_UNIX)})
        activate(server, opened)
        server.workers()
        server.write(listen=server.conf["listen"][:1], text="two")
        server.signal(signal.SIGHUP)  # nothing listens there any more
        server.workers(2)
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0
    assert os.path.exists(path)


def test_sockets_of_another_process_are_left_alone(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        activate(server, opened, pid="1")
        assert server.workers()
        assert "service manager" not in server.log()
