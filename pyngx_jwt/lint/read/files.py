"""Files that are not on the disk: standard input, dumps of "nginx -T", the frames of snippets."""

from __future__ import annotations

import fnmatch
import os
import re

from ...conf.parse import Source, full_name
from ...conf.watch import ConfFiles
from ...errors import ConfError
from .machine import Machine, is_below
from .templates import Templates

_HEAD = re.compile(r"^# configuration file (.+):\r?$", re.MULTILINE)
_GLOB = re.compile(r"[*?\[]")


class InputFiles(ConfFiles):
    """Texts by path, and what is known of the machine that the configuration is for."""

    def __init__(self, texts: dict[str, str], machine: Machine) -> None:
        self.texts, self.machine = texts, machine
        self.templates = Templates()

    def path(self, name: str) -> str:
        return self.machine.path(name)

    def has_directory(self, path: str) -> bool:
        """Whether all files of a directory are known."""
        return True


class Overlay(InputFiles):
    """Texts that stand before the files of the disk."""

    def has_directory(self, path: str) -> bool:
        is_given = any(is_below(name, path) for name in self.texts)
        return is_given or os.path.isdir(path.encode("latin-1"))

    def read(self, path: str) -> Source:
        text = self.texts.get(path)
        source = super().read(path) if text is None else Source(path, text)
        filled = self.templates.fill(path, source.text)
        return source if filled is source.text else Source(path, filled)

    def expand(self, pattern: str, folder: str) -> list[str]:
        name = self.path(full_name(pattern, folder))
        if not _GLOB.search(name):
            return [name]
        return sorted({*super().expand(name, ""), *_matching(name, self.texts)})


class Dump(InputFiles):
    """What "nginx -T" printed: all files that the configuration includes."""

    def read(self, path: str) -> Source:
        if path not in self.texts:
            raise ConfError(f'open() "{path}" failed (2: No such file or directory)')
        return Source(path, self.texts[path])

    def expand(self, pattern: str, folder: str) -> list[str]:
        name = full_name(pattern, folder)
        return _matching(name, self.texts) if _GLOB.search(name) else [name]


def directory_of(pattern: str) -> str:
    """The directory in which, or below which, a pattern looks for files."""
    match = _GLOB.search(pattern)
    return os.path.dirname(pattern[: match.start()] if match is not None else pattern)


def _matching(pattern: str, texts: dict[str, str]) -> list[str]:
    """As glob(3): "*" does not match "/", nor a leading dot."""
    parts = pattern.split("/")
    return sorted(path for path in texts if _matches(path.split("/"), parts))


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))
        for name, pattern in zip(names, patterns, strict=True)
    )


def is_dump(text: str) -> bool:
    """Whether it was printed by "nginx -T"."""
    return _HEAD.search(text[: 1 << 16]) is not None


def split_dump(text: str, folder: str) -> dict[str, str]:
    """The files of a dump by path, the main one first; with a relative prefix, names are
    relative to the directory that the dump was made in, for which `folder` is taken.

    nginx puts a line before each file and an empty one behind it."""
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    texts: dict[str, str] = {}
    for head, end in zip(heads, ends, strict=True):
        name = full_name(head[1], folder)
        texts.setdefault(name, text[head.end() + 1 : end].removesuffix("\n"))
    return texts
