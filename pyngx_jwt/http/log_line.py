"""Lines of access logs, as a format has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ..log import OpenFile
from .engine import log_failure
from .escape import escape_json
from .failure import RequestFailed
from .request import Request
from .template import Part, TextOf, getter_of
from .variables import Get, R, VariableTable

_DEFAULT_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\\x7f-\xff]')
_ODD: Final = 0


def _marks(odd: Iterable[int]) -> bytes:
    """A table for bytes.translate that turns the odd ones into _ODD: that is how many are
    searched at once."""
    table = bytearray(range(256))
    for code in odd:
        table[code] = _ODD
    return bytes(table)


class Escape:
    """How values are written: what stands for one that is missing, which bytes are not written
    as they are, and how those are."""

    __slots__ = ("absent", "escaped", "marks")

    def __init__(self, absent: str, odd: Iterable[int], escaped: Callable[[str], str]) -> None:
        self.absent, self.escaped = absent, escaped
        self.marks = _marks(odd)

    def has_odd(self, text: str) -> bool:
        return _ODD in text.encode("latin-1").translate(self.marks)


def _escape_default(text: str) -> str:
    return _DEFAULT_ESCAPED.sub(lambda m: f"\\x{ord(m[0]):02X}", text)


_CONTROLS = (*range(0x20), ord('"'), ord("\\"))
_ESCAPES: Final = {
    "default": Escape("-", (*_CONTROLS, *range(0x7F, 0x100)), _escape_default),
    "json": Escape("", _CONTROLS, escape_json),
    "none": Escape("", (), str),
}


def bind_line(
    parts: Sequence[Part], escape: str, variables: VariableTable[R]
) -> Callable[[R], bytes]:
    """A function that writes a session's line, with its newline."""
    how = _ESCAPES[escape]
    blank = ["" if is_variable else text for is_variable, text in parts]
    places = [at for at, part in enumerate(parts) if part[0]]
    getters = [getter_of(part, variables) for part in parts if part[0]]
    blank.append("\n")

    def line(r: R) -> bytes:
        absent = how.absent
        try:
            values = [get(r) for get in getters]
        except Exception:  # costs that value, not the line
            values = [_tried(get, r) for get in getters]
        texts = [absent if value is None else value for value in values]
        if how.has_odd("".join(texts)):
            texts = [how.escaped(text) for text in texts]
        pieces = blank.copy()
        for at, place in enumerate(places):
            pieces[place] = texts[at]
        return "".join(pieces).encode("latin-1")

    return line


def _tried(get: Get[R], r: R) -> str | None:
    """The value of a variable, none of one that fails."""
    try:
        return get(r)
    except RequestFailed:
        return None  # its reason is logged
    except Exception as error:
        log_failure(r, error)
        return None


def bind_value(get: Get[R], escape: str) -> TextOf[R]:
    """What a format writes for one variable."""
    how = _ESCAPES[escape]

    def value(r: R) -> str:
        text = _tried(get, r)
        if text is None:
            return how.absent
        return how.escaped(text) if how.has_odd(text) else text

    return value


def to_file(file: OpenFile) -> Callable[[Request, bytes], None]:
    """A function that writes a request's line."""

    def write(r: Request, line: bytes) -> None:
        file.write(line, r.location.log)

    return write


def each_line(line: Callable[[R], bytes], write: Callable[[R, bytes], None]) -> Callable[[R], None]:
    """A handler that makes the line of a session and writes it."""

    def log(r: R) -> None:
        write(r, line(r))

    return log
