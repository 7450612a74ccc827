"""What all levels of one configuration share while it is read and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfError
from ..options import Options
from .parse import Statement
from .watch import ConfFiles, LoadWatch

S = TypeVar("S")


class Scope:
    """One per configuration, so that two of them can live in one process."""

    __slots__ = (
        "_temp_names",
        "directories",
        "files",
        "lookups",
        "modules",
        "options",
        "statement",
        "things",
        "warn_at",
        "watch",
    )

    def __init__(
        self,
        options: Options,
        warn_at: Callable[[str], None],
        modules: tuple[Any, ...] = (),
        things: dict[type[Any], Any] | None = None,
    ) -> None:
        self.options = options
        self.warn_at = warn_at
        self.modules = modules  # those that count, in nginx's order
        self.statement: Statement | None = None  # the one being applied
        self.things: dict[type[Any], Any] = {} if things is None else things
        self.directories: dict[str, None] = {}  # made at start if they are missing
        self.files = ConfFiles()
        self.watch = LoadWatch()
        # Where this is a list, blocks note in it which of their confs are looked up.
        self.lookups: list[tuple[Any, type[Any]]] | None = None
        self._temp_names: dict[str, str] = {}

    def shared(self, kind: type[S]) -> S:
        """The one object of this kind that all levels share, made on first use."""
        if kind not in self.things:
            self.things[kind] = kind()
        thing: S = self.things[kind]
        return thing

    def warn(self, text: str) -> None:
        """Reports a [warn] with the place of the statement being applied."""
        place = f" in {self.statement.file}:{self.statement.line}" if self.statement else ""
        self.warn_at(text + place)

    def full_name(self, path: str) -> str:
        """A path as nginx resolves logs, roots and temporary files: below the prefix."""
        return self.files.path(self.options.full_name(path))

    def temp_name(self, name: str) -> str:
        """The directory of temporary files of a kind where none is given, its full name."""
        known = self._temp_names.get(name)
        if known is None:
            known = self._temp_names[name] = self.full_name(self.options.layout.temp(name))
        return known

    def conf_name(self, path: str) -> str:
        """A path beside the configuration file: certificates, password and key files."""
        return self.files.path(self.options.full_name(path, conf=True))


class located:  # it is used like a function; as a generator it would cost more
    """Gives errors about an entry of a block such as "map" the entry's own place."""

    __slots__ = ("_entry",)

    def __init__(self, entry: Statement) -> None:
        self._entry = entry

    def __enter__(self) -> None:
        """Nothing is needed before."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ConfError):
            raise error.at(self._entry.file, self._entry.line) from None
