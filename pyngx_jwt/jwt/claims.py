"""Claims as values of variables: in the way of NGINX Plus, and in those of other modules.

Results are text as it travels in nginx, one character per byte of UTF-8, and never contain a
control character, so that no claim can add a line to a header or to a log.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .encoding import Json, encode_json, latin1, ordered, unicode

Members = dict[str, Json]  # a claims set or a JOSE header

_CONTROL = re.compile("[\0-\x1f\x7f]")


def render(value: Json) -> str:
    """Strings as they are, numbers and booleans as JSON, arrays joined by commas, objects as
    JSON, null as nothing.  A result with a control character is empty instead."""
    return _safe(_text(value))


def render_plain(value: Json) -> str:
    """Strings as they are, anything else as JSON with members in the order of their names."""
    return _safe(value if isinstance(value, str) else encode_json(ordered(value)))


_FLAT = str.maketrans("", "", '[]"')


def render_flat(value: Json) -> str:
    """As render_plain(), and without the brackets and quotes that JSON has."""
    if isinstance(value, str):
        return _safe(value)
    return _safe(encode_json(ordered(value)).translate(_FLAT))


def render_sorted(value: Json) -> str:
    """JSON, strings in quotes, members in the order of their names."""
    return _safe(encode_json(ordered(value)))


def render_string(value: Json) -> str:
    """Strings as they are, anything else as nothing."""
    return _safe(value) if isinstance(value, str) else ""


def _safe(text: str) -> str:
    return "" if _CONTROL.search(text) else latin1(text)


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join([_text(element) for element in value])
    return "" if value is None else encode_json(value)


def getter(*names: str) -> Callable[[Members], str]:
    """A function that renders what the path of member names leads to, "" if to nothing.

    Names are configuration text; they match exactly.  (Of a ``$jwt_claim_NAME`` nginx keeps
    the lower-cased name only, so such a variable never finds a claim with capitals.)

    Raises ValueError if a name is not UTF-8.
    """
    first, *rest = (unicode(name) for name in names)

    def get(members: Members) -> str:
        value = members.get(first)
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str) and value.isascii() and value.isprintable():
            return value  # as render() would
        return render(value)

    return get


_BLANKS = str.maketrans("\t\n\r", "   ")


def render_payload(payload: bytes) -> str:
    """A JSON document as it was signed, line breaks and tabs between its values as blanks."""
    text = payload.decode("latin-1").translate(_BLANKS)
    return text.replace("\x7f", "\\u007f")  # JSON has the other controls only escaped
