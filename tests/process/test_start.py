"""Starting and stopping, in the foreground and as a daemon."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from .server import Server, running, wait_for

UNIX = int(socket.AF_UNIX)


def test_foreground_process_is_the_master(server: Server) -> None:
    pid = server.start(text="one")
    assert server.process
    assert pid == server.process.pid
    text, served_by, _ = server.get()
    assert text == "one"
    assert [int(served_by)] == server.workers()
    assert (server.prefix / "nginx.pid").read_text() == f"{pid}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("master", [True, False])
def test_stops_and_leaves_nothing(server: Server, number: signal.Signals, master: bool) -> None:
    path = str(server.prefix / "s")
    server.conf["listen"].append({"host": path, "family": UNIX})
    server.start(main={"master_process": master})
    assert server.get()
    assert (server.prefix / "s").is_socket()
    server.signal(number)
    assert server.wait() == 0
    assert not (server.prefix / "nginx.pid").exists()
    assert not (server.prefix / "s").exists()
    assert "[notice]" in server.logged(r"^.*: exit$")[0]
    assert "[alert]" not in server.log()
    assert "[emerg]" not in server.log()


def test_says_what_nginx_says(server: Server) -> None:
    server.start()
    server.get()
    server.signal(signal.SIGQUIT)
    server.wait()
    worker = server.workers()[0]
    said = [line.split(": ", 1)[1] for line in server.log().splitlines()]
    assert said[:2] == ['using the "epoll" event method', "nginx/1.31.5"]
    assert [x for x in said if "process" in x or "signal" in x or "ing" in x][1:] == [
        "start worker processes",
        f"start worker process {worker}",
        "signal 3 (SIGQUIT) received, shutting down",
        "gracefully shutting down",
        "exiting",
        "signal 17 (SIGCHLD) received",
        f"worker process {worker} exited with code 0",
    ]


def test_daemon_serves_when_the_command_returns(server: Server) -> None:
    pid = server.start_daemon(text="one")
    with server.connect():
        pass
    assert server.get()[0] == "one"
    for number in (0, 1):
        assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/fd/2") == str(server.prefix / "error.log")
    assert os.getsid(pid) == pid
    server.signal(signal.SIGQUIT)
    wait_for("end", lambda: not running(pid))


def test_daemon_in_a_single_process(server: Server) -> None:
    pid = server.start_daemon(text="one", main={"master_process": False})
    assert server.get() == ["one", str(pid), "0"]
    server.signal(signal.SIGQUIT)
    wait_for("end", lambda: not running(pid))


def test_daemon_that_cannot_write_its_pid_file_fails(server: Server) -> None:
    path = server.prefix / "s"
    server.conf["listen"].append({"host": str(path), "family": UNIX})
    server.write(main={"daemon": True, "pid": "none/nginx.pid"})
    ended = server.run()
    assert not path.exists()
    reason = f'open() "{server.prefix}/none/nginx.pid" failed (2: No such file or directory)'
    assert (ended.returncode, ended.stderr) == (1, f"nginx: [emerg] {reason}\n")


def test_bad_configuration_leaves_no_pid_file(server: Server) -> None:
    server.write(refuse='unknown directive "x"')
    ended = server.run()
    message = f'[emerg] unknown directive "x" in {server.prefix}/nginx.conf:1'
    assert (ended.returncode, ended.stderr) == (1, f"nginx: {message}\n")
    assert not (server.prefix / "nginx.pid").exists()
    assert 'unknown directive "x"' in server.log()


def test_log_that_cannot_be_opened(server: Server) -> None:
    server.write(error_log="none/error.log")
    ended = server.run()
    reason = f'open() "{server.prefix}/none/error.log" failed (2: No such file or directory)'
    assert (ended.returncode, ended.stderr) == (1, f"nginx: [emerg] {reason}\n")


def test_folders_are_made(server: Server) -> None:
    server.write(directories=["temp", "none/temp"])
    ended = server.run()
    assert f'mkdir() "{server.prefix}/none/temp" failed (2: No such file' in ended.stderr
    assert (server.prefix / "temp").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
def test_workers_run_as_the_user(server: Server) -> None:
    for folder in (server.prefix, *server.prefix.parents):
        if folder.owner() == "root" and "pytest" in str(folder):
            folder.chmod(0o755)
    server.start(main={"user": (65534, 65534)}, directories=["temp"])
    _, worker, _ = server.get()
    status = Path(f"/proc/{worker}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Gid:\t65534\t65534\t65534\t65534" in status
    assert (server.prefix / "temp").stat().st_uid == 65534
    assert "Uid:\t0\t" in Path(f"/proc/{server.pid()}/status").read_text()


@pytest.mark.parametrize("master", [True, False])
def test_environment_is_what_env_names(server: Server, master: bool) -> None:
    server.start(main={"env": ["KEPT", "SET=to this"], "master_process": master})
    assert server.get("/env/KEPT") == ["kept"]
    assert server.get("/env/SET") == ["to", "this"]
    assert server.get("/env/DROPPED") == ["-"]


def test_starts_with_standard_files_closed(server: Server) -> None:
    server.write(text="one")
    command = " ".join(server.command())
    server.process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command} <&- >&- 2>&-"], env=server.environment
    )
    pid = wait_for("pid file", server.pid)
    assert server.get()[0] == "one"
    assert os.readlink(f"/proc/{pid}/fd/2") == str(server.prefix / "error.log")


@pytest.mark.parametrize("master", [True, False])
def test_server_that_fails_to_start(server: Server, master: bool) -> None:
    server.write(crash="at once", main={"master_process": master})
    server.process = subprocess.Popen(server.command(), env=server.environment)
    server.logged("RuntimeError: told to crash")
    if master:
        server.logged("exited with fatal code 2 and cannot be respawned")
        server.signal(signal.SIGTERM)
    assert server.wait() == (0 if master else 2)
    assert not (server.prefix / "nginx.pid").exists()


def test_server_that_hangs_is_ended(server: Server) -> None:
    server.start(crash="hang")
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    server.logged("worker process .* exited with code 0")


def test_shutdown_timeout_ends_requests_in_flight(server: Server) -> None:
    server.start(main={"worker_shutdown_timeout": 0.3})
    with server.connect() as client:
        client.sendall(b"GET /wait/none HTTP/1.1\r\n\r\n")
        server.get()
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0


def test_quit_finishes_what_is_in_flight_and_accepts_nothing(server: Server) -> None:
    server.start(text="one")
    wait = server.prefix / "go"
    with (
        server.connect() as client,
        server.connect() as idle,
    ):
        client.sendall(f"GET /wait{wait} HTTP/1.1\r\n\r\n".encode())
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"keep-alive" in idle.recv(4096)
        server.signal(signal.SIGQUIT)
        server.logged("gracefully shutting down")
        assert idle.recv(4096) == b""
        with pytest.raises(ConnectionRefusedError):
            server.get()
        wait.touch()
        answer = client.recv(4096)
    assert b"200 OK" in answer
    assert b"Connection: close" in answer
    assert server.wait() == 0


def test_workers_end_when_the_master_is_gone(server: Server) -> None:
    server.start(main={"worker_processes": 2})
    workers = server.workers(2)
    server.signal(signal.SIGKILL)
    wait_for("end", lambda: not any(map(running, workers)))
    server.logged("the master process is gone, shutting down", 2)
