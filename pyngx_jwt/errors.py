"""Errors shared by all layers."""

from __future__ import annotations

from typing import Protocol, Self


class WrongWords(Exception):
    """A command line that makes no sense, and why."""


class Place(Protocol):
    """Where something stands in the configuration; a statement is one."""

    @property
    def file(self) -> str: ...

    @property
    def line(self) -> int: ...


class ConfError(Exception):
    """A configuration error in nginx's words; whoever knows the place adds it.

    ``place`` is "" for the few errors that nginx reports without a place.
    """

    place: str | None = None
    column = 0  # of the character where reading failed, counted from 1; 0: not known
    rule = ""

    def at(self, file: str, line: int) -> Self:
        """Adds the place, unless an inner one was added already."""
        if self.place is None:
            self.place = f" in {file}:{line}"
        return self

    def nowhere(self) -> Self:
        """Marks an error that nginx reports without file and line."""
        self.place = ""
        return self

    def told_by(self, rule: str) -> Self:
        """Names the rule of the linter that says the same, of what nginx would start with."""
        self.rule = rule
        return self

    def __str__(self) -> str:
        return f"{self.args[0]}{self.place or ''}"
