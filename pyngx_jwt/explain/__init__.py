"""``pyngx explain``: what happens to a request, and which statement of the configuration decides.

The engine that serves requests runs this one, too, with its own handlers; upstreams and issuers
are not asked, and nothing is counted or written.
"""

from __future__ import annotations

from .command import main

__all__ = ["main"]
