"""An nginx.conf-compatible, JWT-authenticating reverse proxy."""

from __future__ import annotations

__version__ = "0.1.0"
NGINX_VERSION = "1.31.5"  # the nginx whose behaviour is followed
