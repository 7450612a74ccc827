"""What a configuration refers to and this machine may not have: it can be meant for another one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

NOWHERE = "/nowhere.pyngx"  # stands before names that must not be looked up here
_ABSENT = re.compile(
    r"No such file or directory|Permission denied|Not a directory|is not on this machine"
    r"|^get(pw|gr)nam\("
)
_WORKERS = "by the user of the workers"  # who cannot read a file that is here
_USER = re.compile(r"get(pw|gr)nam\(")

# Files that nginx or certbot install: what is in them says nothing about access.
_SETTLED = frozenset(
    {
        *("mime.types", "fastcgi.conf", "fastcgi_params", "scgi_params", "uwsgi_params"),
        *("koi-utf", "koi-win", "win-utf", "options-ssl-nginx.conf"),
    }
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the files of a configuration are on this machine.

    `roots` are directories of the configuration's own machine, each with the one here that stands
    for it.  `own` are the directories here that belong to the configuration: with `offline`,
    nothing else is looked at.
    """

    roots: tuple[tuple[str, str], ...] = ()
    offline: bool = False
    own: tuple[str, ...] = ()

    def path(self, name: str) -> str:
        """Where a file is that the configuration calls by a full name."""
        path = os.path.normpath(name) if name else name
        for root, directory in self.roots:
            if is_below(path, root):
                return directory + name[len(root) :]
        if not self.offline or any(is_below(path, directory) for directory in self.own):
            return name
        return name if is_below(path, NOWHERE) else NOWHERE + name

    def original(self, text: str) -> str:
        """A text with the names that the configuration uses, as far as `path` changed them."""
        text = text.replace(f"{NOWHERE}/", "/")
        for root, directory in self.roots:
            for before in ('"', "("):  # names stand in quotes, or as arguments of fopen()
                text = text.replace(f"{before}{directory}/", f"{before}{root}/")
        return text


def with_roots(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Roots in the order in which they are looked at: the deepest first."""
    cleaned = ((os.path.normpath(root), os.path.normpath(here)) for root, here in pairs)
    return tuple(sorted(cleaned, key=lambda pair: -len(pair[0])))


def is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory or in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def is_absent(message: str) -> bool:
    """Whether an error is but that something cannot be had on this machine."""
    return _ABSENT.search(message) is not None and _WORKERS not in message


def is_settled(name: str) -> bool:
    """Whether it is known what a file is for that an "include" names, wherever it is."""
    return os.path.basename(name) in _SETTLED


def is_about_users(message: str) -> bool:
    """Whether such an error is about users and groups, which no --root can provide."""
    return _USER.match(message) is not None
