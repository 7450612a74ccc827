"""URIs: normalising and escaping."""

from __future__ import annotations

from ..server.uri import escape_args, escape_uri, parse_unsafe_uri, unescape, unescape_redirect

__all__ = ["escape_args", "escape_uri", "parse_unsafe_uri", "unescape", "unescape_redirect"]
