"""The JWT dialects, and which of them a configuration is written in."""

from __future__ import annotations

from .choose import PROJECTS

__all__ = ["PROJECTS"]
