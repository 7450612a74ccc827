"""Heads out of the bytes of a connection, in whatever pieces they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http.head import RequestHead
from pyngx_jwt.http1.head_types import DEFAULTS, RefusedHead
from pyngx_jwt.http1.reader import HeadReader

BODY = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# Some are the same to the byte, some in all but the request line, one begins with empty lines,
# and some have a body.
REQUESTS = (
    (b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"GET /b?x HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"GET /a HTTP/1.1\nHost: a\n\n", b""),
    (b"GET /a HTTP/1.1\nHost: a\r\n\r\n", b""),
    (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY),
    (b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 300 + b"\r\n\r\n", b""),
)
requests = st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=12)


def read(pieces: list[bytes]) -> list[str]:
    """The request lines in order; bodies are taken as a connection takes them."""
    reader, found, wanted = HeadReader(None), list[str](), 0
    for piece in pieces:
        reader.add(piece)
        while reader.buffer:
            if wanted:
                wanted -= len(reader.take(min(wanted, reader.unread)))
                continue
            head = reader.next(DEFAULTS)
            if head is None:
                break
            assert isinstance(head, RequestHead)
            found.append(head.request_line)
            wanted = max(head.content_length, 0)
    return found


@given(requests, st.lists(st.integers(1, 80), min_size=1, max_size=40))
def test_pieces_make_no_difference(sent: list[tuple[bytes, bytes]], sizes: list[int]) -> None:
    data = b"".join(head + body for head, body in sent)
    pieces, at, n = list[bytes](), 0, 0
    while at < len(data):
        size = sizes[n % len(sizes)]
        pieces.append(data[at : at + size])
        at, n = at + size, n + 1
    lines = [head.strip().split(b"\n")[0].strip().decode() for head, _ in sent]
    assert read(pieces) == lines


def test_a_head_that_was_cut_and_is_the_one_before() -> None:
    """The first bytes were looked at when the rest had not come; then it is known at once, and
    what was remembered of those bytes counts for none that follow."""
    head = REQUESTS[0][0]
    assert (
        read([head + head[:10], head[10:] + head + head[:20], head[20:] + head])
        == ["GET /a HTTP/1.1"] * 5
    )


def test_a_client_that_never_repeats_itself_is_not_remembered() -> None:
    """What it sends is read all the same, also if it repeats itself in the end."""
    texts = [b"GET /%d HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % (n, n) for n in range(20)]
    texts += texts[-1:] * 3
    lines = [text.partition(b"\r")[0].decode() for text in texts]
    assert read(texts) == lines
    assert read([b"".join(texts)]) == lines


def test_lengths_after_a_request_line_that_ended_in_a_line_feed() -> None:
    """Lines are alike after another request line; each head has the length of its bytes."""
    lines = b"Host: a\r\nX: 1\r\n\r\n"
    reader = HeadReader(None)
    for line in (b"GET /1 HTTP/1.1\n", b"GET /2 HTTP/1.1\r\n", b"GET /3 HTTP/1.1\r\n"):
        reader.add(line + lines)
        head = reader.next(DEFAULTS)
        assert isinstance(head, RequestHead) and head.length == len(line + lines)
        assert not reader.buffer
    reader.add(b"GET /2 HTTP/1.1\r\n" + lines[:-1] + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(reader.next(DEFAULTS), RefusedHead)
