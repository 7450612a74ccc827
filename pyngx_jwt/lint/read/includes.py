"""Which files belong to which configuration, found without reading them too closely."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from ...conf.parse import full_name
from ...conf.watch import ConfFiles
from . import templates
from .machine import Machine

_INCLUDE = re.compile(r"(?:^|[\s;{}])include[ \t]+([^;{}\n]+);")
_BLANK = " \t\"'"
SUFFIXES = (b".conf", templates.SUFFIX.encode())
MAIN_NAME = "nginx.conf"


class InputError(Exception):
    """Something that was asked for cannot be read."""


def included_by(text: str, directory: str, machine: Machine) -> Iterator[str]:
    """The paths that a text includes, relative ones from the directory; some may be in comments."""
    for include in _INCLUDE.finditer(text):
        name = machine.path(full_name(include[1].strip(_BLANK), directory))
        yield from ConfFiles().expand(name, directory)


def included(path: str, read: Callable[[str], str], machine: Machine) -> set[str]:
    """All that a configuration includes, however deep; `read` raises InputError."""
    directory, paths, todo = os.path.dirname(path), set[str](), [path]
    while todo:
        name = todo.pop()
        if name in paths:
            continue
        paths.add(name)
        try:
            todo += included_by(read(name), directory, machine)
        except InputError:
            continue
    return paths - {path}


def home(path: str) -> str:
    """The directory that a snippet's relative includes are taken from: that of the nginx.conf
    above it, or its own."""
    own = directory = os.path.dirname(path)
    while directory not in ("", "/"):
        if os.path.isfile(f"{directory}/{MAIN_NAME}".encode("latin-1")):
            return directory
        directory = os.path.dirname(directory)
    return own


def below(directory: str) -> Iterator[str]:
    """The configuration files of a directory and of those in it, but for hidden ones."""
    for root, directorys, names in os.walk(directory.encode("latin-1")):
        directorys.sort()
        for name in names:
            if name.endswith(SUFFIXES) and not name.startswith(b"."):
                yield os.path.join(root, name).decode("latin-1")
