"""Passes requests to other servers."""

from __future__ import annotations

from .cache_conf import cache as proxy_cache
from .cached import pass_request
from .conf import ProxyConf
from .handler import proxy

__all__ = ["ProxyConf", "pass_request", "proxy", "proxy_cache"]
