"""``-t`` and ``-T``."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from .server import Server


@pytest.fixture
def conf(server: Server) -> Path:
    return server.prefix / "nginx.conf"


def test_good_configuration(server: Server, conf: Path) -> None:
    server.write()
    tested = server.run("-t")
    assert (tested.returncode, tested.stdout) == (0, "")
    assert tested.stderr.splitlines() == [
        f"nginx: the configuration file {conf} syntax is ok",
        f"nginx: configuration file {conf} test is successful",
    ]


def test_quiet(server: Server) -> None:
    server.write(warn="something odd")
    tested = server.run("-tq")
    assert (tested.returncode, tested.stderr) == (0, "nginx: [warn] something odd\n")


def test_bad_configuration(server: Server, conf: Path) -> None:
    server.write(refuse="nonsense")
    for options in (["-t"], ["-T"], ["-tq"]):
        tested = server.run(*options)
        assert (tested.returncode, tested.stdout) == (1, "")
        assert tested.stderr.splitlines() == [
            f"nginx: [emerg] nonsense in {conf}:1",
            f"nginx: configuration file {conf} test failed",
        ]


def test_syntax_is_ok_but_the_log_cannot_be_opened(server: Server, conf: Path) -> None:
    server.write(error_log="none/x")
    tested = server.run("-t")
    reason = f'open() "{server.prefix}/none/x" failed (2: No such file or directory)'
    assert tested.returncode == 1
    assert tested.stderr.splitlines() == [
        f"nginx: the configuration file {conf} syntax is ok",
        f"nginx: [emerg] {reason}",
        f"nginx: configuration file {conf} test failed",
    ]


def test_dump(server: Server, conf: Path) -> None:
    server.write(text="é")
    dumped = server.run("-T", "-q")
    assert (dumped.returncode, dumped.stderr) == (0, "")
    assert dumped.stdout == f"# configuration file {conf}:\n{conf.read_text()}\n"


def test_sockets_of_the_running_server_do_no_harm(server: Server) -> None:
    path = str(server.prefix / "s")
    server.conf["listen"].append({"host": path, "family": int(socket.AF_UNIX)})
    server.start(text="one")
    assert server.run("-tq").returncode == 0
    assert (server.prefix / "s").is_socket()
    assert server.get()[0] == "one"


def test_address_that_is_not_ours(server: Server) -> None:
    server.write(listen=[{"host": "192.0.2.1", "port": 80}])
    tested = server.run("-tq")
    assert tested.returncode == 1
    assert "[emerg] bind() to 192.0.2.1:80 failed (99:" in tested.stderr


def test_leaves_no_unix_socket_behind(server: Server) -> None:
    path = server.prefix / "s"
    server.write(listen=[{"host": str(path), "family": int(socket.AF_UNIX)}])
    assert server.run("-tq").returncode == 0
    assert not path.exists()


def test_pid_file_that_could_not_be_written(server: Server) -> None:
    server.write(main={"pid": "none/nginx.pid"})
    tested = server.run("-tq")
    assert tested.returncode == 1
    assert f'[emerg] open() "{server.prefix}/none/nginx.pid" failed (2:' in tested.stderr


def test_pid_of_the_running_server_stays(server: Server) -> None:
    pid = server.start()
    assert server.run("-tq").returncode == 0
    assert server.pid() == pid
