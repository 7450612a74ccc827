"""The fragments of a film, and the playlist that lists them.  Times are milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...http.uri import find_argument

_SECONDS = re.compile(r"(-?)(\d{1,7})(?:\.(\d*))?\Z")
OURS = frozenset({"start", "end", "offset", "len"})


class Cut(NamedTuple):
    """A part of a film."""

    start: int
    end: int


class Wanted(NamedTuple):
    """What a client asks for in the arguments of a request; None is not said."""

    start: int | None
    end: int | None
    offset: int | None
    length: int | None


def wanted(args: str) -> Wanted:
    """Numbers of seconds; what is none is not said."""
    start, end, length = (_time(args, name) for name in ("start", "end", "len"))
    offset = _time(args, "offset", may_be_negative=True)
    return Wanted(start, end, offset, length or None)


def _time(args: str, name: str, *, may_be_negative: bool = False) -> int | None:
    match = _SECONDS.match(find_argument(args, name) or "")
    if match is None or (match[1] and not may_be_negative):
        return None
    value = int(match[2]) * 1000 + int((match[3] or "")[:3].ljust(3, "0"))
    return -value if match[1] else value


def cuts(begins: Sequence[int], duration: int, span: Wanted, length: int) -> Iterator[Cut]:
    """The fragments: each is at least so long, and ends where one can begin, which are the key
    frames of a film; it can begin anywhere if there are none."""
    start = span.start or 0
    end = duration if span.end is None else min(span.end, duration)
    at = 0
    while start < end:
        if begins:
            while at < len(begins) and begins[at] < start + length:
                at += 1
            stop = min(begins[at], end) if at < len(begins) else end
        else:
            stop = min(start + length, end)
        yield Cut(start, stop)
        start = stop


def playlist(fragments: Sequence[Cut], name: str, args: str, offset: int | None) -> str:
    """The text; `name` is that of fragments without arguments, `args` what is added to them."""
    longest = max((cut.end - cut.start for cut in fragments), default=0)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{max(1, (longest + 500) // 1000)}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    if offset is not None:
        lines.append(f"#EXT-X-START:TIME-OFFSET={seconds(offset)}")
    more = f"&{args}" if args else ""
    for cut in fragments:
        lines.append(f"#EXTINF:{seconds(cut.end - cut.start)},")
        lines.append(f"{name}?start={seconds(cut.start)}&end={seconds(cut.end)}{more}")
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def seconds(milliseconds: int) -> str:
    """With three digits after the point."""
    sign, value = "-" if milliseconds < 0 else "", abs(milliseconds)
    return f"{sign}{value // 1000}.{value % 1000:03}"


def forwarded(args: str) -> str:
    """The arguments of a playlist that its fragments get as well: those that do not say what is
    wanted of it."""
    return "&".join(one for one in args.split("&") if one.partition("=")[0] not in OURS)
