"""Responses as raw bytes: each must be read the same at once and split at every byte."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from pyngx_jwt.upstream import PeerConnection, PeerSettings, UpstreamError, head

from .peers import GET, connected, run

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MORE = 'upstream sent more data than specified in "Content-Length" header'
CLOSED = "PrematureClose: upstream prematurely closed connection"


@dataclass(frozen=True)
class Case:
    """What is sent, then the connection is closed; and what that is."""

    sent: bytes
    status: int = 200
    line: str = "200 OK"
    version: int = 1001
    headers: tuple[tuple[str, str], ...] | None = None
    body: bytes = b""
    reusable: bool = True
    warning: str = ""
    trailers: tuple[tuple[str, str], ...] = ()
    is_head: bool = False
    settings: PeerSettings = field(default=PeerSettings(buffer_size=200, pass_trailers=True))
    error: str = ""  # instead of the head
    body_error: str = ""  # after the body above


HEADS = {
    "plain": Case(
        OK + b"A: b\r\nContent-Length: 0\r\n\r\n", headers=(("A", "b"), ("Content-Length", "0"))
    ),
    "lf only": Case(
        b"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi",
        headers=(("A", "b"), ("Content-Length", "2")),
        body=b"hi",
    ),
    "lf only, crlf twice in the body": Case(
        b"HTTP/1.1 200 OK\nContent-Length: 8\n\n\r\n\r\n\r\n\r\n",
        headers=(("Content-Length", "8"),),
        body=b"\r\n\r\n\r\n\r\n",
    ),
    "lf and crlf mixed": Case(
        OK + b"A: b\nContent-Length: 0\r\n\n", headers=(("A", "b"), ("Content-Length", "0"))
    ),
    "cr cr lf": Case(
        OK + b"A: b\r\r\nContent-Length: 0\r\n\r\n", headers=(("A", "b"), ("Content-Length", "0"))
    ),
    "lf after the status line alone": Case(
        b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nhi",
        headers=(("Content-Length", "2"),),
        body=b"hi",
    ),
    "no fields": Case(OK + b"\r\nx", headers=(), body=b"x", reusable=False),
    "no reason": Case(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", line="200"),
    "blank reason": Case(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", line="200 "),
    "sub-status": Case(
        b"HTTP/1.1 403.1 No\r\nContent-Length: 0\r\n\r\n", status=403, line="403.1 No"
    ),
    "odd code": Case(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", status=999, line="999 Odd"),
    "code 000": Case(b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", status=600, line="600 X"),
    "many blanks": Case(b"HTTP/1.1   200 OK\r\nContent-Length: 0\r\n\r\n"),
    "latin-1 reason": Case(
        b"HTTP/1.1 404 \xe9\r\nContent-Length: 0\r\n\r\n", status=404, line="404 \xe9"
    ),
    "1.0": Case(
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", version=1000, reusable=False
    ),
    "1.0 keep-alive": Case(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        version=1000,
        reusable=False,
    ),
    "2.17": Case(b"HTTP/2.17 200 OK\r\nContent-Length: 0\r\n\r\n", version=2017),
    "close": Case(OK + b"Connection: Close\r\nContent-Length: 0\r\n\r\n", reusable=False),
    "close in a list": Case(
        OK + b"connection: x\r\nConnection: a, close\r\nContent-Length: 0\r\n\r\n", reusable=False
    ),
    "blanks around values": Case(
        OK + b"A:b\r\nC:   d  \r\nE: \r\nF:\r\nG:\t h\r\nContent-Length:  1 \r\n\r\nx",
        headers=(
            ("A", "b"), ("C", "d"), ("E", ""), ("F", ""), ("G", "\t h"), ("Content-Length", "1"),
        ),
        body=b"x",
    ),
    "odd names": Case(
        OK + b"A_b: 1\r\nNo-Colon\r\nX(): 2\r\n\xe9: \xff\r\nContent-Length: 0\r\n\r\n",
        headers=(
            ("A_b", "1"), ("No-Colon", ""), ("X()", "2"), ("\xe9", "\xff"), ("Content-Length", "0"),
        ),
    ),
    "status line twice": Case(
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", headers=(("Content-Length", "0"),)
    ),
    "as long as the buffer": Case(
        OK + b"A: " + b"b" * 157 + b"\r\nContent-Length: 0\r\n\r\n",
    ),
}  # fmt: skip

INTERIM = {
    "100": Case(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", body=b"x"),
    "102 and 103": Case(
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: x\r\n\r\n"
        + OK
        + b"Content-Length: 1\r\n\r\nx",
        body=b"x",
    ),
    "each with a buffer of its own": Case(
        (b"HTTP/1.1 103 Early Hints\r\nA: " + b"b" * 150 + b"\r\n\r\n") * 3
        + OK
        + b"Content-Length: 1\r\n\r\nx",
        body=b"x",
    ),
    "103 in 1.0": Case(
        b"HTTP/1.0 103 Early Hints\r\n\r\n",
        error="BadResponse: upstream sent HTTP/1.0 response with early hints",
        reusable=False,
    ),
    "nothing after 100": Case(b"HTTP/1.1 100 Continue\r\n\r\n", error=CLOSED, reusable=False),
}

BODIES = {
    "counted": Case(OK + b"Content-Length: 5\r\n\r\nhello", body=b"hello"),
    "counted, too long": Case(
        OK + b"Content-Length: 5\r\n\r\nhello!", body=b"hello", reusable=False, warning=MORE
    ),
    "empty, too long": Case(
        OK + b"Content-Length: 0\r\n\r\n!", reusable=False, warning=MORE
    ),
    "counted, too short": Case(
        OK + b"Content-Length: 5\r\n\r\nhell", body=b"hell", body_error=CLOSED, reusable=False
    ),
    "until close": Case(OK + b"A: b\r\n\r\nhello", body=b"hello", reusable=False),
    "until close, empty": Case(OK + b"A: b\r\n\r\n", reusable=False),
    "101": Case(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nraw",
        status=101, line="101 Switching Protocols", body=b"raw", reusable=False,
    ),
    "101 with a length that fits": Case(
        b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 3\r\n\r\nraw",
        status=101, line="101 Switching Protocols", body=b"raw", reusable=False,
    ),
    "head": Case(OK + b"Content-Length: 5\r\n\r\n", is_head=True),
    "head, chunked": Case(CHUNKED, is_head=True),
    "head, no length": Case(OK + b"\r\n", is_head=True),
    "head with a body": Case(
        OK + b"Content-Length: 5\r\n\r\nhello", is_head=True, reusable=False, warning=MORE
    ),
    "204": Case(b"HTTP/1.1 204 No Content\r\n\r\n", status=204, line="204 No Content"),
    "204 with a length": Case(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", status=204, line="204 No Content"
    ),
    "204 with a body": Case(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
        status=204, line="204 No Content", reusable=False, warning=MORE,
    ),
    "304": Case(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        status=304, line="304 Not Modified",
    ),
    "chunked": Case(CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", body=b"hello!"),
    "chunked, empty": Case(CHUNKED + b"0\r\n\r\n"),
    "chunked, extensions": Case(
        CHUNKED + b"5;a=b\r\nhello\r\n01 \r\n!\r\n000\t;x\r\n\r\n", body=b"hello!"
    ),
    "chunked, hex": Case(
        CHUNKED + b"1a\r\n" + b"x" * 26 + b"\r\n0A\r\n0123456789\r\n0\r\n\r\n",
        body=b"x" * 26 + b"0123456789",
    ),
    "chunked, CRLF in chunks": Case(
        CHUNKED + b"2\r\n\r\n\r\n4\r\n0\r\n\r\r\n0\r\n\r\n", body=b"\r\n0\r\n\r"
    ),
    "chunked, case of the word": Case(OK + b"transfer-encoding: Chunked\r\n\r\n0\r\n\r\n"),
    "chunked and 1.0": Case(
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        version=1000, body=b"x", reusable=False,
    ),
    "chunked, more after": Case(
        CHUNKED + b"1\r\nx\r\n0\r\n\r\n!",
        body=b"x", reusable=False, warning="upstream sent data after final chunk",
    ),
    "chunked, unfinished": Case(
        CHUNKED + b"5\r\nhello\r\n", body=b"hello", body_error=CLOSED, reusable=False
    ),
    "trailers": Case(
        CHUNKED + b"1\r\nx\r\n0\r\nA: b\r\nNo-Colon\nC:  d \r\n\r\n",
        body=b"x", trailers=(("A", "b"), ("No-Colon", ""), ("C", "d")),
    ),
    "trailers that nobody wants": Case(
        CHUNKED + b"1\r\nx\r\n0\r\nA: b\r\n\r\n", body=b"x", settings=PeerSettings(),
    ),
}  # fmt: skip

INVALID = "BadResponse: upstream sent invalid chunked response"
BAD_CHUNKS = {
    "not a number": (b"x\r\n", b""),
    "negative": (b"-1\r\n", b""),
    "lf after the size": (b"1\nx\r\n", b""),
    "lf in an extension": (b"1;a\nx\r\n", b""),
    "cr in an extension": (b"1;a\rb\r\n", b""),
    "longer than told": (b"1\r\nxy\r\n", b"x"),
    "longer by two": (b"1\r\nxyz0\r\n\r\n", b"x"),
    "lf after the data": (b"1\r\nx\n0\r\n\r\n", b"x"),
    "lf after the last size": (b"1\r\nx\r\n0\n\n", b"x"),
    "too big": (b"ffffffffffffffff\r\n", b""),
}
BAD_HEADS = {
    "length twice": (
        b"Content-Length: 1\r\nContent-Length: 1\r\n",
        'upstream sent duplicate header line: "Content-Length: 1", '
        'previous value: "Content-Length: 1"',
    ),
    "coding twice": (
        b"transfer-encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        'upstream sent duplicate header line: "Transfer-Encoding: gzip", '
        'previous value: "transfer-encoding: chunked"',
    ),
    "length and coding": (
        b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time',
    ),
    "coding and length": (
        b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        'upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time',
    ),
    "signed length": (
        b"Content-Length: +1\r\n",
        'upstream sent invalid "Content-Length" header: "Content-Length: +1"',
    ),
    "no length": (
        b"Content-Length:\r\n",
        'upstream sent invalid "Content-Length" header: "Content-Length: "',
    ),
    "superscript length": (
        b"Content-Length: \xb2\r\n",
        'upstream sent invalid "Content-Length" header: "Content-Length: \xb2"',
    ),
    "huge length": (
        b"Content-Length: 9223372036854775808\r\n",
        'upstream sent invalid "Content-Length" header: "Content-Length: 9223372036854775808"',
    ),
    "other coding": (
        b"Transfer-Encoding: gzip, chunked\r\n",
        'upstream sent unknown "Transfer-Encoding": "gzip, chunked"',
    ),
    "folded": (b"A: b\r\n c\r\n", 'upstream sent invalid header: "\\x20..."'),
    "blank in a name": (b"A b: c\r\n", 'upstream sent invalid header: "A\\x20..."'),
    "blank before the colon": (b"A : c\r\n", 'upstream sent invalid header: "A\\x20..."'),
    "no name": (b": c\r\n", 'upstream sent invalid header: "\\x3a..."'),
    "del in a name": (b"A\x7f: c\r\n", 'upstream sent invalid header: "A\\x7f..."'),
    "nul in a value": (b"A: b\0c\r\n", 'upstream sent invalid header: "A: b\\x00..."'),
    "cr in a value": (b"A: b\rc\r\n", 'upstream sent invalid header: "A: b\\x0d..."'),
    "cr cr lf at the end": (b"A: b\r\n\r\r\n", 'upstream sent invalid header: "\\x0d..."'),
    "one byte too long": (
        b"A: " + b"b" * 158 + b"\r\nContent-Length: 0\r\n",
        "upstream sent too big header",
    ),
    "far too long": (b"A: " + b"b" * 5000, "upstream sent too big header"),
}  # fmt: skip
NO_HEADS = [
    b"hello",
    b"HTTP",
    b"H",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/1.1234 200 OK\r\n\r\n",
    b"HTTP/1.1 20x OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 O\rK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\r\nA: b\r\n\r\n",
    b"<html>\r\n\r\n</html>",
]

CASES = HEADS | INTERIM | BODIES
CASES |= {
    f"chunks: {name}": Case(CHUNKED + sent, body=body, body_error=INVALID, reusable=False)
    for name, (sent, body) in BAD_CHUNKS.items()
}
CASES |= {
    f"head: {name}": Case(OK + sent + b"\r\n", error=f"BadResponse: {message}", reusable=False)
    for name, (sent, message) in BAD_HEADS.items()
}
CASES |= {
    f"no head: {sent!r}": Case(
        sent, status=0, line="", version=9, headers=(), body=sent, reusable=False
    )
    for sent in NO_HEADS[3:] + NO_HEADS[:1]
}
# What may still become a head when the connection closes is an early close.
CASES |= {
    f"cut: {sent!r}": Case(sent, error=CLOSED, reusable=False)
    for sent in (b"", b"HTTP/1.", OK, OK[:-1], *NO_HEADS[1:3])
}
CASES["trailers, too big"] = Case(
    CHUNKED + b"1\r\nx\r\n0\r\nA: " + b"b" * 300,
    body=b"x",
    body_error="BadResponse: upstream sent too big trailers",
    reusable=False,
)


@pytest.mark.parametrize("size", [10**6, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", CASES)
def test_read_as_nginx_reads(name: str, size: int) -> None:
    case = CASES[name]
    found = run(play(case, size))
    if case.headers is None:
        found = replace(found, headers=None)
    assert found == case


async def play(case: Case, size: int) -> Case:
    """The case as it turned out, sent in pieces of that size."""
    connection, _ = connected()
    connection.begin(GET, case.settings, head=case.is_head)
    for at in range(0, len(case.sent), size):
        connection.data_received(case.sent[at : at + size])
    reading = asyncio.create_task(read(connection, case))
    for _ in range(3):  # as far as it comes
        await asyncio.sleep(0)
    reusable = connection.reusable
    connection.eof_received()
    connection.connection_lost(None)
    return replace(await reading, reusable=reusable)


async def read(connection: PeerConnection, case: Case) -> Case:
    found = Case(case.sent, is_head=case.is_head, settings=case.settings)
    try:
        response = await connection.receive()
    except UpstreamError as error:
        return replace(found, error=f"{type(error).__name__}: {error}")
    found = replace(
        found,
        status=response.status,
        line=response.status_line,
        version=response.version,
        headers=tuple(response.headers),
    )
    body, failure = response.body or b"", ""
    try:
        while (piece := await connection.read()) is not None:
            body += piece
    except UpstreamError as error:
        failure = f"{type(error).__name__}: {error}"
    return replace(
        found,
        body=body,
        body_error=failure,
        warning=response.warning,
        trailers=tuple(response.trailers),
    )


def test_names_that_are_remembered_are_few() -> None:
    """Interned names are kept for good in some versions of Python."""
    for number in range(2 * head.MOST_NAMES):
        response = head.parse_head(b"HTTP/1.1 200 OK\r\nX-%d: 1\r\n\r\n" % number, 4096)
        assert response is not None and response.names == [f"x-{number}"]
    assert len(head._NAMES) <= head.MOST_NAMES
