"""``pyngx explain -c FILE METHOD URL``: what becomes of a request, and where that is written.

The tables that serve requests are asked; nothing is sent, no name is looked up.
"""

from __future__ import annotations

from .command import main

__all__ = ["main"]
