"""What all commands share: the parser of command lines, and standard output."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from . import exits


class CommandParser(argparse.ArgumentParser):
    """Usage errors are one line, and have an exit status of their own."""

    def error(self, message: str) -> NoReturn:
        text = f"{self.prog}: {message} (see {self.prog} -h)\n"
        os.write(2, text.encode("latin-1", "backslashreplace"))
        self.exit(exits.USAGE)


def write_out(data: bytes) -> None:
    """Writes to standard output; raises OSError."""
    while data:
        data = data[os.write(1, data) :]
