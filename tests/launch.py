"""Starts the server under test.

pyngx is not executed anew for every test: its imports would be most of a test's time. It runs in
forks of a process that has done them, in the same way otherwise; the tests of the command line are
those that execute it.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

BINARY = os.environ.get("TEST_NGINX_BINARY")


class Process(Protocol):
    """What the harness wants of a process."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int:
        """The exit status, or subprocess.TimeoutExpired."""


class Fork:
    """A process of multiprocessing, in the words of subprocess."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("pyngx", timeout)
        return self._process.exitcode


def start(arguments: list[str], stderr: Path, binary: str | None = BINARY) -> Process:
    """Runs that nginx, or pyngx, with these arguments; its error output goes to the file's end."""
    if binary:
        with stderr.open("ab") as output:
            return subprocess.Popen([binary, *arguments], stdin=subprocess.DEVNULL, stderr=output)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__, "tests.preloaded"])
    process = context.Process(target=run, args=(arguments, str(stderr)))
    process.start()
    return Fork(process)


def build() -> str:
    """What "-V" says."""
    command = [BINARY] if BINARY else [sys.executable, "-m", "pyngx_jwt"]
    return subprocess.run([*command, "-V"], capture_output=True, text=True).stderr


def run(arguments: list[str], stderr: str) -> None:
    """In the fork: what "pyngx ARGUMENTS 2>>STDERR" does."""
    from pyngx_jwt.cli import main

    descriptor = os.open(stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = ["pyngx", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())


def preload() -> None:
    """Imports all of pyngx; what cannot be imported says so in the fork."""
    import pyngx_jwt

    for module in pkgutil.walk_packages(pyngx_jwt.__path__, "pyngx_jwt.", lambda name: None):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)
