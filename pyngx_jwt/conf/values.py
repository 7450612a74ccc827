"""nginx's sizes, times and numbers (ngx_parse.c, ngx_atoi).

Each function raises ValueError where nginx's returns NGX_ERROR: on a value that is empty, not
understood, or above what a signed 64-bit integer holds.
"""

from __future__ import annotations

import re

MAX = 2**63 - 1  # NGX_MAX_SIZE_T_VALUE, NGX_MAX_OFF_T_VALUE and NGX_MAX_INT_T_VALUE

_DIGITS = re.compile(r"[0-9]+")  # not isdigit(), which knows more digits than nginx
_SIZE_UNITS = {"k": 1 << 10, "m": 1 << 20}
_OFFSET_UNITS = _SIZE_UNITS | {"g": 1 << 30}

# A part of a time: digits, a unit (a lone blank stands for seconds) and blanks.
_TIME_PART = re.compile(r"([0-9]*)(?:(ms|[yMwdhms ]) *|\Z)")
_MONTHS, _SECONDS, _MILLISECONDS, _BLANK = 2, 7, 8, 9
_TIME_UNITS = {  # unit: its place in the order that units must keep, and its seconds
    "y": (1, 365 * 86400),
    "M": (_MONTHS, 30 * 86400),
    "w": (3, 7 * 86400),
    "d": (4, 86400),
    "h": (5, 3600),
    "m": (6, 60),
    "s": (_SECONDS, 1),
}


def parse_number(text: str) -> int:
    """A decimal number without a sign (ngx_atoi)."""
    if not _DIGITS.fullmatch(text):
        raise ValueError(text)
    return _within(text, int(text))


def parse_fixed(text: str, places: int) -> int:
    """A number with at most ``places`` digits after its dot: "10.5", 2 -> 1050 (ngx_atofp)."""
    whole, dot, fraction = text.partition(".")
    if not text or len(fraction) > places or (dot and len(fraction) == places == 0):
        raise ValueError(text)
    digits = whole + fraction
    if digits and not _DIGITS.fullmatch(digits):
        raise ValueError(text)
    return _within(text, int(digits or "0") * 10 ** (places - len(fraction)))


def parse_size(text: str) -> int:
    """Bytes, with an optional k or m in either case (ngx_parse_size)."""
    return _scaled(text, _SIZE_UNITS)


def parse_offset(text: str) -> int:
    """Bytes, with an optional k, m or g in either case (ngx_parse_offset)."""
    return _scaled(text, _OFFSET_UNITS)


def parse_msec(text: str) -> int:
    """Milliseconds: "1h 30m", "500ms"; seconds without a unit; no years or months."""
    return _parse_time(text, in_seconds=False)


def parse_sec(text: str) -> int:
    """Seconds: "1y 6M", "1h30m"; seconds without a unit; no milliseconds."""
    return _parse_time(text, in_seconds=True)


def _scaled(text: str, units: dict[str, int]) -> int:
    scale = units.get(text[-1:].lower())
    if scale is None:
        return parse_number(text)
    return _within(text, parse_number(text[:-1]) * scale)


def _parse_time(text: str, *, in_seconds: bool) -> int:
    """Adds up the parts of a time, whose units must come in order (ngx_parse_time)."""
    step, total, pos = (0 if in_seconds else _MONTHS), 0, 0
    while pos < len(text):
        part = _TIME_PART.match(text, pos)
        if not part:
            raise ValueError(text)
        value, unit, pos = _within(text, int(part[1] or "0")), part[2], part.end()
        if unit is not None:
            step = _next_step(text, unit, step, in_seconds)
        scale = _TIME_UNITS[unit][1] if unit in _TIME_UNITS else 1
        if unit != "ms" and not in_seconds:
            scale *= 1000
        total = _within(text, total + value * scale)
    if not _DIGITS.search(text):
        raise ValueError(text)
    return total


def _next_step(text: str, unit: str, step: int, in_seconds: bool) -> int:
    if unit == " ":
        last, following = _SECONDS, _BLANK
    elif unit == "ms":
        last = following = 0 if in_seconds else _MILLISECONDS
    else:
        last = following = _TIME_UNITS[unit][0]
    if step >= last:
        raise ValueError(text)
    return following


def _within(text: str, value: int) -> int:
    if value > MAX:
        raise ValueError(text)
    return value
