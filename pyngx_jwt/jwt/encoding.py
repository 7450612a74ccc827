"""Base64url and JSON, each read in one strict way.

What two parsers may read differently is refused here, so that what was signed, what is
checked and what is passed on are the same thing.  All functions raise ``ValueError``.
"""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from json.scanner import make_scanner

from .limits import LIMITS

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_URLSAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STANDARD = _URLSAFE[:-2] + b"+/"
_TABLE = bytes(_STANDARD[_URLSAFE.index(c)] if c in _URLSAFE else ord("!") for c in range(256))
# By length modulo 4: what the last character may be, if its unused bits are to be zero.
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
_PADDING = (b"", b"", b"==", b"=")

_BLANKS = " \t\r\n"  # RFC 8259, section 2


def decode_base64url(text: bytes, *, canonical: bool = True) -> bytes:
    """Octets of the unpadded base64url text (RFC 7515, appendix C).

    Only the one canonical form is accepted: nothing outside of the alphabet, no padding,
    and unused bits zero, unless ``canonical`` is false (RFC 4648, sections 3.3 and 3.5).
    """
    odd = len(text) % 4
    if canonical and odd and text[-1] not in _LAST[odd]:
        raise ValueError("not canonical base64url")
    return a2b_base64(text.translate(_TABLE) + _PADDING[odd], strict_mode=True)


def encode_base64url(octets: bytes) -> bytes:
    """Unpadded base64url text of the octets (RFC 7515, appendix C)."""
    return urlsafe_b64encode(octets).rstrip(b"=")


_MOST_DIGITS = 308  # a double holds all such integers


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number is out of range")
    return int(text)


def _constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_int=_integer, parse_constant=_constant
)
_scan = make_scanner(_decoder)  # type: ignore[arg-type]  # its raw_decode() calls another like it


def decode_json(octets: bytes, depth: int = LIMITS.depth) -> Json:
    """The value of a JSON document (RFC 8259) in UTF-8.

    Refused as well, as readers disagree about them: repeated member names, NUL and unpaired
    surrogates in strings, numbers beyond a double, and values nested deeper than ``depth``.
    """
    text = octets.decode().strip(_BLANKS)
    value: Json
    try:
        value, end = _scan(text, 0)
        # Most documents have too few brackets to be deep and no escapes that need a look.
        if text.count("{") + text.count("[") > depth or "\\u" in text:
            _inspect(value, depth)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except StopIteration as stop:
        raise ValueError(f"no JSON value at {stop.value}") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


_TOO_DEEP = "nested too deeply"


def _inspect(value: Json, depth: int) -> None:
    """Raises if the value goes deeper, or holds a string that readers disagree about."""
    if depth < 0:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string contains NUL")
        value.encode()  # UnicodeEncodeError, a ValueError, if a surrogate is alone
    elif isinstance(value, list):
        for element in value:
            _inspect(element, depth - 1)
    elif isinstance(value, dict):
        for name, member in value.items():
            _inspect(name, depth - 1)
            _inspect(member, depth - 1)


def encode_json(value: Json) -> str:
    """Compact JSON of the value, members in their order, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def ordered(value: Json) -> Json:
    """The value with the members of all its objects in the order of their names."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [ordered(element) for element in value] if isinstance(value, list) else value


def latin1(text: str) -> str:
    """The UTF-8 bytes of the text, one character per byte: text as it travels in nginx."""
    return text if text.isascii() else text.encode().decode("latin-1")


def unicode(text: str) -> str:
    """The text whose UTF-8 bytes are the characters of ``text``; undoes ``latin1``."""
    return text if text.isascii() else text.encode("latin-1").decode()


def quote(text: str, limit: int = 64) -> str:
    """The text in quotes and printable ASCII, cut to ``limit`` characters: safe in a log."""
    return json.dumps(text if len(text) <= limit else f"{text[:limit]}...").replace("\x7f", "?")
