"""Host and port as requests name them (ngx_http_validate_host)."""

from __future__ import annotations

import re
from functools import lru_cache

LITERAL = r"\[[A-Za-z0-9:._~!$&'()*+,;=-]*\]"  # an address in brackets


@lru_cache(maxsize=256)  # few names are asked for again and again
def validate_host(text: str) -> tuple[str, int] | None:
    """Lower-case host without last dot, and port (0 if none); None if it is not valid."""
    parts = _HOST(text)
    if parts is None or ".." in parts[1]:
        return None
    host = parts[1].lower().removesuffix(".")
    port = (parts[2] or "").lstrip("0")
    if not host or len(port) > 5 or int(port or 0) > 65535:
        return None
    return host, int(port or 0)


_HOST = re.compile(rf"([A-Za-z0-9._~!$&'()*+,;=%-]*|{LITERAL})(?::([0-9]*))?").fullmatch
