"""Passes requests to other servers."""

from __future__ import annotations

from .conf import ProxyConf
from .module import pass_request, proxy

__all__ = ["ProxyConf", "pass_request", "proxy"]
