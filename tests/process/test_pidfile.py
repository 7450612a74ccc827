"""The file that names the master process."""

from __future__ import annotations

import os
from pathlib import Path

from pyngx_jwt.log import Severity
from pyngx_jwt.process.pidfile import create_pidfile, delete_pidfile


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, level: Severity, text: str) -> None:
        self.lines.append(text)


def test_only_files_are_deleted(tmp_path: Path) -> None:
    """A master of root with "pid /dev/null" must not take the device away."""
    log, path, device = Log(), tmp_path / "pid", tmp_path / "device"
    assert create_pidfile(str(path), log)
    assert path.read_text() == f"{os.getpid()}\n"
    delete_pidfile(str(path), log)
    assert not path.exists()
    os.mkfifo(device)
    delete_pidfile(str(device), log)
    assert device.exists()
    assert not log.lines
    delete_pidfile(str(path), log)
    assert log.lines == [f'unlink() "{path}" failed (2: No such file or directory)']
