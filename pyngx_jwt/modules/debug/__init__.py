"""Logs what requests and sessions go through, at the level "debug" of "error_log"."""

from .module import debug

__all__ = ["debug"]
