"""Request heads: raw bytes in, fields or a refusal out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyngx_jwt.http1.head import (
    HeadOptions,
    PartialHead,
    RefusedHead,
    RequestHead,
    find_head_end,
    parse_head,
    skip_empty_lines,
)
from pyngx_jwt.http1.header_lines import LINES, MAX_LINES, MAX_NAME, MAX_NAMES, ODD

from .corpus import CASES, DEVIATIONS, WITH_OPTIONS, G, H
from .oracle import Oracle
from .told import told_by_nginx, told_by_us


def parsed(raw: bytes, options: HeadOptions | None = None) -> RequestHead:
    found = parse_head(raw, options or HeadOptions())
    assert isinstance(found, RequestHead), found
    return found


def refused(raw: bytes) -> RefusedHead:
    found = parse_head(raw)
    assert isinstance(found, RefusedHead)
    return found


# --- the corpus ---


@pytest.mark.parametrize(("raw", "told"), CASES, ids=range(len(CASES)))
def test_understood(raw: bytes, told: str) -> None:
    assert told_by_us(raw) == told


@pytest.mark.parametrize("row", range(len(WITH_OPTIONS)))
def test_understood_with_options(row: int) -> None:
    _, options, cases = WITH_OPTIONS[row]
    assert [(raw, told_by_us(raw, options)) for raw, _ in cases] == cases


def test_nginx_agrees(oracle: Oracle) -> None:
    differing = {
        raw: (told, by_nginx)
        for raw, told in CASES
        if (by_nginx := told_by_nginx(oracle, raw)) != told
    }
    assert not differing


@pytest.mark.parametrize("row", range(len(WITH_OPTIONS)))
def test_nginx_agrees_with_options(oracle: Oracle, row: int) -> None:
    cases = WITH_OPTIONS[row][2]
    assert [(raw, told_by_nginx(oracle, raw, row + 1)) for raw, _ in cases] == cases


@pytest.mark.parametrize(("raw", "ours", "nginxs"), DEVIATIONS)
def test_deviations(oracle: Oracle, raw: bytes, ours: str, nginxs: str) -> None:
    assert (told_by_us(raw), told_by_nginx(oracle, raw)) == (ours, nginxs)


# --- fields that the corpus does not show ---


@pytest.mark.parametrize(
    ("target", "quoted", "plus", "valid"),
    [
        (b"/a", False, False, True),
        (b"/a?%20+", False, False, True),
        (b"/a%20b", True, False, True),
        (b"/a+b", False, True, True),
        (b"/a%2bb", True, True, True),
        (b"/a%2Bb/../c", True, True, True),
        (b"/a/../b", False, False, True),
        (b"http://h/a", False, False, True),
        (b"http://h", False, False, True),
        (b"http://h?a", False, False, False),
    ],
)
def test_what_proxy_pass_wants_to_know(
    target: bytes, quoted: bool, plus: bool, valid: bool
) -> None:
    head = parsed(b"GET %s HTTP/1.1\r\n" % target + H)
    assert (head.quoted_uri, head.plus_in_uri, head.valid_unparsed_uri) == (quoted, plus, valid)


def test_headers_are_kept_as_sent_and_indexed() -> None:
    head = parsed(
        G + b"hOST: A:80\r\nCookie: a\r\nX-Odd-Name:b\r\ncookie: c\r\nVia: d\r\nVIA: e\r\n\r\n"
    )
    assert head.headers == [
        ("hOST", "A:80"),
        ("Cookie", "a"),
        ("X-Odd-Name", "b"),
        ("cookie", "c"),
        ("Via", "d"),
        ("VIA", "e"),
    ]
    assert head.index == {"host": "A:80", "cookie": "a; c", "x-odd-name": "b", "via": "d, e"}
    assert (head.host, head.port) == ("a", 80)


def test_names_are_lowered_as_ascii() -> None:
    head = parsed(G + b"X\xc4: b\r\n" + H, HeadOptions(ignore_invalid_headers=False))
    assert head.index == {"x\xc4": "b", "host": "a"}


def test_dropped_lines_are_told() -> None:
    head = parsed(G + b"X_A: b\r\n" + H + b"")
    assert list(head.dropped) == ["X_A: b"]
    assert head.headers == [("Host", "a")]
    assert not parsed(G + H).dropped


@pytest.mark.parametrize(
    ("headers", "length", "chunked"),
    [
        (b"", -1, False),
        (b"Content-Length: 0\r\n", 0, False),
        (b"Content-Length: 0042\r\n", 42, False),
        (b"Content-Length: 9223372036854775807\r\n", 2**63 - 1, False),
        (b"Transfer-Encoding: CHUNKED\r\n", -1, True),
    ],
)
def test_body(headers: bytes, length: int, chunked: bool) -> None:
    head = parsed(G + headers + H)
    assert (head.content_length, head.chunked) == (length, chunked)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (G + b"Expect: 100-Continue\r\n" + H, True),
        (G + b"Expect: 100-continue x\r\n" + H, False),
        (b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", False),
        (G + H, False),
    ],
)
def test_expect_continue(raw: bytes, expected: bool) -> None:
    assert parsed(raw).expect_continue is expected


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b"GET /", 9),
        (b"GET / HTTP/1.0", 1000),
        (b"GET / HTTP/1.1", 1001),
        (b"GET / HTTP/1.2", 1002),
    ],
)
def test_version(line: bytes, version: int) -> None:
    assert parsed(line + b"\r\n" + H).http_version == version


def test_connect_may_be_allowed() -> None:
    options = HeadOptions(allow_connect=True)
    head = parsed(b"CONNECT Example.com:443 HTTP/1.1\r\n" + H, options)
    assert (head.uri, head.unparsed_uri, head.host, head.port) == ("/", "/", "example.com", 443)
    assert not head.keep_alive
    for raw in (
        b"CONNECT h:443 HTTP/1.0\r\n" + H,
        b"CONNECT h:443 HTTP/1.1\r\nContent-Length: 1\r\n" + H,
        b"CONNECT h:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + H,
    ):
        found = parse_head(raw, options)
        assert isinstance(found, RefusedHead)


def test_a_refused_head_says_what_was_understood() -> None:
    head = refused(b"HEAD /a?b HTTP/1.1\r\nHost: A\r\nX-A: b\r\nX : y\r\n\r\n").head
    assert (head.request_line, head.method, head.uri, head.args, head.host) == (
        "HEAD /a?b HTTP/1.1",
        "HEAD",
        "/a",
        "b",
        "a",
    )
    assert head.headers == [("Host", "A"), ("X-A", "b")]
    assert refused(b"HEAD /%zz HTTP/1.1\r\n" + H).head.method == "HEAD"
    assert refused(b"\x16\x03\x01\r\n\r\n").head.request_line == "\x16\x03\x01"
    assert refused(b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H).head.method == "HEAD"
    assert refused(b"POST /\r\n").head.http_version == 9  # answered without a head


def test_too_long_lines_are_logged_in_part() -> None:
    message = refused(G + b"X-A: " + b"b" * 9000 + b"\r\n" + H).message
    assert message == (
        f'client sent too long header line: "X-A: {"b" * 1743}..." '
        "while reading client request headers"
    )


# --- where a head ends ---


@pytest.mark.parametrize(
    ("raw", "end"),
    [
        (b"", -1),
        (b"\r\n\r\n", -1),
        (b"G", -1),
        (b"GET / HTTP/1.1\r\n", -1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", -1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", -1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", 27),
        (b"GET / HTTP/1.1\nHost: a\n\nrest\r\n\r\n", 24),
        (b"GET / HTTP/1.1\nHost: a\n\r\nrest", 25),
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", 22),
        (b"\r\n\r\nGET / HTTP/1.1\r\n", -1),
        (b"GET /\r\n", 7),
        (b"GET /\n", 6),
        (b"GET /", -1),
        (b"GET / HTTP/1.1\r\nX: HTTP/\r\n", -1),
        (b"hello\r\nX: HTTP/1.1\r\n", 7),
    ],
)
def test_find_head_end(raw: bytes, end: int) -> None:
    assert find_head_end(raw) == end
    assert find_head_end(bytearray(b"XX" + raw), 2) == (end if end < 0 else end + 2)


def test_skip_empty_lines() -> None:
    assert skip_empty_lines(b"\r\n\n\rGET") == 4
    assert skip_empty_lines(b"\r\n", 1) == 2
    assert skip_empty_lines(b"") == 0


def test_more_than_a_head_may_be_given() -> None:
    first, second = G + H, b"GET /2 HTTP/1.1\r\n" + H
    for more in (second, b"body\r\n\r\n", b"\0\r\n\r\n", b"\r\n\r\n", b"\n\r\n", b"x" * 9000):
        head = parsed(first + more)
        assert (head.length, head.uri, head.headers) == (len(first), "/", [("Host", "a")])
    assert parsed(second, HeadOptions()).length == len(second)


# --- heads that are not complete ---


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", ""),
        (b"\r\n", ""),
        (b"GE", ""),
        (b"GET", ""),
        (b"GET /%zz", ""),
        (b"ge", "400 line: invalid method"),
        (b"\x16\x03\x01\x02\0\x01", "400 line: invalid method"),
        (b"GET / HTTP/1.1\r\nHos", ""),
        (b"GET / HTTP/2.0\r\nHos", "505 line: invalid version"),
        (b"GET /%zz HTTP/1.1\r\nHos", "400 line: invalid request"),
        (b"GET /" + b"a" * 8186, ""),
        (b"GET /" + b"a" * 8187, "414 line: too long URI"),
        (b"\r\n" * 5000, ""),
        (G + b"X-A: " + b"a" * 8186, ""),
        (G + b"X-A: " + b"a" * 8187, '494 headers: too long header line: "..."'),
        (G + b"X : " + b"\r\n", ""),
        (G + b"X : \r\nX-A: " + b"a" * 8187, '400 headers: invalid header line: "X\\x20..."'),
        (G + (b"X-A: " + b"a" * 5000 + b"\r\n") * 4, ""),
        (
            G + (b"X-A: " + b"a" * 5000 + b"\r\n") * 4 + b"X-A: " + b"a" * 5000,
            '494 headers: too long header line: "..."',
        ),
    ],
)
def test_partial(raw: bytes, told: str) -> None:
    assert find_head_end(raw) == -1
    if told:
        assert told_by_us(raw) == told
    else:
        assert PartialHead().feed(raw[skip_empty_lines(raw) :]) == -1


# --- anything ---

PIECES = st.sampled_from(
    [
        *(raw for raw, _ in CASES if len(raw) < 200),
        *b"\r\n \t:\0/.%?#+[]\xff_-019AaHT".split(),
        b"\r",
        b"\n",
        b"\r\n",
        b"GET / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_anything_is_read_or_refused(raw: bytes) -> None:
    end = find_head_end(raw)
    if end < 0:
        partial = PartialHead().feed(raw[skip_empty_lines(raw) :])
        refused = partial.status if isinstance(partial, RefusedHead) else partial
        assert refused in (-1, 400, 414, 494, 505)
        return
    found = parse_head(raw[:end])
    if isinstance(found, RefusedHead):
        assert found.status in (400, 405, 414, 494, 501, 505)
        return
    assert "\r" not in "".join(value for _, value in found.headers)
    assert found.http_version == 9 or found.length == end
    whole = parse_head(raw + b"\r\n\r\n")  # more than the head is no harm
    assert isinstance(whole, RequestHead)
    assert whole.headers == found.headers


def test_lone_line_feeds_mean_the_same() -> None:
    for raw, told in CASES:
        if len(raw) < 300 and b"\r\r" not in raw and b"\r \r" not in raw:
            assert told_by_us(raw.replace(b"\r\n", b"\n")) == told


def test_lines_that_many_send_are_remembered_and_secrets_are_not() -> None:
    LINES.clear()
    data = (
        b"GET / HTTP/1.1\r\nHost: a\r\nACCEPT: x\r\naccept-language:  de \r\n"
        b"Cookie: secret\r\nAuthorization: secret\r\nX-Api-Key: secret\r\n\r\n"
    )
    first = parse_head(data)
    assert sorted(LINES) == ["\nHost: a", "\naccept-language:  de "]
    second = parse_head(data)
    assert isinstance(first, RequestHead)
    assert isinstance(second, RequestHead)
    assert second.headers == first.headers
    assert second.headers[2] == ("accept-language", "de")
    assert second.index == first.index
    for number in range(MAX_LINES + 10):
        parse_head(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: %d\r\n\r\n" % number)
    assert len(LINES) <= MAX_LINES
    long = b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: " + b"x" * 300 + b"\r\n\r\n"
    LINES.clear()
    parse_head(long)
    assert list(LINES) == ["\nHost: a"]


def test_other_names_are_remembered_if_they_are_valid_for_all() -> None:
    ODD.clear()
    lenient = HeadOptions(ignore_invalid_headers=False, underscores_in_headers=True)
    for name in (b"X-Other", b"X_Other", b"X.Other"):
        for _ in range(2):
            head = parsed(b"GET / HTTP/1.1\r\nHost: a\r\n%b: 1\r\n\r\n" % name, lenient)
            assert head.index[name.decode().lower()] == "1"
    assert ODD == {"X-Other": "x-other"}
    head = parsed(b"GET / HTTP/1.1\r\nHost: a\r\nX-Other: 1\r\nX_Other: 1\r\nX.Other: 1\r\n\r\n")
    assert list(head.index) == ["host", "x-other"]
    assert head.dropped == ["X_Other: 1", "X.Other: 1"]


def test_there_are_limits_to_the_names_that_are_remembered() -> None:
    ODD.clear()
    parsed(b"GET / HTTP/1.1\r\nHost: a\r\n%b: 1\r\n\r\n" % (b"y" * (MAX_NAME + 1)))
    assert not ODD
    for number in range(MAX_NAMES + 10):
        parsed(b"GET / HTTP/1.1\r\nHost: a\r\nX-%d: 1\r\n\r\n" % number)
        assert len(ODD) <= MAX_NAMES
