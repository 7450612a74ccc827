"""What a configuration that is rejected leaves: nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import weakref
from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt.compile import Cycle, load, walk
from pyngx_jwt.conf.directive import Conf
from pyngx_jwt.log import Log
from pyngx_jwt.options import DIRECTORY, Options
from pyngx_jwt.process.generation import load_generation

from . import fake
from .server import Server, wait_for

SIZE = 1 << 16
ZONES = {"kept": SIZE, "other": SIZE}
REJECTED: dict[str, dict[str, Any]] = {
    "zone that is not declared": {"zones": {**ZONES, "added": SIZE, "missing": 0}},
    "zone of another use": {"zones": {"kept": SIZE, "added": SIZE}, "crash": "continue"},
    "error at its start": {"zones": {"kept": SIZE, "added": SIZE}, "crash": "start"},
    "bug at its start": {"zones": {**ZONES, "other": 2 * SIZE}, "crash": "bug at start"},
    "pid file": {"zones": {**ZONES, "added": SIZE}, "main": {"pid": "missing/pid"}},
}


def options_in(folder: Path) -> Options:
    return Options(f"{folder}/", f"{folder}/nginx.conf", f"{folder}/error.log", DIRECTORY)


def files(pid: int) -> list[str]:
    """The paths that a process has open, once for each descriptor."""
    paths = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # it is closed now
            paths.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(path for path in paths if path.startswith("/"))


@pytest.mark.parametrize("master", [True, False])
@pytest.mark.parametrize("why", REJECTED)
def test_files_and_zones(server: Server, why: str, master: bool) -> None:
    pid = server.start(text="one", zones=ZONES, main={"master_process": master})
    assert server.get()[0] == "one"
    before = files(pid)
    (lock,) = (path for path in before if re.search(r"/pyngx\.[^/]*/lock$", path))
    zones = sorted(os.listdir(os.path.dirname(lock)))
    good = server.conf
    for times in (1, 2, 3):
        server.write(access_log="access.log", **REJECTED[why])
        server.signal(signal.SIGHUP)
        server.logged(r"\[emerg\]|^RuntimeError: ", times)
        wait_for("files of the running one", lambda: files(pid) == before)
        wait_for("its zones", lambda: sorted(os.listdir(os.path.dirname(lock))) == zones)
    server.conf = good
    server.write(text="two")
    server.signal(signal.SIGHUP)
    wait_for("new configuration", lambda: server.get()[0] == "two")
    assert "Traceback" not in server.log() or why == "bug at its start"


def test_garbage(server: Server) -> None:
    server.start(text="one", garbage=True)
    server.write(refuse="nonsense")
    for times in range(1, 14):
        server.signal(signal.SIGHUP)
        server.logged(r"\[emerg\]", times)
    assert max(map(int, server.logged("garbage: ([0-9]+)$", 14))) <= 5


@pytest.mark.parametrize("crash", ["start", "bug at start"])
def test_folder_of_zones_at_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr("pyngx_jwt.zones.lifecycle.IN_MEMORY", str(shared))
    server = Server(tmp_path)
    server.write(zones=ZONES, crash=crash)
    assert load_generation(options_in(tmp_path), fake.load, Log(), None, []) is None
    assert os.listdir(shared) == []


CONF = """
events { }
http {
  server {
    listen 127.0.0.1:20000;
    location / { limit_req zone=missing; }
    location /api/ { proxy_pass http://127.0.0.1:9000; if ($args) { return 403; } }
  }
}
"""


@pytest.mark.interpreted("weak references to compiled objects are not told of their end")
def test_it_is_freed_at_once(tmp_path: Path) -> None:
    """The garbage collector, which has to look at all there is, need not run."""
    (tmp_path / "nginx.conf").write_text(CONF)
    confs: list[weakref.ref[Conf]] = []

    def watched(options: Options, log: Log) -> Cycle:
        cycle = load(options, log)
        blocks = walk(cycle.root)
        confs.extend(weakref.ref(conf) for block in blocks for conf in block.confs.values())
        return cycle

    gc.collect()
    gc.disable()
    try:
        assert load_generation(options_in(tmp_path), watched, Log(), None, []) is None
        left = [type(conf).__name__ for ref in confs if (conf := ref()) is not None]
    finally:
        gc.enable()
    assert len(confs) > 10
    assert left == []
