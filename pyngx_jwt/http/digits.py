"""Numbers in the headers and arguments of requests, however many digits they have."""

from __future__ import annotations

MOST_DIGITS = 19  # of an offset in a file, which has 63 bits
TOO_LARGE = 10**MOST_DIGITS


def number_of(digits: str) -> int:
    """The number that ASCII digits mean, 0 for none; TOO_LARGE for one that no offset can have.

    Python refuses to read more than 4300 digits (ValueError)."""
    digits = digits.lstrip("0")
    return int(digits or 0) if len(digits) <= MOST_DIGITS else TOO_LARGE
