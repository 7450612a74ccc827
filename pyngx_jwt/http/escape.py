"""Text made safe for what it is put into; URIs are the business of uri.py."""

from __future__ import annotations

import re

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_JSON_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_JSON_SHORT = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
    '"': '\\"',
    "\\": "\\\\",
}


def escape_html(text: str) -> str:
    """For HTML and XML (ngx_escape_html)."""
    return text.translate(_HTML)


def escape_json(text: str) -> str:
    """For the inside of a JSON string (ngx_escape_json)."""
    if not _JSON_ESCAPED.search(text):
        return text
    return _JSON_ESCAPED.sub(lambda m: _JSON_SHORT.get(m[0]) or f"\\u{ord(m[0]):04X}", text)
