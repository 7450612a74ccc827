"""Times as HTTP and the logs write them, made once a second, and as HTTP reads them."""

from __future__ import annotations

import re
import time
from calendar import isleap, timegm
from functools import lru_cache
from typing import Final

MAX_KNOWN: Final = 256  # dates that are remembered
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


class Second:
    """What was written last for a second."""

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second, self.text = -1, ""


_known: Final[dict[int, str]] = {}
_local: Final = Second()


def http_date(second: int) -> str:
    """An IMF-fixdate (RFC 9110, section 5.6.7)."""
    text = _known.get(second)
    if text is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        year, month, day, hour, minute, rest, weekday, *_ = time.gmtime(second)
        clock = f"{hour:02}:{minute:02}:{rest:02}"
        date = f"{_WEEKDAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04}"
        text = _known[second] = f"{date} {clock} GMT"
    return text


def local_time(second: int) -> str:
    """The Common Log Format's time, as $time_local."""
    if second != _local.second:
        _local.text = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
        _local.second = second
    return _local.text


@lru_cache(maxsize=2)
def iso8601(second: int) -> str:
    """The time as $time_iso8601."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
    return f"{text[:-2]}:{text[-2:]}"


# -- reading dates, as leniently as nginx reads them -----------------------------------------

_MONTH, _CLOCK = "(?P<month>[JFMASOND]..)", "(?P<h>[0-9]{2}):(?P<m>[0-9]{2}):(?P<s>[0-9]{2})"
_RFC822 = re.compile(f"(?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK}", re.S)
_RFC850 = re.compile(f"(?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK}", re.S)
_ISOC = re.compile(f"{_MONTH}. ?(?P<day>[0-9]{{1,2}}) {_CLOCK} (?P<year>[0-9]{{4}})", re.S)
_FIRST_WORD = re.compile("[^, ]*([, ]) *")  # the weekday, whatever it says
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_http_time(text: str) -> int | None:
    """Seconds since the epoch, None if it is not a date (ngx_parse_http_time).

    ``Tue, 10 Nov 2002 23:50:13``, ``Tuesday, 10-Dec-02 23:50:13``, ``Tue Dec 10 23:50:13 2002``;
    the weekday may be any word, letters that do not distinguish months any letters, and anything
    may follow.
    """
    word = _FIRST_WORD.match(text)
    if word is None:
        return None
    formats = (_ISOC,) if word[1] == " " else (_RFC822, _RFC850)
    for pattern in formats:
        if match := pattern.match(text, word.end()):
            return _seconds(match, two_digits=pattern is _RFC850)
    return None


def _seconds(parts: re.Match[str], two_digits: bool) -> int | None:
    year, month, day = int(parts["year"]), _month(parts["month"]), int(parts["day"])
    hour, minute, second = int(parts["h"]), int(parts["m"]), int(parts["s"])
    if two_digits:
        year += 2000 if year < 70 else 1900
    if year < 1 or hour > 23 or minute > 59 or second > 59:
        return None
    if day > _DAYS[month] + (month == 1 and isleap(year)):
        return None
    return timegm((year, month + 1, day, hour, minute, second))


def _month(name: str) -> int:
    """0 to 11; only the letters that are needed are looked at."""
    first, second, third = name[0], name[1], name[2]
    if first == "J":
        return 0 if second == "a" else 5 if third == "n" else 6
    if first == "M":
        return 2 if third == "r" else 4
    if first == "A":
        return 3 if second == "p" else 7
    return {"F": 1, "S": 8, "O": 9, "N": 10, "D": 11}[first]
