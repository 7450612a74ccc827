"""Reads what a server sent, leniently, into what is compared."""

from __future__ import annotations

import re

from .case import Answer

DATE = re.compile(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")
BOUNDARY = re.compile(rb"(?<=--|y=)0\d{19}\b")  # of ranges: counted by each worker
HEAD = re.compile(rb"HTTP/1\.\d \d+[^\r\n]*\r\n")
LENGTH = re.compile(r"content-length: (\d+)", re.I)
CHUNKED = re.compile(r"transfer-encoding: chunked", re.I)
CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n")


def read(data: bytes) -> tuple[Answer, ...]:
    """All answers of a connection.

    Fields are sorted by name. Nothing tells whether the answer to HEAD has a body: it has none
    if the next answer follows at once.
    """
    answers: list[Answer] = []
    data = BOUNDARY.sub(b"0" * 20, DATE.sub(b"\r\nDate: -\r\n", data))
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end or not HEAD.match(data):
            answers.append(Answer("", (), data))
            break
        status, *fields = head.decode("latin-1").split("\r\n")
        body, data = _body(fields, rest)
        fields.sort(key=lambda field: field.partition(":")[0].lower())
        answers.append(Answer(status, tuple(fields), body))
    return tuple(answers)


def _body(fields: list[str], rest: bytes) -> tuple[bytes, bytes]:
    if HEAD.match(rest):
        return b"", rest
    for field in fields:
        if length := LENGTH.fullmatch(field):
            return rest[: int(length[1])], rest[int(length[1]) :]
        if CHUNKED.fullmatch(field):
            return _joined(rest)
    return rest, b""


def _joined(data: bytes) -> tuple[bytes, bytes]:
    """The chunks as one body, with "..." if they do not end; trailers stand behind it."""
    body = b""
    while chunk := CHUNK.match(data):
        size, start = int(chunk[1], 16), chunk.end()
        if size == 0:
            trailers, end, rest = data[start - 2 :].partition(b"\r\n\r\n")
            return body + trailers + (b"" if end else b"..."), rest
        body += data[start : start + size]
        data = data[start + size + 2 :]
    return body + data + b"...", b""
