"""Passes requests to uwsgi servers, such as uWSGI."""

from __future__ import annotations

from .conf import UwsgiConf
from .module import uwsgi

__all__ = ["UwsgiConf", "uwsgi"]
