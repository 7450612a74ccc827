"""Passes requests to FastCGI servers, such as PHP-FPM."""

from __future__ import annotations

from .conf import FastcgiConf
from .module import fastcgi

__all__ = ["FastcgiConf", "fastcgi"]
