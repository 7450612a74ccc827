"""Directives of set-misc that code can call as functions ("ndk.set_var")."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ...http.uri import unescape
from ..set_misc import escape_component
from . import text


def _decoded(value: str) -> str:
    return text.decode_base64(value) or ""


CONVERSIONS: dict[str, Callable[[str], str]] = {
    "set_escape_uri": escape_component,
    "set_unescape_uri": lambda value: unescape(value.replace("+", " ")),
    "set_encode_base64": lambda value: text.encode_base64(value, False),
    "set_decode_base64": _decoded,
    "set_md5": text.md5,
    "set_sha1": lambda value: hashlib.sha1(value.encode("latin-1")).hexdigest(),
    "set_encode_hex": text.to_hex,
    "set_quote_sql_str": text.quote_sql,
}
