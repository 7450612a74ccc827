"""Makes a case that shows a difference smaller."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from .case import Case, Outcome, Script
from .known import known
from .pair import Pair

TRIES = 60
SECONDS = 5.0


async def smaller(
    pair: Pair, case: Case, ours: Outcome, theirs: Outcome
) -> tuple[Case, Outcome, Outcome]:
    """The smallest case found in a limited number of tries and time, and what it gives."""
    left, until = TRIES, time.monotonic() + SECONDS
    progress = True
    while progress:
        progress = False
        for candidate in _candidates(case):
            left -= 1
            if left < 0 or time.monotonic() > until:
                return case, ours, theirs
            a, b = await pair.play(candidate, 0.01)
            if a != b and not known(candidate, a, b) and _alike(a, b, ours, theirs):
                case, ours, theirs, progress = candidate, a, b, True
                break
    return case, ours, theirs


def _alike(a: Outcome, b: Outcome, ours: Outcome, theirs: Outcome) -> bool:
    """Whether it is likely to be the same difference."""
    same_end = a.hangs == ours.hangs and b.hangs == theirs.hangs
    if ours.codes != theirs.codes:
        return same_end and set(a.codes) ^ set(b.codes) == set(ours.codes) ^ set(theirs.codes)
    return (
        same_end
        and a.codes == b.codes
        and (a.upstream == b.upstream) == (ours.upstream == theirs.upstream)
    )


def _candidates(case: Case) -> Iterator[Case]:
    if len(case.packets) > 1:
        yield replace(case, packets=(case.sent,))
        return
    script = case.script
    if script:
        if len(script.pieces) > 1:
            yield replace(case, script=Script((b"".join(script.pieces),), script.end))
        for pieces in _without_lines(b"".join(script.pieces)):
            yield replace(case, script=Script((pieces,), script.end))
    for data in _without_lines(case.sent):
        yield replace(case, packets=(data,))


def _without_lines(data: bytes) -> Iterator[bytes]:
    """Without half of the lines, without each of them, with long ones cut."""
    lines = data.splitlines(keepends=True)
    half = len(lines) // 2
    if half > 2:
        yield b"".join(lines[half:])
        yield b"".join(lines[:half])
    for n, line in enumerate(lines):
        if lines[:n] + lines[n + 1 :]:
            yield b"".join(lines[:n] + lines[n + 1 :])
        if len(line) > 80:
            yield b"".join([*lines[:n], line[: len(line) // 2], line[-20:], *lines[n + 1 :]])
