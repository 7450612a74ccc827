"""Templates of configurations, in which envsubst(1) replaces ``${NAME}`` before nginx starts.

A placeholder is read as a number of the same length, which most directives accept, so that lines
and columns stay the same.
"""

from __future__ import annotations

import re

SUFFIX = ".template"
_PLACEHOLDER = re.compile(r"\$\{[A-Z][A-Z0-9_]*\}|\$[A-Z][A-Z0-9_]+")


class Templates:
    """The templates of a configuration, and the numbers in the place of their placeholders."""

    def __init__(self) -> None:
        self.originals: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def fill(self, path: str, text: str) -> str:
        """The text of a file as it is read: with numbers, if it is a template."""
        if not path.endswith(SUFFIX):
            return text
        self.originals[path] = text
        return _PLACEHOLDER.sub(lambda match: self._value(match[0]), text)

    def restore(self, text: str) -> str:
        """A message with the placeholders instead of their numbers."""
        for placeholder in self._numbers:
            text = re.sub(rf"\b{self._value(placeholder)}\b", placeholder, text)
        return text

    def has_placeholder(self, path: str, start: int, end: int) -> bool:
        """Whether there is one in a stretch of a file."""
        text = self.originals.get(path)
        return text is not None and _PLACEHOLDER.search(text, start, end) is not None

    def _value(self, placeholder: str) -> str:
        """A number that is one in decimal and octal, as in an address."""
        number = self._numbers.setdefault(placeholder, len(self._numbers) + 1)
        return f"{number:0{len(placeholder)}o}"
