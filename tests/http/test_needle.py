"""What every match of an expression contains."""

from __future__ import annotations

import pcre2  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http.needle import beginning_of, needle_of

PIECES = [
    *("a", "b", "ab", "/", "#", "-", "_", "]", "}", ",", ":", "=", "<", ">", "'", "\n", "\xe9"),
    *(
        "\\.",
        "\\/",
        "\\d",
        "\\w",
        "\\b",
        "\\A",
        "\\Z",
        "\\z",
        "\\K",
        "\\x61",
        "\\1",
        "\\Q",
        "\\E",
        "\\R",
    ),
    *(".", "^", "$", "*", "+", "?", "{2}", "{0,1}", "{,1}", "{", "{}", "|", "(", ")", "(?:"),
    *("(?=", "(?!", "(?<=", "(?<!", "(?>", "(?<n>", "(?P<m>", "(?|", "(?i)", "(?x)", "(?i:", "(?#"),
    *("(*ACCEPT)", "(*F)", "(?1)", "(?R)", "(?(1)", "[ab]", "[^b]", "[]a]", "[^]a]", "[[:alpha:]]"),
    *("[a\\]]", "[", "[[a]", "[a-c]"),
]
SUBJECTS = st.lists(st.sampled_from(["a", "b", "ab", "/", ".", "#", "\n", "-", "]", "é", "_"])).map(
    "".join
)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        (r"\.php$", ".php"),
        (r"^/api/v1/users/(\d+)$", "/api/v1/users/"),
        (r"\.(js|css)$", "."),
        (r"^/x/(.*)\.html$", ".html"),
        ("ab?c", "a"),
        ("ab+c", "ab"),
        ("a|b", ""),
        ("(?i)abc", ""),
        ("(a|b)?cd", "cd"),
        ("a(b(c)d)ef", "ef"),
        ("[[:alpha:]]zz", "zz"),
        (r"\x41bc", ""),
        (r"\Qa|b\E", ""),
        ("x(*ACCEPT)yz", ""),
        ("\xe9", ""),
        ("", ""),
    ],
)
def test_needles(text: str, needle: str) -> None:
    assert needle_of(text) == needle


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join), SUBJECTS, st.booleans()
)
def test_every_match_contains_it(text: str, subject: str, caseless: bool) -> None:
    needle = needle_of(text)
    try:
        pattern = pcre2.compile(text.encode("latin-1"), pcre2.IGNORECASE if caseless else 0)
    except pcre2.PatternError:
        return
    if caseless:
        subject = subject.swapcase()
    try:
        match = pattern.search(subject.encode("latin-1"))
    except pcre2.LibraryError:  # it gave up
        return
    if match is not None:
        assert needle.lower() in subject.lower() if caseless else needle in subject


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        (r"^/api/v1/users/(\d+)$", "/api/v1/users/"),
        ("^/images/", "/images/"),
        (r"^/a\.b", "/a.b"),
        ("^/ab?c", "/a"),
        ("^/ab+c", "/ab"),
        ("^/?a", ""),
        ("^/a|/b", ""),
        ("^(?:/a)", ""),
        ("/a", ""),
        ("(?m)^/a", ""),
        ("^\xe9", ""),
        ("^", ""),
    ],
)
def test_beginnings(text: str, beginning: str) -> None:
    assert beginning_of(text) == beginning


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join), SUBJECTS)
def test_every_match_begins_with_it(text: str, subject: str) -> None:
    beginning = beginning_of(f"^{text}")
    try:
        match = pcre2.compile(f"^{text}".encode("latin-1")).search(subject.encode("latin-1"))
    except (pcre2.PatternError, pcre2.LibraryError):
        return
    if match is not None:
        assert subject.startswith(beginning)
