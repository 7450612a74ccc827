"""What all levels of one configuration share while it is read and compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..errors import ConfError
from ..options import Options
from .parse import Statement
from .watch import ConfFiles, LoadWatch

S = TypeVar("S")


@dataclass(slots=True)
class Scope:
    """One per configuration, so that two of them can live in one process."""

    options: Options
    warn_at: Callable[[str], None]
    modules: tuple[Any, ...] = ()  # those that count, in nginx's order
    statement: Statement | None = None  # the one being applied
    things: dict[type[Any], Any] = field(default_factory=dict)
    directories: dict[str, None] = field(default_factory=dict)  # made at start if they are missing
    files: ConfFiles = field(default_factory=ConfFiles)
    watch: LoadWatch = field(default_factory=LoadWatch)

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

    def conf_name(self, path: str) -> str:
        """A path beside the configuration file: certificates, password and key files."""
        return self.files.path(self.options.full_name(path, conf=True))


@contextmanager
def located(entry: Statement) -> Iterator[None]:
    """Gives errors about an entry of a block such as "map" the entry's own place."""
    try:
        yield
    except ConfError as error:
        raise error.at(entry.file, entry.line) from None
