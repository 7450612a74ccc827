"""What a running master does with signals."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from ..ports import free_port
from ..wire import DEADLINE
from .server import Server, running, wait_for

UNIX = int(socket.AF_UNIX)


def reloaded(server: Server, times: int = 1) -> None:
    """Waits until the old worker has ended, ``times`` reloads after the start."""
    server.logged(r"worker process \d+ exited with code 0$", times)


# HUP


@pytest.mark.parametrize("master", [True, False])
def test_reload_serves_the_new_configuration_in_the_same_process(
    server: Server, master: bool
) -> None:
    pid = server.start(text="one", main={"master_process": master})
    assert server.get()[0] == "one"
    server.write(text="two")
    server.signal(signal.SIGHUP)
    wait_for("new configuration", lambda: server.get()[0] == "two")
    if master:
        reloaded(server)
        old, new = server.workers(2)
        assert (running(old), server.get()[1]) == (False, str(new))
    assert server.pid() == pid
    assert "[alert]" not in server.log()


@pytest.mark.parametrize("master", [True, False])
def test_bad_configuration_keeps_the_old_one(server: Server, master: bool) -> None:
    server.start(text="one", main={"master_process": master})
    before = server.get()
    server.write(refuse="nonsense")
    server.signal(signal.SIGHUP)
    server.logged(r"\[emerg\] .*: nonsense in .*/nginx\.conf:1$")
    assert server.get() == before
    assert server.pid() == int(before[1]) or master
    server.signal(signal.SIGQUIT)
    assert server.wait() == 0


def test_bug_in_the_new_configuration_keeps_the_old_one(server: Server) -> None:
    server.start(text="one")
    server.write(bug="told to fail")
    server.signal(signal.SIGHUP)
    server.logged("^RuntimeError: told to fail$")
    assert server.get()[0] == "one"


def test_workers_that_cannot_start_do_not_replace_those_that_serve(server: Server) -> None:
    server.start(text="one")
    server.write(text="two", crash="at once")
    server.signal(signal.SIGHUP)
    server.logged(r"\[alert\] .*: no new worker process serves, old ones are kept$")
    assert server.get()[0] == "one"
    server.write(text="three", crash="")
    server.signal(signal.SIGHUP)
    wait_for("new configuration", lambda: server.get()[0] == "three")
    reloaded(server)


def test_reload_binds_new_sockets_and_closes_dropped_ones(server: Server) -> None:
    server.start(text="one")
    port = free_port()
    server.write(text="two", listen=[{"host": "127.0.0.1", "port": port}])
    server.signal(signal.SIGHUP)
    wait_for("new socket", lambda: _answers(server, port))
    reloaded(server)
    assert not _answers(server, server.port)


def _answers(server: Server, port: int) -> bool:
    try:
        return bool(server.get(port=port))
    except ConnectionRefusedError:
        return False


def test_address_in_use_refuses_the_reload(server: Server) -> None:
    server.start(text="one")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server.conf["listen"].append({"host": "127.0.0.1", "port": port})
        server.write(text="two")
        server.signal(signal.SIGHUP)
        server.logged("still could not bind")
    failed = rf"\[emerg\] .*: bind\(\) to 127.0.0.1:{port} failed \(98: Address already in use\)$"
    assert len(server.logged(failed)) == 5
    assert server.get()[0] == "one"


def test_dropped_unix_socket_loses_its_file(server: Server) -> None:
    path = server.prefix / "s"
    tcp = server.conf["listen"]
    server.start(listen=[*tcp, {"host": str(path), "family": UNIX}])
    assert path.stat().st_mode & 0o777 == 0o666
    server.write(listen=tcp)
    server.signal(signal.SIGHUP)
    server.logged(rf"\[warn\] .*: deleting socket {path}$")
    assert not path.exists()


def test_pid_file_moves_with_the_configuration(server: Server) -> None:
    pid = server.start()
    server.write(main={"pid": "other.pid"})
    server.signal(signal.SIGHUP)
    wait_for("pid file", lambda: server.pid("other.pid"))
    wait_for("old pid file", lambda: not (server.prefix / "nginx.pid").exists())
    assert server.pid("other.pid") == pid
    os.kill(pid, signal.SIGQUIT)
    assert server.wait() == 0
    assert not (server.prefix / "other.pid").exists()


def test_number_of_workers_changes(server: Server) -> None:
    server.start(main={"worker_processes": 1})
    server.workers()
    server.write(main={"worker_processes": 3})
    server.signal(signal.SIGHUP)
    server.workers(4)
    reloaded(server)
    assert sum(map(running, server.workers(4))) == 3


@pytest.mark.parametrize("master", [True, False])
def test_no_request_is_lost_over_reloads(server: Server, master: bool) -> None:
    server.start(text="0", main={"worker_processes": 2, "master_process": master})
    answers: list[str] = []
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            try:
                answers.append(server.get()[0])
            except OSError as error:
                answers.append(repr(error))
            time.sleep(0.005)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for number in range(4):
            if number:
                server.write(text=str(number))
                server.signal(signal.SIGHUP)
            wait_for(f"configuration {number}", partial(answers.__contains__, str(number)))
            time.sleep(0.1)  # lets old workers end under load
        wait_for("a hundred answers", lambda: len(answers) > 100)
    finally:
        stopped.set()
        for client in clients:
            client.join(DEADLINE)
    assert set(answers) == {"0", "1", "2", "3"}


def test_a_request_in_flight_is_answered_by_the_old_worker(server: Server) -> None:
    server.start(text="one")
    go = server.prefix / "go"
    with server.connect() as client:
        client.sendall(f"GET /wait{go} HTTP/1.1\r\n\r\n".encode())
        assert server.get()[0] == "one"
        server.write(text="two")
        server.signal(signal.SIGHUP)
        server.logged("gracefully shutting down")
        assert server.get()[0] == "two"
        go.touch()
        assert client.recv(4096).endswith(f"one {server.workers()[0]} 0".encode())
    reloaded(server)


# USR1


@pytest.mark.parametrize("master", [True, False])
def test_logs_are_reopened_by_all(server: Server, master: bool) -> None:
    server.start(access_log="access.log", main={"master_process": master})
    server.get("/before")
    for name in ("access.log", "error.log"):
        (server.prefix / name).rename(server.prefix / f"{name}.1")
    server.get("/between")
    server.signal(signal.SIGUSR1)
    access = server.prefix / "access.log"
    wait_for("reopened", lambda: access.exists() and server.get("/after") and access.read_text())
    assert (server.prefix / "access.log.1").read_text().startswith("/before\n/between\n")
    assert set(access.read_text().split()) == {"/after"}
    told = (server.prefix / "error.log.1").read_text()
    assert told.count("reopening logs") == (3 if master else 2)  # with the signal's own line


# workers that end


def test_killed_worker_is_replaced(server: Server) -> None:
    server.start(text="one")
    first = int(server.get()[1])
    os.kill(first, signal.SIGKILL)
    server.logged(rf"\[alert\] .*: worker process {first} exited on signal 9$")
    second = server.workers(2)[1]
    assert server.get() == ["one", str(second), "0"]


def test_terminated_worker_is_replaced(server: Server) -> None:
    server.start()
    first = server.workers()[0]
    server.get()
    os.kill(first, signal.SIGTERM)
    server.logged(rf"\[notice\] .*: worker process {first} exited with code 0$")
    server.workers(2)


def test_worker_that_returns_is_replaced_but_not_at_once(server: Server) -> None:
    server.start(crash="return")
    started = time.monotonic()
    server.workers(4)
    assert time.monotonic() - started > 1.0
    server.logged("the server returned without being asked to")


# USR2, WINCH


def test_new_binary_takes_over(server: Server) -> None:
    path = server.prefix / "s"
    server.conf["listen"].append({"host": str(path), "family": UNIX})
    old = server.start_daemon(text="one")
    server.write(text="two")
    server.signal(signal.SIGUSR2)
    wait_for("old pid file", lambda: server.pid("nginx.pid.oldbin") == old)
    new = wait_for("new pid file", server.pid)
    assert new != old
    server.logged('using inherited sockets from "[0-9;]+"$')
    server.logged("taken over: one$")
    os.kill(new, signal.SIGUSR2)
    server.logged("the changing binary signal is ignored")
    os.kill(old, signal.SIGQUIT)
    wait_for("old end", lambda: not running(old))
    assert not (server.prefix / "nginx.pid.oldbin").exists()
    assert path.is_socket()
    assert server.get()[0] == "two"
    server.signal(signal.SIGQUIT)
    wait_for("new end", lambda: not running(new))
    assert not path.exists()
    assert not (server.prefix / "nginx.pid").exists()
    assert "[alert]" not in server.log()


def test_new_binary_that_cannot_start(server: Server) -> None:
    old = server.start_daemon(text="one")
    server.write(refuse="nonsense")
    server.signal(signal.SIGUSR2)
    server.logged(r"new binary process \d+ exited with code 1$")
    wait_for("pid file back", lambda: server.pid() == old)
    assert server.get()[0] == "one"


@pytest.mark.parametrize("crash", ["hand over", "take over"])
def test_new_binary_that_knows_nothing(server: Server, crash: str) -> None:
    """It starts all the same."""
    old = server.start_daemon(text="one", crash=crash)
    server.signal(signal.SIGUSR2)
    wait_for("old pid file", lambda: server.pid("nginx.pid.oldbin") == old)
    new = wait_for("new pid file", server.pid)
    server.logged(f"RuntimeError: {crash}")
    os.kill(old, signal.SIGQUIT)
    wait_for("old end", lambda: not running(old))
    assert server.get()[0] == "one"
    assert running(new)


def test_going_back_to_the_old_binary(server: Server) -> None:
    old = server.start_daemon(text="one")
    server.write(text="two")
    server.signal(signal.SIGUSR2)
    wait_for("old pid file", lambda: server.pid("nginx.pid.oldbin") == old)
    new = wait_for("new pid file", server.pid)
    os.kill(old, signal.SIGWINCH)
    wait_for("old workers", lambda: server.get()[0] == "two" and server.get()[0] == "two")
    server.logged(r"worker process \d+ exited with code 0$")
    os.kill(new, signal.SIGQUIT)
    wait_for("old pid file back", lambda: server.pid() == old)
    wait_for("old workers back", lambda: _answers(server, server.port) and server.get()[0] == "one")


def test_workers_stop_without_the_master(server: Server) -> None:
    pid = server.start_daemon(text="one", main={"worker_processes": 2})
    workers = server.workers(2)
    server.signal(signal.SIGWINCH)
    wait_for("end of workers", lambda: not any(map(running, workers)))
    assert running(pid)
    server.signal(signal.SIGHUP)
    wait_for("new workers", lambda: server.get()[0] == "one")


def test_foreground_process_does_not_stop_its_workers(server: Server) -> None:
    server.start(text="one")
    server.get()
    server.signal(signal.SIGWINCH)
    server.logged(r"signal 28 \(SIGWINCH\) received$")
    server.signal(signal.SIGUSR2)
    server.logged(r"signal 12 \(SIGUSR2\) received, ignoring$")
    assert server.get()[0] == "one"
    assert len(server.workers()) == 1


# -s


def test_signals_are_sent_by_the_pid_file(server: Server) -> None:
    server.start(text="one")
    server.write(text="two")
    for name, expected in (
        ("reload", "reconfiguring"),
        ("reopen", "reopening logs"),
        ("quit", r"signal 3 \(SIGQUIT\) received, shutting down"),
    ):
        sent = server.run("-s", name)
        assert (sent.returncode, sent.stderr) == (0, "")
        server.logged(expected)
    assert server.wait() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, '[error] open() "{}" failed (2: No such file or directory)'),
        ("\n", '[error] invalid PID number "" in "{}"'),
        ("x1\n", '[error] invalid PID number "x1" in "{}"'),
        ("4194305\n", "[alert] kill(4194305, 1) failed (3: No such process)"),
    ],
)
def test_pid_file_that_does_not_help(server: Server, content: str | None, message: str) -> None:
    server.write()
    path = Path(server.prefix / "nginx.pid")
    if content is not None:
        path.write_text(content)
    sent = server.run("-s", "reload")
    assert (sent.returncode, sent.stderr) == (1, f"nginx: {message.format(path)}\n")
