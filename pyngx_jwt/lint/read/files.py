"""Files that are not on the disk: standard input, dumps of "nginx -T", the frames of snippets."""

from __future__ import annotations

import os
import re

from ...conf.parse import Source, full_name
from ...conf.printed import PrintedFiles, matching
from ...conf.watch import ConfFiles
from .machine import Machine, is_below
from .templates import Templates

_GLOB = re.compile(r"[*?\[]")


class InputFiles(ConfFiles):
    """Texts by path, and what is known of the machine that the configuration is for."""

    def __init__(self, texts: dict[str, str], machine: Machine) -> None:
        super().__init__()
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

    def expand(self, pattern: str, base: str) -> list[str]:
        name = self.path(full_name(pattern, base))
        if not _GLOB.search(name):
            return [name]
        return sorted({*super().expand(name, ""), *matching(name, self.texts)})


class Dump(PrintedFiles, InputFiles):
    """What "nginx -T" printed: all files that the configuration includes."""

    def __init__(self, texts: dict[str, str], machine: Machine) -> None:
        InputFiles.__init__(self, texts, machine)


def directory_of(pattern: str) -> str:
    """The directory in which, or below which, a pattern looks for files."""
    match = _GLOB.search(pattern)
    return os.path.dirname(pattern[: match.start()] if match is not None else pattern)
