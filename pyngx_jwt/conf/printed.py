"""What "nginx -T" printed: all files of a configuration in one text, perhaps of another machine."""

from __future__ import annotations

import fnmatch
import re

from ..errors import ConfError
from .parse import Source, full_name
from .watch import ConfFiles

_HEAD = re.compile(r"^# configuration file (.+):\r?$", re.MULTILINE)
_GLOB = re.compile(r"[*?\[]")


class PrintedFiles(ConfFiles):
    """The files of a dump; no configuration file is read from the disk."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__()
        self.texts = texts

    def read(self, path: str) -> Source:
        if path not in self.texts:
            raise ConfError(f'open() "{path}" failed (2: No such file or directory)')
        return Source(path, self.texts[path])

    def expand(self, pattern: str, base: str) -> list[str]:
        name = full_name(pattern, base)
        return matching(name, self.texts) if _GLOB.search(name) else [name]


def matching(pattern: str, texts: dict[str, str]) -> list[str]:
    """As glob(3): "*" does not match "/", nor a leading dot."""
    parts = pattern.split("/")
    return sorted(path for path in texts if _matches(path.split("/"), parts))


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))
        for name, pattern in zip(names, patterns, strict=True)
    )


def is_printed(text: str) -> bool:
    """Whether it was printed by "nginx -T"."""
    return _HEAD.search(text[: 1 << 16]) is not None


def split_printed(text: str, directory: str) -> dict[str, str]:
    """The files by path, the main one first.  With a relative prefix, names are relative to the
    directory that "nginx -T" ran in, for which `directory` is taken.

    nginx prints a line before each file and an empty one after it."""
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    texts: dict[str, str] = {}
    for head, end in zip(heads, ends, strict=True):
        name = full_name(head[1], directory)
        texts.setdefault(name, text[head.end() + 1 : end].removesuffix("\n"))
    return texts
