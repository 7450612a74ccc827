"""Passes requests to other servers."""

from __future__ import annotations

from .cache_conf import cache as proxy_cache
from .conf import ProxyConf
from .handler import proxy

__all__ = ["ProxyConf", "proxy", "proxy_cache"]
