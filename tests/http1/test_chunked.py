"""The chunked transfer coding, whole and in pieces."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http1.chunked import MAX_LINE, MAX_TRAILERS, ChunkedDecoder

from .oracle import Oracle

MORE, BAD = "more", "bad"

# bytes, the body or BAD, what follows
WHOLE: list[tuple[bytes, bytes | str, bytes]] = [
    (b"0\r\n\r\n", b"", b""),
    (b"0\r\n\r\nGET", b"", b"GET"),
    (b"0\r\n\r\n\r\n", b"", b"\r\n"),
    (b"3\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", b""),
    (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
    (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
    (b"00003\r\nabc\r\n000\r\n\r\n", b"abc", b""),
    (b"000000000000000000000003\r\nabc\r\n0\r\n\r\n", b"abc", b""),
    (b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"\r\n0\r\n", b""),
    (b"3;x\r\nabc\r\n0;y=z\r\n\r\n", b"abc", b""),
    (b'3 \t;x="\\"\xff"\r\nabc\r\n0 ;\r\n\r\n', b"abc", b""),
    (b"3 \r\nabc\r\n0\t\r\n\r\n", b"abc", b""),
    (b"0\r\nX: y\r\n\r\n", b"", b""),
    (b"0\r\nX: y\r\nZ\r\n \r\n\r\nrest", b"", b"rest"),
    (b"", MORE, b""),
    (b"3", MORE, b""),
    (b"3\r", MORE, b""),
    (b"3;x", MORE, b""),
    (b"3\r\nab", MORE, b""),
    (b"3\r\nabc\r", MORE, b""),
    (b"3\r\nabc\r\n", MORE, b""),
    (b"0\r\n", MORE, b""),
    (b"0\r\n\r", MORE, b""),
    (b"0\r\nX: y\r\n", MORE, b""),
    (b"\r\n", BAD, b""),
    (b"\n", BAD, b""),
    (b" 3\r\nabc\r\n", BAD, b""),
    (b"+3\r\nabc\r\n", BAD, b""),
    (b"-1\r\n", BAD, b""),
    (b"0x3\r\nabc\r\n", BAD, b""),
    (b"g\r\n", BAD, b""),
    (b"3_0\r\n", BAD, b""),
    (b";x\r\n", BAD, b""),
    (b"3\nabc\r\n", BAD, b""),
    (b"3\r\rabc", BAD, b""),
    (b"3\rabc\r\n", BAD, b""),
    (b"3;x\nabc\r\n", BAD, b""),
    (b"3;x\rabc\r\n", BAD, b""),
    (b"3\r\nabcd\r\n", BAD, b""),
    (b"3\r\nabc\n0\r\n\r\n", BAD, b""),
    (b"3\r\nabc0\r\n\r\n", BAD, b""),
    (b"3\r\nabc\r0\r\n\r\n", BAD, b""),
    (b"4\r\nabc\r\n0\r\n\r\n", BAD, b""),
    (b"0\n\n", BAD, b""),
    (b"0\r\n\n", BAD, b""),
    (b"0\r\n\rx", BAD, b""),
    (b"0\r\nX: y\n\r\n", BAD, b""),
    (b"0\r\nX: y\rz\r\n\r\n", BAD, b""),
    (b"7ffffffffffffff\r\n", MORE, b""),
    (b"800000000000000\r\n", BAD, b""),
    (b"7fffffffffffffff\r\n", BAD, b""),
    (b"ffffffffffffffff\r\n", BAD, b""),
    (b"10000000000000003\r\nabc\r\n", BAD, b""),
    (b"3\xb2\r\n", BAD, b""),
]
# what nginx takes
STRICTER = [
    b"3 x\r\nabc\r\n0\r\n\r\n",
    b"3\t3\r\nabc\r\n0\r\n\r\n",
    b"3;\0\r\nabc\r\n0\r\n\r\n",
    b"3;\x7f\r\nabc\r\n0\r\n\r\n",
    b"3;" + b"x" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    b"0" * 5000 + b"\r\n\r\n",
    b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
]


def decoded(*pieces: bytes) -> tuple[bytes | str, bytes]:
    """The body, or MORE or BAD, and what follows it."""
    decoder = ChunkedDecoder()
    body = b""
    for number, piece in enumerate(pieces, 1):
        fed = decoder.feed(piece)
        body += b"".join(fed.chunks)
        if fed.status:
            assert fed.status == 400
            return BAD, b""
        if fed.done:
            assert decoder.announced == len(body)
            return body, piece[fed.end :] + b"".join(pieces[number:])
    return MORE, b""


@pytest.mark.parametrize(("raw", "body", "rest"), WHOLE, ids=[repr(raw) for raw, *_ in WHOLE])
def test_decoded(raw: bytes, body: bytes | str, rest: bytes) -> None:
    assert decoded(raw) == (body, rest)
    assert decoded(*(raw[i : i + 1] for i in range(len(raw)))) == (body, rest)


@pytest.mark.parametrize("raw", STRICTER, ids=range(len(STRICTER)))
def test_stricter_than_nginx(raw: bytes) -> None:
    assert decoded(raw) == (BAD, b"")
    assert decoded(*(raw[i : i + 1] for i in range(len(raw)))) == (BAD, b"")


@pytest.mark.parametrize(
    ("raw", "limit"),
    [(b"3;" + b"x" * 9999, MAX_LINE), (b"0\r\n" + b"X: y\r\n" * 9999, MAX_TRAILERS + 3)],
)
def test_lines_without_end_are_not_kept(raw: bytes, limit: int) -> None:
    decoder = ChunkedDecoder()
    for taken in range(len(raw)):
        if decoder.feed(raw[taken : taken + 1]).status:
            break
    assert limit - 2 <= taken <= limit


def test_the_size_is_announced_before_the_data() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"3\r\nabc\r\nff\r\n")
    assert decoder.announced == 3 + 255


def test_nginx_agrees(oracle: Oracle) -> None:
    """What is complete or wrong gets the same status; the rest nginx would wait for."""
    request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    def status(raw: bytes) -> str:
        head, _, _ = oracle.ask(request + raw)
        found = re.match(r"HTTP/1.1 (\d+)", head)
        return found[1] if found else "none"

    expected = {raw: "400" if body == BAD else "200" for raw, body, _ in WHOLE if body != MORE}
    assert {raw: status(raw) for raw in expected} == expected
    assert {raw: status(raw) for raw in STRICTER} == dict.fromkeys(STRICTER, "200")


# --- against a reference that sees everything at once ---


def reference(raw: bytes) -> tuple[bytes | str, bytes]:
    """The grammar of RFC 9112 with nginx's limits, for whole bodies only."""
    body, position = b"", 0
    line = re.compile(
        rb"0*([0-9A-Fa-f]{0,15})(?<=[0-9A-Fa-f])[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n"
    )
    while True:
        found = line.match(raw, position)
        if found is None:
            return BAD, b""
        size = int(found[1] or b"0", 16)
        if size == 0:
            trailers = re.compile(rb"(?:[^\r\n]+\r\n)*\r\n").match(raw, found.end())
            return (body, raw[trailers.end() :]) if trailers else (BAD, b"")
        end = found.end() + size
        if size > 2**59 - 1 or raw[end : end + 2] != b"\r\n":
            return BAD, b""
        body += raw[found.end() : end]
        position = end + 2


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Mostly right: chunks of any bytes, extensions, trailers; a byte may be wrong."""
    raw = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4)):
        form = draw(st.sampled_from([b"%x", b"%X", b"00%x", b"%x;a=b", b"%x \t", b"%x ;"]))
        raw += form % len(data) + b"\r\n" + data + b"\r\n"
    raw += draw(st.sampled_from([b"0\r\n", b"000\r\n", b"0;a\r\n"]))
    raw += draw(st.sampled_from([b"\r\n", b"X: y\r\n\r\n", b"X: y\r\nZ: \r\n\r\n"]))
    raw += draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\n", b"\r\n"]))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(raw)))
        wrong = draw(st.sampled_from([b"", b"\r", b"\n", b"0", b"f", b";", b" ", b"\0", b"x"]))
        raw = raw[:place] + wrong + raw[place + draw(st.integers(0, 1)) :]
    return raw


@given(bodies(), st.data())
def test_pieces_mean_what_the_whole_means(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    edges = [0, *cuts, len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges)]
    whole = decoded(raw)
    assert decoded(*pieces) == whole
    if whole[0] != MORE:
        assert reference(raw) == whole
    else:
        assert reference(raw)[0] == BAD  # it wants the end
