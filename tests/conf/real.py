"""What a real nginx says of a configuration: the words of "nginx -t"."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..oracle import binary

Verdict = Callable[..., str]


@pytest.fixture(scope="session")
def nginx_says(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """The first message without its level, "" for none; the file is called "F" in it."""
    try:
        program = binary()
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("real")
    file = folder / "nginx.conf"

    def ask(text: str, directives: str = "") -> str:
        file.write_bytes(text.encode("latin-1"))
        options = ("-t", "-e", folder / "error.log", "-p", folder, "-c", file)
        run = subprocess.run([program, *options, "-g", directives], capture_output=True)
        return _message(run.stderr.decode("latin-1"), folder)

    return ask


def _message(stderr: str, folder: Path) -> str:
    message = stderr.removeprefix("nginx: [").rpartition("nginx: configuration file")[0]
    return message.partition("] ")[2].rstrip("\n").replace(str(folder / "nginx.conf"), "F")
