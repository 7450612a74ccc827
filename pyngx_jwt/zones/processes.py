"""Processes of this machine, by which records of a killed one are recognized."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether there is such a process, ours or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
