"""Whether a worker can do its work, as the modules see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

# What is missing, each as a sentence; nothing if a module has all that it needs.
Missing = Callable[[], Iterable[str]]


class Readiness:
    """Of one configuration in one worker."""

    def __init__(self) -> None:
        self.wanted = False  # something asks
        self._checks: list[Missing] = []
        self.is_leaving: Callable[[], bool] = lambda: False

    def add(self, missing: Missing) -> None:
        """To be called when a worker starts."""
        self._checks.append(missing)

    def missing(self) -> list[str]:
        """All that is missing."""
        found = ["the worker is shutting down"] if self.is_leaving() else []
        return found + [sentence for check in self._checks for sentence in check()]
