"""Host and port as requests name them (ngx_http_validate_host)."""

from __future__ import annotations

import re
from typing import Final

MAX_KNOWN: Final = 256  # hosts that are remembered: few are asked for again and again
MAX_KNOWN_HOST: Final = 255  # characters of one
LITERAL: Final = r"\[[A-Za-z0-9:._~!$&'()*+,;=-]*\]"  # an address in brackets


def validate_host(text: str) -> tuple[str, int] | None:
    """Lower-case host without last dot, and port (0 if none); None if it is not valid."""
    known = _known.get(text)
    if known is None:
        known = _validate(text)
        if known is not None and len(text) <= MAX_KNOWN_HOST:
            if len(_known) >= MAX_KNOWN:
                _known.clear()
            _known[text] = known
    return known


def _validate(text: str) -> tuple[str, int] | None:
    parts = _HOST(text)
    if parts is None or ".." in parts[1]:
        return None
    host = parts[1].lower().removesuffix(".")
    port = (parts[2] or "").lstrip("0")
    if not host or len(port) > 5 or int(port or 0) > 65535:
        return None
    return host, int(port or 0)


_known: Final[dict[str, tuple[str, int]]] = {}
_HOST: Final = re.compile(rf"([A-Za-z0-9._~!$&'()*+,;=%-]*|{LITERAL})(?::([0-9]*))?").fullmatch
