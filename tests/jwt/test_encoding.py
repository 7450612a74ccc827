"""Base64url and JSON are read in one way only."""

from __future__ import annotations

import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.jwt.encoding import (
    decode_base64url,
    decode_json,
    encode_base64url,
    encode_json,
    latin1,
    quote,
    unicode,
)


@given(st.binary(max_size=64))
def test_base64url_round_trip(octets: bytes) -> None:
    text = encode_base64url(octets)
    assert text == base64.urlsafe_b64encode(octets).rstrip(b"=")
    assert decode_base64url(text) == octets


@given(st.text("AQgwBEz09-_+/= \n.", max_size=12).map(str.encode) | st.binary(max_size=8))
def test_only_the_canonical_text_is_decoded(text: bytes) -> None:
    try:
        octets = decode_base64url(text)
    except ValueError:
        return
    assert encode_base64url(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        b"Q",
        b"QR",
        b"QUF",
        b"QQ==",
        b"QQ=",
        b"QUI=",
        b"=",
        b"QU+/",
        b"QU I",
        b"QUJD\n",
        b"QQ\0\0",
        b"QUJD=",
        b"\xc3\xa9AA",
        b"QQ==QQ",
        b"AAAAA",
    ],
)
def test_not_base64url(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode_base64url(text)


@pytest.mark.parametrize(
    "text, value",
    [
        (b'{"a":[1,2.5,true,null,"x"]}', {"a": [1, 2.5, True, None, "x"]}),
        (b' \t\r\n{"a" : 1}\n', {"a": 1}),
        ('{"é":"€"}'.encode(), {"é": "€"}),
        (rb'{"a":"\u00e9\ud83d\ude00\\u0000"}', {"a": "é😀\\u0000"}),
        (b"9007199254740993", 9007199254740993),
        (b'{"a":{"a":1}}', {"a": {"a": 1}}),
        (b'"[[[[[[[[[[[[{{{{"', "[[[[[[[[[[[[{{{{"),
        (b"[[[[[[[[[[1]]]]]]]]]]", [[[[[[[[[[1]]]]]]]]]]),
        (b"[[[[[[[[[[[]]]]]]]]]]]", [[[[[[[[[[[]]]]]]]]]]]),
    ],
)
def test_json(text: bytes, value: object) -> None:
    assert decode_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b"\x00{}",
        b"{}\x00",
        b"{}\x0b",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\x01"}',
        b'{"a":"\n"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"\\u0061":2}}',
        b'[{"a":1,"a":1}]',
        rb'{"a":"\u0000"}',
        rb'{"\u0000":1}',
        rb'["x\u0000y"]',
        rb'{"a":"\ud800"}',
        rb'{"a":"\ude00\ud83d"}',
        rb'{"a":["\udfff"]}',
        b"[" * 11 + b"1" + b"]" * 11,
        b"[" * 12 + b"]" * 12,
        b'{"a":' * 11 + b"1" + b"}" * 11,
        b"[" * 100_000,
        b'{"a":' * 20_000,
    ],
    ids=lambda text: repr(text[:24]),
)
def test_not_json(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode_json(text)


@pytest.mark.parametrize("number", [b"9" * 309, b"-" + b"9" * 5000, b"1e400"])
def test_why_a_number_is_refused(number: bytes) -> None:
    with pytest.raises(ValueError, match=r"^a number is out of range$"):
        decode_json(b'{"exp":' + number + b"}")


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc\u00e9\u20ac"), inner),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_json_agrees_with_the_standard_library(value: object) -> None:
    for escaped in (True, False):
        text = json.dumps(value, ensure_ascii=escaped).encode()
        assert decode_json(text) == json.loads(text)


@given(st.text("[]{}\"',:1ae\\u0d-. \n", max_size=24).map(str.encode))
def test_whatever_is_decoded_is_json(text: bytes) -> None:
    try:
        value = decode_json(text)
    except ValueError:
        return
    assert json.loads(text) == value
    assert not isinstance(value, float) or math.isfinite(value)


def test_encode_json() -> None:
    assert encode_json({"b": [1, "é"], "a": None}) == '{"b":[1,"é"],"a":null}'


def test_text_of_one_character_per_byte() -> None:
    assert latin1("é€") == "\xc3\xa9\xe2\x82\xac"
    assert unicode("\xc3\xa9\xe2\x82\xac") == "é€"
    assert latin1("plain") == unicode("plain") == "plain"
    with pytest.raises(ValueError):
        unicode("\xff")


@given(st.text())
def test_quoted_text_is_printable_and_short(text: str) -> None:
    quoted = quote(text)
    assert quoted.isascii() and quoted.isprintable()
    assert len(quoted) <= 64 * 12 + 5
