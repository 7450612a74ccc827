"""Transcripts: ``>`` lines are sent, ``<`` lines are held against the answer.

A transcript is a list of exchanges with an empty line between them::

    > POST /form                 "HTTP/1.1", Host and "Connection: close" are added if not written
    > X-Field: 1                 (nothing is added to HTTP/1.0; "> !Host" leaves it out of 1.1)
    >                            a body; its Content-Length is added, or with
    > first line                 "Transfer-Encoding: chunked" each of its lines is sent as a chunk
    < 200                        the status, or "200 OK", or "HTTP/1.1 200 OK"
    < X-Field: value             present, in this case, and as often as written
    < X-Field: *                 present
    < X-Field ~ regex            present, and all of its value matches
    < !X-Other                   absent
    <+ X-Trailer: value          a trailer field
    <                            the body follows, all of it, to its last line end
    < hello
    <~ regex                     or: the body has a match of it

``< closed`` stands for a connection that is closed without an answer. What the answer really was
is told in the same lines, so that a failed test shows the difference of two transcripts.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from .wire import Answer

DEFAULTS = (("Host", "localhost"), ("Connection", "close"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with what is expected of its answer."""

    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def method(self) -> str:
        return self.lines[0][2:].partition(" ")[0]

    def request(self, keepalive: bool = False) -> bytes:
        """The bytes to send."""
        sent = [line[2:] for line in self.lines if line[:1] == ">"]
        head, body = (
            (sent[: sent.index("")], sent[sent.index("") + 1 :]) if "" in sent else (sent, [])
        )
        return compose(head, "\n".join(body), keepalive=keepalive, chunks=body)

    def told(self, answer: Answer | None) -> str:
        """What came, told in the lines of what was expected."""
        return "\n".join(_tell(self.lines, answer))


def exchanges(transcript: str) -> Iterator[Exchange]:
    for text in re.split(r"\n\n+", textwrap.dedent(transcript).strip()):
        yield Exchange("\n".join(line.rstrip() for line in text.split("\n")))


def compose(
    head: list[str], body: str = "", *, keepalive: bool = False, chunks: list[str] | None = None
) -> bytes:
    """A request of these head lines, completed as the transcript's are."""
    first, *fields = head
    dropped = {f[1:].lower() for f in fields if f.startswith("!")}
    fields = [f for f in fields if not f.startswith("!")]
    names = {f.partition(":")[0].lower() for f in fields}
    if not re.search(r" HTTP/\d\.\d$", first):
        first += " HTTP/1.1"
    if not first.endswith("HTTP/1.0"):
        for name, value in DEFAULTS[: 1 if keepalive else 2]:
            if name.lower() not in names | dropped:
                fields.append(f"{name}: {value}")
    if "transfer-encoding" in names:
        body = "".join(f"{len(c):x}\r\n{c}\r\n" for c in chunks or [body] if c) + "0\r\n\r\n"
    elif body and "content-length" not in names:
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([first, *fields, "", body]).encode("latin-1")


STATUS = re.compile(r"(HTTP/\d\.\d )?\d{3}( .*)?|closed")
WRITTEN = re.compile(r"!?(?P<name>[^\s:]+)(:.*| ~ (?P<pattern>.*))?")


@dataclass(frozen=True, slots=True)
class Written:
    """A field line as the transcript writes it."""

    mark: str
    text: str
    name: str
    pattern: str | None

    @classmethod
    def of(cls, line: str) -> Written:
        mark, text = line[:2].rstrip(), line[2:].strip()
        match = WRITTEN.fullmatch(text)
        assert match, f"not a line of a transcript: {line!r}"
        return cls(mark, text, match["name"], match["pattern"])

    def same(self, other: Written) -> bool:
        return (self.mark, self.name.lower()) == (other.mark, other.name.lower())

    def absent(self) -> str:
        return f"{self.mark} !{self.name}"

    def told(self, name: str, value: str) -> str:
        """The field that came: as written if it holds."""
        matches = (
            self.text.endswith(": *") if self.pattern is None else re.fullmatch(self.pattern, value)
        )
        if matches and name == self.name:
            return f"{self.mark} {self.text}"
        return f"{self.mark} {name}: {_shown(value)}".rstrip()


def _tell(lines: list[str], answer: Answer | None) -> Iterator[str]:
    if answer is None:
        yield from (line for line in lines if line[:1] != "<")
        yield "< closed"
        return
    heads = [*answer.interim, answer]
    sections = _sections(lines)
    yield from sections[0]
    for expected, head in zip_longest(sections[1:], heads):
        if head is None:
            return
        status, *rest = expected or ["< 100"]
        yield "< " + _status(status[2:], head)
        yield from _tell_rest(rest, head)


def _sections(lines: list[str]) -> list[list[str]]:
    """The request, then what is written of each response, up to the body."""
    sections: list[list[str]] = [[]]
    body = False
    for line in lines:
        if line[:2] == "< " and STATUS.fullmatch(line[2:]) and not body:
            sections.append([])
        body = body or line == "<"
        sections[-1].append(line)
    return sections


def _tell_rest(lines: list[str], answer: Answer) -> Iterator[str]:
    end = lines.index("<") if "<" in lines else len(lines)
    fields = [Written.of(line) for line in lines[:end] if line[:2] in ("< ", "<+")]
    told = iter([list(_tell_field(n, fields, answer)) for n in range(len(fields))])
    for line in lines[:end]:
        if line[:2] == "<~":
            found = re.search(line[2:].strip(), answer.text)
            yield line if found else f"<~ {_shown(answer.text)}"
        else:
            yield from next(told) if line[:2] in ("< ", "<+") else [line]
    if end < len(lines):
        yield from _tell_body(answer.body)


def _tell_field(index: int, fields: list[Written], answer: Answer) -> Iterator[str]:
    """The field of one line; the last line of a name also tells what was not written."""
    written = fields[index]
    received = answer.trailers if written.mark == "<+" else answer.fields
    found = [(key, value) for key, value in received if key.lower() == written.name.lower()]
    before = sum(w.same(written) for w in fields[:index])
    last = not any(w.same(written) for w in fields[index + 1 :])
    for key, value in found[before : None if last else before + 1]:
        yield written.told(key, value)
    if len(found) <= before:
        yield written.absent()


def _status(expected: str, answer: Answer) -> str:
    if expected.startswith("HTTP/"):
        return f"HTTP/{answer.version} {answer.status} {answer.reason}".rstrip()
    if " " in expected:
        return f"{answer.status} {answer.reason}"
    return str(answer.status)


def _tell_body(body: bytes) -> Iterator[str]:
    yield "<"
    if body:
        for line in body.decode("latin-1").split("\n"):
            yield f"< {_shown(line)}".rstrip()


def _shown(text: str) -> str:
    """Control characters made visible."""
    return re.sub(r"[\x00-\x1f\x7f-\xa0]", lambda m: m[0].encode("unicode_escape").decode(), text)
