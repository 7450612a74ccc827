"""Answers with what a memcached server keeps."""

from __future__ import annotations

from .conf import MemcachedConf
from .module import memcached

__all__ = ["MemcachedConf", "memcached"]
