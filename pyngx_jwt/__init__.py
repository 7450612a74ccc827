"""An nginx.conf-compatible, JWT-authenticating reverse proxy.

``pyngx -c nginx.conf`` serves a configuration; ``pyngx_jwt.application("nginx.conf")`` is the
same as an aiohttp application.  Nothing is imported before it is asked for.
"""

from __future__ import annotations

__version__ = "0.1.0"
NGINX_VERSION = "1.31.5"  # the nginx whose behaviour is followed

TYPE_CHECKING = False  # "typing" alone would take as long as all the rest
if TYPE_CHECKING:
    from typing import Any

    from .app import application as application


def __getattr__(name: str) -> Any:
    if name == "application":
        from .app import application

        return application
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
