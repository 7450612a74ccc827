"""What is to be linted: the configurations that the paths of a command line come to."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from ...conf.parse import read_source
from ...conf.printed import is_printed, split_printed
from ...errors import ConfError
from ...options import Options, resolve_options
from .files import Dump, InputFiles, Overlay
from .includes import MAIN_NAME, InputError, below, home, included, included_by
from .machine import Machine
from .snippet import EMPTY, ENTRIES, FRAME, frame, guess_context
from .templates import SUFFIX as TEMPLATE

DUMP = "dump"  # the context of what "nginx -T" printed
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Input:
    """One configuration; `only` are the paths whose findings are wanted, none for all."""

    options: Options
    files: InputFiles
    only: frozenset[str] = frozenset()
    path: str = ""  # as it was asked for
    is_snippet: bool = False  # in a frame: much that it refers to is elsewhere


@dataclass(slots=True)
class Inputs:
    """What a command line asks for."""

    paths: list[str]
    prefix: str | None = None
    context: str = ""  # of snippets; "" is determined by what includes them, or by their contents
    stdin: str | None = None
    stdin_name: str = ""
    dialect: str = ""
    roots: tuple[tuple[str, str], ...] = ()
    offline: bool = False
    _texts: dict[str, str] = field(default_factory=dict)
    _given: dict[str, str] = field(default_factory=dict)  # texts that stand before the disk's
    _contexts: dict[str, str] = field(default_factory=dict)

    def configurations(self, read: Collection[str]) -> Iterator[Input]:
        """First whole configurations and dumps, then what none of these has read: `read` is looked
        at while this goes on.  Raises InputError for what is not there."""
        paths = list(dict.fromkeys(path for name in self.paths for path in self._files_of(name)))
        self._contexts = {path: self._context(path, self._read(path)) for path in paths}
        for path, context in self._contexts.items():
            if context == DUMP:
                yield self._dump(path)
            elif context == "main":
                yield self._whole(path, self._given)
        for path, context in self._contexts.items():
            if context not in (DUMP, "main") and path not in read:
                yield from self._snippet(path, context, read)

    @property
    def paths_read(self) -> Collection[str]:
        """The paths of the files that are asked for, once configurations() has begun."""
        return self._contexts

    def is_foreign(self, path: str) -> bool:
        """Whether a file of several has nothing in it that nginx knows."""
        return len(self._contexts) > 1 and self._contexts.get(path) == ENTRIES

    def is_skipped(self, path: str) -> bool:
        """Whether such a file is no surprise: a template of something else."""
        return path.endswith(TEMPLATE)

    def _dump(self, path: str) -> Input:
        texts = split_printed(self._read(path), os.getcwdb().decode("latin-1"))
        machine = Machine(self.roots, offline=True, own=tuple(here for _, here in self.roots))
        return Input(self._options(next(iter(texts))), Dump(texts, machine), path=path)

    def _whole(self, path: str, texts: dict[str, str]) -> Input:
        options = self._options(path)
        return Input(options, Overlay(texts, self._machine(options.conf_prefix)), path=path)

    def _snippet(self, path: str, context: str, read: Collection[str]) -> Iterator[Input]:
        """Within what includes it, or else in a frame."""
        includer = "" if self.context else self._includer(path)
        if includer:
            yield replace(self._whole(includer, self._given), only=frozenset({path}), path=path)
        if path in read or self.is_foreign(path):
            return
        outer = f"{home(path)}/{FRAME}"
        text = frame("http" if context == ENTRIES else context, path)
        framed = self._whole(outer, {**self._given, outer: text})
        yield replace(framed, path=path, is_snippet=True)

    def _files_of(self, path: str) -> list[str]:
        if path == "-":
            return [self._standard_input()]
        name = self._full(path)
        if os.path.isdir(name.encode("latin-1")):
            paths = sorted(below(name))
            if not paths:
                raise InputError(f'no configuration files in "{path}"')
            return paths
        if os.path.exists(name.encode("latin-1")) or not _GLOB.search(path):
            return [name]
        paths = sorted(n.decode("latin-1") for n in glob.glob(name.encode("latin-1")))
        if not paths:
            raise InputError(f'no file matches "{path}"')
        return paths

    def _standard_input(self) -> str:
        text = self.stdin or ""
        if not self.stdin_name and not text.strip():
            raise InputError("standard input is empty")
        name = self._full(self.stdin_name or "stdin")
        self._texts[name] = self._given[name] = text
        return name

    def _context(self, path: str, text: str) -> str:
        """As given, or as determined by the contents of a file, or of what it includes."""
        if is_printed(text):
            return DUMP
        context = self.context or guess_context(text)
        if context != EMPTY:
            return context
        directory = home(path)
        includes = included_by(text, directory, self._machine(directory))
        names = [name for name in includes if os.path.isfile(name.encode("latin-1"))]
        context_of_includes = guess_context("\n".join(map(self._read, names)))
        if context_of_includes not in (EMPTY, ENTRIES):
            return context_of_includes
        return "main" if os.path.basename(path) == MAIN_NAME else "http"

    def _includer(self, path: str) -> str:
        """The nginx.conf of a directory above that includes a file, "" if there is none."""
        directory = os.path.dirname(path)
        while directory not in ("", "/"):
            main = f"{directory}/{MAIN_NAME}"
            if main != path and os.path.isfile(main.encode("latin-1")):
                machine = self._machine(directory)
                return main if path in included(main, self._read, machine) else ""
            directory = os.path.dirname(directory)
        return ""

    def _read(self, path: str) -> str:
        if path not in self._texts:
            try:
                self._texts[path] = read_source(path).text
            except ConfError as error:
                raise InputError(str(error.args[0])) from None
        return self._texts[path]

    def _full(self, path: str) -> str:
        """From the current directory if it is there, else from the prefix, as the server has it."""
        if path.startswith("/"):
            return os.path.normpath(path)
        here = os.path.normpath(os.path.join(os.getcwdb().decode("latin-1"), path))
        if self.prefix is None or os.path.exists(here.encode("latin-1")):
            return here
        return os.path.normpath(os.path.join(self._prefix(), path))

    def _prefix(self) -> str:
        return os.path.join(os.getcwdb().decode("latin-1"), self.prefix or "")

    def _machine(self, directory: str) -> Machine:
        """For a configuration in a directory; that, the prefix and roots belong to it."""
        prefix = () if self._is_installed else (os.path.normpath(self._prefix()),)
        roots = (here for _, here in self.roots)
        return Machine(self.roots, self.offline, (os.path.normpath(directory), *prefix, *roots))

    @property
    def _is_installed(self) -> bool:
        """Whether the prefix is that of an installed nginx."""
        return self.prefix is None and any(path.startswith("/") for path in self.paths)

    def _options(self, path: str) -> Options:
        """As the server has them: without -p, a relative path makes the current directory the
        prefix, and a full one leaves it that of an installed nginx."""
        prefix = None if self._is_installed else self._prefix()
        resolved = resolve_options(prefix, path, "stderr")
        return Options(
            resolved[0], resolved[1], resolved[2], resolved[3], test=True, jwt_dialect=self.dialect
        )
