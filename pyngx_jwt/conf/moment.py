"""Moments as command lines give them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ..errors import WrongWords
from .values import parse_sec

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SECONDS = re.compile(r"@(-?[0-9]{1,15}(?:\.[0-9]+)?)")


def parse_time(text: str, now: float, option: str) -> float:
    """Seconds since the epoch: "1h", "+1h" and "-5m" from now, "@SECONDS", or a date in the
    form of ISO 8601, of UTC unless it says otherwise.  Raises WrongWords."""
    if match := _SECONDS.fullmatch(text):
        return float(match[1])
    try:
        if _DATE.match(text):
            date = datetime.fromisoformat(text)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        away = parse_sec(text[1:] if text[:1] in ("+", "-") else text)
    except (ValueError, OverflowError):
        examples = 'such as 1h, -5m, "@1700000000" or "2026-01-31T12:00:00Z"'
        raise WrongWords(f'{option} wants a time {examples}, not "{text}"') from None
    return now - away if text.startswith("-") else now + away
