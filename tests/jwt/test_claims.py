"""Claims as text of variables."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.jwt import Json, getter, render, render_payload

from .keys import accepted, hs, key_set, secret


@pytest.mark.parametrize(
    "value, text",
    [
        ("u1", "u1"),
        ("", ""),
        ('say "x"', 'say "x"'),
        ("\u00e9\u20ac", "\xc3\xa9\xe2\x82\xac"),
        ("\U0001f600", "\xf0\x9f\x98\x80"),
        ("\u0085\u2028", "\xc2\x85\xe2\x80\xa8"),
        (1, "1"),
        (0, "0"),
        (-1, "-1"),
        (2**64, "18446744073709551616"),
        (1.5, "1.5"),
        (5.0, "5.0"),
        (1e22, "1e+22"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a,b"),
        (["a", 1, True, None, 1.5], "a,1,true,,1.5"),
        (["a", ["b", "c"]], "a,b,c"),
        (["a", {"b": ["c"]}], 'a,{"b":["c"]}'),
        ({}, "{}"),
        ({"b": 1, "a": ["x", None, "\u00e9"]}, '{"b":1,"a":["x",null,"\xc3\xa9"]}'),
        ({"a": "x\ny"}, r'{"a":"x\ny"}'),
        (["\u00e9", "x"], "\xc3\xa9,x"),
    ],
)
def test_render(value: Json, text: str) -> None:
    assert render(value) == text


CONTROLS = [*map(chr, range(0x20)), "\x7f"]


@pytest.mark.parametrize("character", CONTROLS)
def test_values_with_control_characters_are_dropped(character: str) -> None:
    value = f"a{character}X-Evil: 1"
    for claim in (value, [value], ["good", value], [["good", [value]]], character):
        assert render(claim) == ""  # type: ignore[arg-type]
    assert character not in render({"a": value, value: "a"})


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\x7f\n\u00e9"), inner),
    max_leaves=8,
)


@given(JSON_VALUES)
def test_rendered_text_fits_into_a_header(value: Json) -> None:
    octets = render(value).encode("latin-1")
    octets.decode()
    assert not any(octet < 0x20 or octet == 0x7F for octet in octets)


CLAIMS: dict[str, Json] = {
    "sub": "u1",
    "fooBar": "capital",
    "a.b": "dotted",
    "a": {"b": {"c": ["x", "y"]}, "n": None, "": "empty"},
    "list": [{"b": 1}],
    "n\u00e9": "accent",
}


@pytest.mark.parametrize(
    "path, text",
    [
        (["sub"], "u1"),
        (["SUB"], ""),
        (["missing"], ""),
        (["foobar"], ""),  # what is left of $jwt_claim_fooBar
        (["fooBar"], "capital"),
        (["a.b"], "dotted"),
        (["a", "b", "c"], "x,y"),
        (["a", "b"], '{"c":["x","y"]}'),
        (["a", "n"], ""),
        (["a", ""], "empty"),
        (["a", "b", "c", "x"], ""),
        (["a", "n", "x"], ""),
        (["sub", "x"], ""),
        (["list", "0"], ""),
        (["list", "b"], ""),
        (["list"], '{"b":1}'),
        (["n\u00c3\u00a9"], "accent"),
    ],
)
def test_getter(path: list[str], text: str) -> None:
    assert getter(*path)(CLAIMS) == text
    assert getter("x", *path)({"x": CLAIMS}) == text


def test_getter_of_a_header() -> None:
    verified = accepted(hs({}, {"alg": "HS256", "typ": "at+jwt"}), key_set(secret()))
    assert getter("typ")(verified.header) == "at+jwt"


def test_name_that_is_not_utf8() -> None:
    with pytest.raises(ValueError):
        getter("\xff")


@pytest.mark.parametrize(
    "payload, text",
    [
        (b'{"a":1}', '{"a":1}'),
        (b'{"iss":"joe",\r\n "exp":1}', '{"iss":"joe",   "exp":1}'),
        (b'\t{"a":"\xc3\xa9"}\n', ' {"a":"\xc3\xa9"} '),
        (b'{"a":"\x7f"}', r'{"a":"\u007f"}'),
        (rb'{"a":"\r\n"}', r'{"a":"\r\n"}'),
    ],
)
def test_render_payload(payload: bytes, text: str) -> None:
    rendered = render_payload(payload)
    assert rendered == text
    assert json.loads(rendered) == json.loads(payload.decode("latin-1"))
