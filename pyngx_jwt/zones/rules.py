"""Arithmetic of nginx that every implementation of the stores shares."""

from __future__ import annotations

# Sizes of nginx's zones, so that as many entries fit as administrators count on.
_PAGE, _NODES_A_PAGE, _POOL, _PAGE_ENTRY = 4096, 32, 700, 24
_CLOCK_WAS_SET = 60_000  # milliseconds


def capacity(size: int) -> int:
    """How many nodes of 128 bytes nginx gets into a keys_zone of that many bytes."""
    pages = (size - _POOL) // (_PAGE + _PAGE_ENTRY)
    start = -(-(_POOL + pages * _PAGE_ENTRY) // _PAGE) * _PAGE
    pages = min(pages, (size - start) // _PAGE)
    return max(1, (pages - 1) * _NODES_A_PAGE - 1)


def pour(excess: int, last: int, now: int, rate: int) -> tuple[int, int]:
    """A leaky bucket with one request more, after what has leaked since ``last``: the excess in
    thousandths of a request, and the time it is of (ngx_http_limit_req_lookup).

    Times are in milliseconds, ``rate`` in thousandths of a request a second.
    """
    passed = now - last
    if passed < 0:  # another process has a later idea of now, or the clock was set
        passed = 1 if passed < -_CLOCK_WAS_SET else 0
    excess = max(excess - rate * passed // 1000 + 1000, 0)
    return excess, now if passed else last
