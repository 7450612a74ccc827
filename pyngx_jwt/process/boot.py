"""What a process was started with; it stays the same over reloads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..options import Options
from .cycle import Load, Serve


class Boot(NamedTuple):
    options: Options
    load: Load
    serve: Serve
    environ: Mapping[str, str]  # as it was given to us
    parent: int  # who executed us, or forked us into the background
    inherited: bool  # executed by a running server, whose sockets we have
    numbers: Iterator[int]  # of client connections
    daemonized: bool = False

    @property
    def executor_runs(self) -> bool:
        """Whether the process that executed us is still there."""
        return os.getppid() == self.parent
