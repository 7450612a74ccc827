"""Children of a test that work, and may be killed."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def fork(work: Callable[[], object]) -> int:
    """A child that does the work, and fails if that raises."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def in_child(work: Callable[[], object]) -> int:
    """The wait status of a child that did the work."""
    return os.waitpid(fork(work), 0)[1]


def kill_me(value: object = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
