"""Which files belong to which configuration, found without reading them too closely."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from ...conf.watch import ConfFiles

_INCLUDE = re.compile(r"(?:^|[\s;{}])include[ \t]+([^;{}\n]+);")
_BLANK = " \t\"'"
SUFFIX = ".conf"
MAIN_NAME = "nginx.conf"


class InputError(Exception):
    """Something that was asked for cannot be read."""


def included_by(text: str, folder: str) -> Iterator[str]:
    """The paths that a text includes, relative ones from the folder; some may be in comments."""
    for include in _INCLUDE.finditer(text):
        yield from ConfFiles().expand(include[1].strip(_BLANK), folder)


def included(path: str, read: Callable[[str], str]) -> set[str]:
    """All that a configuration includes, however deep; `read` raises InputError."""
    folder, found, todo = os.path.dirname(path), set[str](), [path]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        try:
            todo += included_by(read(name), folder)
        except InputError:
            continue
    return found - {path}


def home(path: str) -> str:
    """The folder that a snippet's relative includes are taken from: that of the nginx.conf
    above it, or its own."""
    own = folder = os.path.dirname(path)
    while folder not in ("", "/"):
        if os.path.isfile(f"{folder}/{MAIN_NAME}".encode("latin-1")):
            return folder
        folder = os.path.dirname(folder)
    return own


def below(folder: str) -> Iterator[str]:
    """The configuration files of a folder and of those in it, but for hidden ones."""
    for root, folders, names in os.walk(folder.encode("latin-1")):
        folders.sort()
        for name in names:
            if name.endswith(SUFFIX.encode()) and not name.startswith(b"."):
                yield os.path.join(root, name).decode("latin-1")
