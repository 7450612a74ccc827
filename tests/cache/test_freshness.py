"""How long a response is good for, as tables."""

from __future__ import annotations

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.cache import (
    Freshness,
    Ignore,
    Valid,
    parse_valid,
    valid_seconds,
    variant,
)
from pyngx_jwt.errors import ConfError
from pyngx_jwt.http.date import parse_http_time

NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
MAX = 2**63 - 1
PAST, FUTURE = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:30 GMT"

# headers, one "Name: value" a line -> valid_sec less NOW, updating_sec, error_sec; None: not kept
TABLE: dict[str, tuple[int, int, int] | None] = {
    "": None,
    "Cache-Control: max-age=10": (10, 0, 0),
    "cache-control: MAX-AGE=10": (10, 0, 0),
    "Cache-Control: max-age=0": None,
    "Cache-Control: max-age=": None,
    "Cache-Control: max-age=x": None,
    "Cache-Control: max-age=1x": None,
    "Cache-Control: max-age=-1": None,
    'Cache-Control: max-age="10"': None,
    "Cache-Control: max-age=10;x, public": (10, 0, 0),
    "Cache-Control: max-age=10, s-maxage=20": (20, 0, 0),
    "Cache-Control: s-maxage=20, max-age=10": (20, 0, 0),
    "Cache-Control: s-maxage=, max-age=10": None,
    "Cache-Control: xmax-age=10": (10, 0, 0),  # looked for anywhere
    "Cache-Control: max-age=99999999999999999999": (MAX - NOW, 0, 0),
    "Cache-Control: max-age=99999999999999999999x": (MAX - NOW, 0, 0),
    "Cache-Control: max-age=9223372036854775807x": None,
    "Cache-Control: max-age=00000000000000000000000010": (10, 0, 0),
    "Cache-Control: no-cache": None,
    "Cache-Control: max-age=10, no-store": None,
    "Cache-Control: Private=x, max-age=10": None,
    "Cache-Control: max-age=10\nCache-Control: private": None,
    "Cache-Control: no-cache\nCache-Control: max-age=10": None,
    "Cache-Control: max-age=10\nCache-Control: max-age=20": (20, 0, 0),
    "Cache-Control: max-age=10, stale-while-revalidate=5": (10, 5, 5),
    "Cache-Control: max-age=10, stale-if-error=6": (10, 0, 6),
    "Cache-Control: stale-if-error=6, stale-while-revalidate=5, max-age=10": (10, 5, 6),
    "Cache-Control: max-age=10, stale-while-revalidate=x": None,
    "Cache-Control: max-age=10, stale-if-error=x": None,
    "Cache-Control: stale-while-revalidate=5": None,
    "Cache-Control: stale-while-revalidate=5\nCache-Control: max-age=10": (10, 5, 5),
    f"Expires: {FUTURE}": (10, 0, 0),
    f"Expires: {PAST}": None,
    "Expires: Tue, 14 Nov 2023 22:13:20 GMT": (0, 0, 0),
    "Expires: 0": None,
    f"Expires: {FUTURE}\nExpires: {PAST}": (10, 0, 0),
    f"Expires: {PAST}\nExpires: {FUTURE}": None,
    f"Expires: {PAST}\nCache-Control: max-age=10": (10, 0, 0),
    f"Expires: {PAST}\nCache-Control: no-cache": None,
    f"Cache-Control: max-age=20\nExpires: {PAST}": (20, 0, 0),
    f"Expires: {FUTURE}\nCache-Control: max-age=20": (20, 0, 0),
    f"Cache-Control: no-cache\nExpires: {FUTURE}": None,
    "X-Accel-Expires: 10": (10, 0, 0),
    "X-Accel-Expires: 0": None,
    "X-Accel-Expires: @1700000005": (5, 0, 0),
    "X-Accel-Expires: @0": None,
    "X-Accel-Expires: @0\nCache-Control: max-age=10": (10, 0, 0),
    "X-Accel-Expires: x": None,
    "X-Accel-Expires: ": None,
    "X-Accel-Expires: @": None,
    "X-Accel-Expires: -1\nCache-Control: max-age=10": (10, 0, 0),
    "X-Accel-Expires: 10\nX-Accel-Expires: 20": (10, 0, 0),
    "X-Accel-Expires: 10\nCache-Control: no-store, stale-if-error=3": (10, 0, 3),
    "X-Accel-Expires: 10\nCache-Control: max-age=20, stale-while-revalidate=3": (10, 3, 3),
    "Cache-Control: no-cache\nX-Accel-Expires: 10": (10, 0, 0),
    f"Expires: {PAST}\nX-Accel-Expires: 10": (10, 0, 0),
    f"Expires: {FUTURE}\nX-Accel-Expires: x\nCache-Control: no-cache": (10, 0, 0),
    "X-Accel-Expires: 0\nCache-Control: max-age=10": None,
    "Cache-Control: max-age=10\nX-Accel-Expires: 0": None,
    "Set-Cookie: a=b\nCache-Control: max-age=10": None,
    "Cache-Control: max-age=10\nset-cookie: a=b": None,
    "Set-Cookie: a=b\nX-Accel-Expires: 10": None,
    "Cache-Control: max-age=10\nVary: *": None,
    "Cache-Control: max-age=10\nVary: *, a": (10, 0, 0),
    f"Cache-Control: max-age=10\nVary: {'x' * 128}": (10, 0, 0),
    f"Cache-Control: max-age=10\nVary: {'x' * 129}": None,
    f"Cache-Control: max-age=10\nVary: {'x' * 100}\nVary: {'x' * 26}": (10, 0, 0),
    f"Cache-Control: max-age=10\nVary: {'x' * 100}\nVary: {'x' * 27}": None,
}


