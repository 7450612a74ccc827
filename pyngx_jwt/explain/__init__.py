"""``pyngx explain``: what happens to a request, and which statement of the configuration decides.

The engine that serves requests runs the request with its own handlers. Upstreams and issuers are
not contacted, and nothing is counted or written.
"""

from __future__ import annotations

from .command import main

__all__ = ["main"]
