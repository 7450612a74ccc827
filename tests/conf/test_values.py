"""Sizes, times, numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyngx_jwt.conf.values import (
    MAX,
    parse_fixed,
    parse_msec,
    parse_number,
    parse_offset,
    parse_sec,
    parse_size,
)

ALL = (parse_number, parse_size, parse_offset, parse_msec, parse_sec)
REFUSED_BY_ALL = ("", "-1", "+1", "k", "s", "1x", "x1", "1.5", "\xb2", "1\n", "0x1", f"{MAX + 1}")


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_number, "0", 0),
        (parse_number, "007", 7),
        (parse_number, str(MAX), MAX),
        (parse_size, "8", 8),
        (parse_size, "1k", 1024),
        (parse_size, "1K", 1024),
        (parse_size, "2m", 2 << 20),
        (parse_size, "2M", 2 << 20),
        (parse_offset, "3g", 3 << 30),
        (parse_offset, "3G", 3 << 30),
        (parse_offset, "0k", 0),
        (parse_msec, "60", 60_000),
        (parse_msec, "500ms", 500),
        (parse_msec, "1h 30m", 5_400_000),
        (parse_msec, "1h30m", 5_400_000),
        (parse_msec, "1w1d1h1m1s1ms", 694_861_001),
        (parse_msec, "1s 5", 6_000),
        (parse_sec, "1y", 365 * 86400),
        (parse_sec, "1M", 30 * 86400),
        (parse_sec, "1y 6M", (365 + 180) * 86400),
        (parse_sec, "1d 12", 86412),
        (parse_sec, "30 ", 30),
        (parse_sec, "1 2", 3),  # a blank is a unit too
        (parse_sec, "5m s", 300),
    ],
)
def test_value(parse: Callable[[str], int], text: str, value: int) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse, text) for parse in ALL for text in REFUSED_BY_ALL),
        (parse_number, "1k"),
        (parse_size, "1g"),
        (parse_size, "1kk"),
        (parse_size, f"{MAX // 1024 + 1}k"),
        (parse_offset, f"{(MAX >> 30) + 1}g"),
        (parse_msec, "1y"),
        (parse_msec, "1M"),
        (parse_msec, "1ms 1s"),
        (parse_msec, "1m 1h"),
        (parse_msec, f"{MAX // 1000 + 1}"),
        (parse_msec, " "),
        (parse_sec, "1ms"),
        (parse_sec, "1s1s"),
        (parse_sec, "1 2 3"),
        (parse_sec, "1  2s"),
        (parse_sec, "1d 1w"),
        (parse_sec, f"1s {MAX}"),
    ],
)
def test_refused(parse: Callable[[str], int], text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_fixed() -> None:
    texts = ("10.5", "10", "10.", ".5", "0.25", ".")
    assert [parse_fixed(text, 2) for text in texts] == [1050, 1000, 1000, 50, 25, 0]
    for text in ("", "1.234", "1.2.3", "-1", "1%", str(MAX)):
        with pytest.raises(ValueError):
            parse_fixed(text, 2)