def headers_of(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (x.partition(": ") for x in text.splitlines())]


def fed(text: str, ignore: Ignore = Ignore.NONE) -> Freshness:
    fresh = Freshness(NOW, ignore)
    fresh.feed(headers_of(text))
    return fresh


def told(fresh: Freshness, table: tuple[Valid, ...] = ()) -> tuple[int, int, int] | None:
    if not fresh.decide(200, table):
        return None
    return fresh.valid_sec - NOW, fresh.updating_sec, fresh.error_sec


@pytest.mark.parametrize("text", TABLE)
def test_headers(text: str) -> None:
    assert told(fed(text)) == TABLE[text]


IGNORED: dict[tuple[Ignore, str], tuple[int, int, int] | None] = {
    (Ignore.SET_COOKIE, "Set-Cookie: a\nCache-Control: max-age=10"): (10, 0, 0),
    (Ignore.CACHE_CONTROL, "Cache-Control: private"): (60, 0, 0),
    (Ignore.CACHE_CONTROL, "Cache-Control: max-age=10, stale-if-error=5"): (60, 0, 0),
    (Ignore.EXPIRES, f"Expires: {PAST}"): (60, 0, 0),
    (Ignore.EXPIRES, f"Expires: {FUTURE}"): (60, 0, 0),
    (Ignore.X_ACCEL_EXPIRES, "X-Accel-Expires: 0"): (60, 0, 0),
    # An ignored X-Accel-Expires still comes before Cache-Control, once something else has spoken.
    (
        Ignore.X_ACCEL_EXPIRES,
        f"X-Accel-Expires: 5\nExpires: {FUTURE}\nCache-Control: no-cache",
    ): (10, 0, 0),
    (Ignore.VARY, "Vary: *"): (60, 0, 0),
    (Ignore.VARY | Ignore.SET_COOKIE, "Vary: *\nSet-Cookie: a"): (60, 0, 0),
    (Ignore.VARY, "Vary: *\nSet-Cookie: a"): None,
    (Ignore.NONE, ""): (60, 0, 0),
}


@pytest.mark.parametrize(("ignore", "text"), IGNORED)
def test_ignored_headers(ignore: Ignore, text: str) -> None:
    assert told(fed(text, ignore), (Valid(0, 60),)) == IGNORED[ignore, text]


def test_vary_is_joined_and_kept() -> None:
    assert fed("Vary: A\nVary: b , c").vary == "A, b , c"
    assert fed("Vary: A", Ignore.VARY).vary == ""
    assert fed("Set-Cookie: a\nVary: A").vary == ""
    assert fed("Vary: A\nSet-Cookie: a").vary == "A"


def test_the_table_of_statuses() -> None:
    table = parse_valid("404", "1m") + parse_valid("10") + parse_valid("any", "1s")
    assert table == (
        Valid(404, 60),
        Valid(200, 10),
        Valid(301, 10),
        Valid(302, 10),
        Valid(0, 1),
    )
    assert [valid_seconds(table, status) for status in (404, 200, 302, 500)] == [60, 10, 10, 1]
    assert valid_seconds(table[:4], 500) == 0 and valid_seconds((), 200) == 0
    assert valid_seconds((Valid(0, 5), Valid(200, 9)), 200) == 5
    assert parse_valid("any", "500", "0") == (Valid(0, 0), Valid(500, 0))
    assert parse_valid("100", "599", "1") == (Valid(100, 1), Valid(599, 1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x",), 'invalid time value "x"'),
        (("200", ""), 'invalid time value ""'),
        (("99", "1s"), 'invalid status "99"'),
        (("600", "1s"), 'invalid status "600"'),
        (("all", "1s"), 'invalid status "all"'),
    ],
)
def test_tables_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfError) as error:
        parse_valid(*words)
    assert str(error.value) == message


