"""What headers cannot hold is escaped in what code sets (ngx_http_lua_escape_uri)."""

from __future__ import annotations

import re

_NAME = re.compile(r'[\x00-\x20"(),/:;<=>?@\[\\\]{}\x7f-\xff]')
_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def escaped_name(text: str) -> str:
    return _NAME.sub(_escape, text)


def escaped_value(text: str) -> str:
    """No byte of it ends the line."""
    return _VALUE.sub(_escape, text)
