"""Times as HTTP and the logs write them, made once a second."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache


@lru_cache(maxsize=256)
def http_date(second: int) -> str:
    """An IMF-fixdate (RFC 9110, section 5.6.7)."""
    return formatdate(second, usegmt=True)


@lru_cache(maxsize=2)
def local_time(second: int) -> str:
    """The Common Log Format's time, as $time_local."""
    return time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))


@lru_cache(maxsize=2)
def iso8601(second: int) -> str:
    """The time as $time_iso8601."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
    return f"{text[:-2]}:{text[-2:]}"


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_http_date(text: str) -> int:
    """Seconds since the epoch of any of HTTP's three forms; -1 if it is none of them."""
    from email.utils import parsedate_to_datetime

    if text[:3].lower() not in _DAYS:
        return -1
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (TypeError, ValueError, OverflowError):
        return _parse_asctime(text)


def _parse_asctime(text: str) -> int:
    import calendar

    try:
        return calendar.timegm(time.strptime(text, "%a %b %d %H:%M:%S %Y"))
    except ValueError:
        return -1
