"""Passes requests to SCGI applications."""

from __future__ import annotations

from .conf import ScgiConf
from .module import scgi

__all__ = ["ScgiConf", "scgi"]
