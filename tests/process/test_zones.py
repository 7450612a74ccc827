"""A master whose zones lose their files, as to a program that cleans up temporary directories."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from .server import Server, wait_for

ZONES = {"one": 1 << 16, "two": 1 << 16}
GONE = r"\[alert\] .*: another program has removed files of shared memory zones in \"(.*)\""


def zone_directory(pid: int) -> Path:
    """That of a master, which keeps the lock in it open."""
    targets = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    (lock,) = [target for target in targets if "/pyngx." in target and "deleted" not in target]
    return Path(lock).parent


@pytest.mark.parametrize("what", ["", "1.0", "1.1-lock"])
def test_a_worker_that_could_not_open_them(server: Server, what: str) -> None:
    master = server.start(zones=ZONES)
    first, directory = int(server.get()[1]), zone_directory(master)
    if what:
        (directory / what).unlink()
    else:
        shutil.rmtree(directory)
    os.kill(first, signal.SIGKILL)
    assert server.logged(GONE) == [str(directory)]
    second = server.workers(2)[1]
    assert int(server.get()[1]) == second
    again = zone_directory(master)
    assert (again == directory) is bool(what) and len(list(again.iterdir())) == 5
    os.kill(second, signal.SIGKILL)  # the zones are there now
    server.workers(3)
    server.get()
    assert len(server.logged(GONE)) == 1 and "Traceback" not in server.log()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0 and not again.exists()


@pytest.mark.parametrize("master", [True, False])
def test_reload(server: Server, master: bool) -> None:
    pid = server.start(text="one", zones=ZONES, main={"master_process": master})
    server.get()
    directory = zone_directory(pid)
    shutil.rmtree(directory)
    server.write(text="two")
    server.signal(signal.SIGHUP)
    wait_for("new configuration", lambda: server.get()[0] == "two")
    assert zone_directory(pid) != directory and "Traceback" not in server.log()


def test_a_configuration_that_is_rejected_then(server: Server) -> None:
    """The workers that are left go on, and it is not tried again at once."""
    server.start(zones=ZONES, main={"worker_processes": 2})
    first, second = server.workers(2)
    server.get()
    shutil.rmtree(zone_directory(server.pid()))
    server.write(crash="start")
    os.kill(first, signal.SIGKILL)
    server.logged(r"\[emerg\] .*: start$")
    assert int(server.get()[1]) == second
    assert len(server.logged(GONE)) == 1
