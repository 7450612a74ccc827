"""What ps and pgrep show of the processes of a command that is called nginx."""

from __future__ import annotations

import signal
from pathlib import Path

from .server import FAKE, Server, wait_for


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip()


def test_nginx_has_the_titles_that_scripts_look_for(server: Server, tmp_path: Path) -> None:
    command = tmp_path / "nginx"
    command.symlink_to(FAKE)
    server.executable = command
    pid = server.start()
    _, worker, _ = server.get()
    started_as = f"{command} -p {server.prefix}/ -c nginx.conf"
    assert (name(pid), title(pid)) == ("nginx", f"nginx: master process {started_as}")
    assert (name(int(worker)), title(int(worker))) == ("nginx", "nginx: worker process")


def test_a_worker_that_finishes_its_requests_says_so(server: Server, tmp_path: Path) -> None:
    command = tmp_path / "nginx"
    command.symlink_to(FAKE)
    server.executable = command
    server.start()
    worker = server.workers()[0]
    with server.connect() as held:
        held.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n")  # a request in progress
        server.get()
        server.signal(signal.SIGQUIT)
        leaving = "nginx: worker process is shutting down"
        wait_for("the title", lambda: title(worker) == leaving)


def test_pyngx_keeps_its_command_line(server: Server) -> None:
    pid = server.start()
    _, worker, _ = server.get()
    assert (name(pid), name(int(worker))) == ("pyngx: master", "pyngx: worker")
    assert title(pid) == title(int(worker))
    assert str(server.prefix) in title(pid)
