"""Text of configurations, one character per byte, and as Unicode in JSON and metrics."""

from __future__ import annotations


def shown(text: str) -> str:
    """As Unicode."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def hidden(text: str) -> str:
    """The other way round: one character per byte."""
    return text.encode("utf-8", "replace").decode("latin-1")