# What a 304 says, what the kept response said -> valid_sec less NOW, updating_sec, error_sec
REVALIDATED: dict[tuple[str, str], tuple[int, int, int]] = {
    ("Cache-Control: max-age=7", "Cache-Control: max-age=10, stale-if-error=3"): (7, 0, 0),
    ("", "Cache-Control: max-age=10, stale-if-error=3"): (10, 0, 3),
    ("", ""): (60, 0, 0),
    ("Cache-Control: no-cache", "Cache-Control: max-age=10"): (10, 0, 0),
    ("Set-Cookie: a", "Cache-Control: max-age=10"): (10, 0, 0),
    (f"Expires: {FUTURE}", f"Expires: {PAST}"): (10, 0, 0),
    ("X-Accel-Expires: 5", "Cache-Control: max-age=10"): (5, 0, 0),
    ("Cache-Control: stale-if-error=9", "Cache-Control: max-age=10"): (10, 0, 9),
}


@pytest.mark.parametrize(("answer", "kept"), REVALIDATED)
def test_revalidated(answer: str, kept: str) -> None:
    fresh = fed(answer)
    assert fresh.revalidate(headers_of(kept), 200, (Valid(200, 60),))
    found = fresh.valid_sec - NOW, fresh.updating_sec, fresh.error_sec
    assert found == REVALIDATED[answer, kept]


def test_revalidated_without_an_end() -> None:
    assert not fed("").revalidate([], 200, ())


def test_a_revalidated_response_keeps_its_vary() -> None:
    fresh = fed("Set-Cookie: a")
    assert fresh.revalidate([("Vary", "X"), ("Cache-Control", "max-age=1")], 200, ())
    assert fresh.vary == "X"


# -- variants ----------------------------------------------------------------------------------

MAIN = md5(b"key").digest()


def digest(text: bytes) -> bytes:
    return md5(MAIN + text).digest()


@pytest.mark.parametrize(
    ("vary", "headers", "hashed"),
    [
        ("X", [], b"x:\r\n"),
        ("X", [("x", "a ,b")], b"x:a ,b\r\n"),
        ("X", [("X", "a"), ("Y", "z"), ("x", "b")], b"x:a,b\r\n"),
        ("X", [("X", ""), ("x", "b")], b"x:,b\r\n"),
        ("X,Y", [("Y", "2"), ("X", "1")], b"x:1\r\ny:2\r\n"),
        (",, Y , ,X ,", [("X", "1")], b"y:\r\nx:1\r\n"),
        ("Y\tX", [("Y\tX", "1")], b"y\tx:1\r\n"),
        (
            "Accept-Encoding",
            [("ACCEPT-ENCODING", " gzip ,, br;q=1 ,")],
            b"accept-encoding:gzip,br;q=1\r\n",
        ),
        (
            "Accept-Language",
            [("Accept-Language", "a"), ("Accept-Language", "b")],
            b"accept-language:a,b\r\n",
        ),
        (
            "Accept-Charset",
            [("Accept-Charset", " ,"), ("Accept-Charset", "b")],
            b"accept-charset:b\r\n",
        ),
        ("\xc9X", [("\xc9x", "\xff")], b"\xc9x:\xff\r\n"),
    ],
)
def test_variants(vary: str, headers: list[tuple[str, str]], hashed: bytes) -> None:
    assert variant(MAIN, vary, headers) == digest(hashed)


# -- dates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Sun Nov 06 08:49:37 1994", 784111777),
        (",06 Nov 1994 08:49:37", 784111777),
        ("anything,   06 Nov 1994 08:49:37 and more", 784111777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Tuesday, 19-Jan-38 03:14:07 GMT", 2147483647),
        ("Tuesday, 31-Dec-69 23:59:59 GMT", 3155759999),
        ("Tuesday, 01-Jan-70 00:00:00 GMT", 0),
        ("Sun, 06 Nxx 1994 08:49:37 GMT", 784111777),
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800),
        ("Thu, 29 Feb 2023 00:00:00 GMT", None),
        ("Thu, 29 Feb 1900 00:00:00 GMT", None),
        ("Thu, 31 Apr 2023 00:00:00 GMT", None),
        ("Thu, 30 Apr 2023 24:00:00 GMT", None),
        ("Thu, 30 Apr 2023 23:60:00 GMT", None),
        ("Thu, 30 Apr 2023 23:00:60 GMT", None),
        ("Thu, 30 Xpr 2023 23:00:00 GMT", None),
        ("06 Nov 1994 08:49:37 GMT", None),
        ("Sun,06 Nov 1994 08:49:3", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Thu, 30 Apr 0000 23:00:00 GMT", None),
        ("", None),
        ("0", None),
        (" " * 40, None),
        ("Sun, \xb96 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_dates(text: str, seconds: int | None) -> None:
    assert parse_http_time(text) == seconds


@given(st.text(st.sampled_from("SunNovJFMA,- :0123456789"), max_size=40))
def test_any_date(text: str) -> None:
    parse_http_time(text)


NAMES = ("Cache-Control", "Expires", "X-Accel-Expires", "Set-Cookie", "Vary", "Other")
VALUES = st.text(st.characters(max_codepoint=255), max_size=30)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6))
def test_any_headers(headers: list[tuple[str, str]]) -> None:
    fresh = Freshness(NOW)
    fresh.feed(headers)
    if fresh.decide(200, ()):
        assert 0 < fresh.valid_sec <= MAX and len(fresh.vary) <= 128
