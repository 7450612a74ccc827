"""Directories that a server needs: those of its defaults, of temporary files and of caches."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from ..core.module import User
from ..errors import ConfError
from ..log import errno_text
from ..options import Layout

DEFAULT_MODE = 0o755  # as nginx's packages make them


def make_default_directories(layout: Layout) -> None:
    """Makes the directories of logs and temporary files that nginx's packages bring.

    What cannot be made is reported when it is used."""
    for path in (
        os.path.dirname(layout.error_log_path),
        os.path.dirname(layout.http_log_path),
        layout.temp_path,
    ):
        if path.startswith("/"):
            with contextlib.suppress(OSError):
                os.mkdir(path, DEFAULT_MODE)


def make_directories(paths: Sequence[str], user: User | None, layout: Layout) -> None:
    """Makes what is missing and gives it to the workers (ngx_create_paths)."""
    for name in paths:
        path = name.encode("latin-1")
        doing = f'mkdir() "{name}" failed'
        try:
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
            if user is None:
                continue
            info = os.stat(path)
            doing = f'chown("{name}", {user[0]}) failed'
            if info.st_uid != user[0]:
                os.chown(path, user[0], -1)
            doing = f'chmod() "{name}" failed'
            if info.st_mode & 0o700 != 0o700:
                os.chmod(path, stat.S_IMODE(info.st_mode) | 0o700)
        except OSError as error:
            advice = _advice(name, layout)
            raise ConfError(f"{doing} {errno_text(error)}{advice}").nowhere() from None


def _advice(name: str, layout: Layout) -> str:
    """What to do about a default directory."""
    parent = layout.temp_path
    if not parent.startswith("/") or os.path.dirname(name) != parent:
        return ""
    if os.path.isdir(parent):
        return f', make "{parent}" writable, or start with -p'
    return f', create "{parent}", or start with -p'
