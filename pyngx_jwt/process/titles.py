"""What ``ps``, ``pgrep`` and init scripts see of a process.

A command that is called ``nginx`` shows nginx's titles, which init scripts, log rotation and
monitoring look for.  Under its own name pyngx keeps the command line and only names its processes.
The only file that knows setproctitle.
"""

from __future__ import annotations

import contextlib
import os
import sys

NGINX = "nginx"


def called_nginx() -> bool:
    """Whether the command is ``nginx``, in any directory."""
    return os.path.basename(sys.argv[0]) == NGINX


def title_master() -> None:
    """``nginx: master process /usr/sbin/nginx -g daemon off;``."""
    _show("master", f"master process {' '.join(sys.argv)}")


def title_worker() -> None:
    """To be called before the process gives up privileges."""
    _show("worker", "worker process")


def title_leaving_worker() -> None:
    """The title of a worker that finishes its requests; scripts wait for these to go."""
    if called_nginx():
        _show("worker", "worker process is shutting down")


def title_single() -> None:
    """With ``master_process off`` nginx has no title."""
    _name(NGINX if called_nginx() else "pyngx")


def _show(kind: str, title: str) -> None:
    if not called_nginx():
        _name(f"pyngx: {kind}")
        return
    from setproctitle import setproctitle

    setproctitle(f"{NGINX}: {title}")
    _name(NGINX)


def _name(name: str) -> None:
    """The name for ``ps -o comm`` and ``top``: 15 bytes, where it can be set."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as file:
        file.write(name)
