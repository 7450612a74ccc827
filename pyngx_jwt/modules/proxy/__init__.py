"""Passes requests to other servers."""

from __future__ import annotations

from .conf import ProxyConf
from .handler import proxy

__all__ = ["ProxyConf", "proxy"]
