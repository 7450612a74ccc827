"""URIs: tables, and rules that hold for anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.http.uri import (
    escape_args,
    escape_html,
    escape_memcached,
    escape_refresh,
    escape_uri,
    escape_uri_component,
    exten,
    normalize,
    parse_unsafe_uri,
    unescape,
    unescape_redirect,
    unescape_uri,
)

EVERYTHING = "".join(map(chr, range(256)))
TEXT = st.text(st.characters(max_codepoint=255))
PATHS = st.lists(
    st.sampled_from(["/", "/", ".", "..", "a", "b%2f", "%2e", "%2E%2e", "+", "%", "%0", "%25", "?"])
).map("".join)


@pytest.mark.parametrize(
    ("target", "merged", "unmerged"),
    [
        ("/", "/", "/"),
        ("/a/b.c", "/a/b.c", "/a/b.c"),
        ("//", "/", "//"),
        ("///a", "/a", "///a"),
        ("/a//", "/a/", "/a//"),
        ("/a//../b", "/b", "/a/b"),
        ("/a//..", "/", "/a/"),
        ("//..", None, "/"),
        ("//../..", None, None),
        ("/.", "/", "/"),
        ("/./", "/", "/"),
        ("/a/.", "/a/", "/a/"),
        ("/a/./b", "/a/b", "/a/b"),
        ("/a/.//", "/a/", "/a//"),
        ("/..", None, None),
        ("/../a", None, None),
        ("/a/..", "/", "/"),
        ("/a/b/..", "/a/", "/a/"),
        ("/a/b/../", "/a/", "/a/"),
        ("/a/../../b", None, None),
        ("/...", "/...", "/..."),
        ("/.a/..b/c..", "/.a/..b/c..", "/.a/..b/c.."),
        ("/%61", "/a", "/a"),
        ("/%2e%2e", None, None),
        ("/a%2f%2e%2E%2Fb", "/b", "/b"),
        ("/a/..%2f", "/", "/"),
        ("/a%2f%2fb", "/a/b", "/a//b"),
        ("/%252e%252e", "/%2e%2e", "/%2e%2e"),
        ("/%25%23%3f", "/%#?", "/%#?"),
        ("/a/..%3f", "/a/..?", "/a/..?"),
        ("/%0a%7f%ff", "/\n\x7f\xff", "/\n\x7f\xff"),
        ("/%00", None, None),
        ("/a%", None, None),
        ("/a%4", None, None),
        ("/a%4g", None, None),
        ("/a%g4", None, None),
    ],
)
def test_normalize(target: str, merged: str | None, unmerged: str | None) -> None:
    for merge_slashes, uri in ((True, merged), (False, unmerged)):
        found = normalize(target, merge_slashes)
        assert (found and found[0]) == uri
        with_args = normalize(f"{target}?x=%zz/../#y", merge_slashes)
        assert (with_args and with_args[:2]) == (uri and (uri, "x=%zz/../"))
        with_fragment = normalize(f"{target}#/../..?x", merge_slashes)
        assert (with_fragment and with_fragment[:2]) == (uri and (uri, ""))


@pytest.mark.parametrize(
    ("target", "quoted", "plus"),
    [
        ("/a?%20+", False, False),
        ("/%61", True, False),
        ("/+", False, True),
        ("/%2b", True, True),
        ("/+/../a", False, True),
        ("/a#%20+", False, False),
    ],
)
def test_normalize_notes_what_was_quoted(target: str, quoted: bool, plus: bool) -> None:
    found = normalize(target)
    assert found
    assert found[2:] == (quoted, plus)


@given(PATHS, st.booleans())
def test_normalized_uris_stay_below_the_root(path: str, merge_slashes: bool) -> None:
    found = normalize(f"/{path}", merge_slashes)
    if found is not None:
        segments = found[0].split("/")
        assert segments[0] == ""
        assert not {".", ".."} & set(segments)
        assert not merge_slashes or "" not in segments[1:-1]


@given(TEXT, st.booleans())
def test_an_escaped_uri_is_read_back(text: str, merge_slashes: bool) -> None:
    found = normalize(f"/{text}".replace("\0", ""), merge_slashes=merge_slashes)
    if found is not None:
        again = normalize(escape_uri(found[0]), merge_slashes)
        assert again and again[0] == found[0]


@pytest.mark.parametrize(
    ("uri", "extension"),
    [
        ("/", ""),
        ("/a", ""),
        ("/a.b", "b"),
        ("/a.b.c", "c"),
        ("/a.b/c", ""),
        ("/a.b/c.d", "d"),
        ("/.a", ""),
        ("/a/.b", ""),
        ("/a/.b.c", "c"),
        ("/a.", ""),
        ("", ""),
    ],
)
def test_exten(uri: str, extension: str) -> None:
    assert exten(uri) == extension


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a", ("/a", "")),
        ("a", ("a", "")),
        ("/a%20b?c%20d", ("/a b", "c%20d")),
        ("/a?../../%00\0", ("/a", "../../%00\0")),
        ("/a%3Fb?c", ("/a?b", "c")),
        ("/a..b/...", ("/a..b/...", "")),
        ("/a%zz", ("/azz", "")),
        ("", None),
        ("?a", None),
        ("..", None),
        ("../a", None),
        ("/..", None),
        ("/a/../b", None),
        ("/a/..", None),
        ("/a/..?b", None),  # nginx looks no further than the "?"
        ("/%2e%2e/a", None),
        ("%2e.", None),
        ("/a%2f..", None),
        ("/a%00", None),
        ("/a\0", None),
    ],
)
def test_parse_unsafe_uri(target: str, expected: tuple[str, str] | None) -> None:
    assert parse_unsafe_uri(target) == expected


@pytest.mark.parametrize(
    ("text", "plain", "uri", "redirect"),
    [
        ("", "", "", ""),
        ("a+b", "a+b", "a+b", "a+b"),
        ("%41%7e%c3", "A~\xc3", "A~\xc3", "A~%c3"),
        ("%20%25%26%7f", " %&\x7f", " %&\x7f", "%20%25&%7f"),
        ("%0A", "\n", "\n", "%0A"),
        ("a?%41", "a?A", "a?%41", "a?%41"),
        ("a%3f%41?%41", "a?A?A", "a?%41?%41", "a?%41?%41"),
        ("%2541", "%41", "%41", "%2541"),
        # broken ones
        ("%", "", "", ""),
        ("%4", "", "", ""),
        ("%zz", "zz", "zz", "zz"),
        ("%4z1", "1", "1", "1"),
        ("%%41", "%41", "%41", "%41"),
        ("%?%41", "?A", "?A", "?A"),
        ("%4?%41", "A", "A", "A"),
        ("%\n%41", "\nA", "\nA", "\nA"),
    ],
)
def test_unescape(text: str, plain: str, uri: str, redirect: str) -> None:
    assert (unescape(text), unescape_uri(text), unescape_redirect(text)) == (plain, uri, redirect)


CONTROLS = "".join(map(chr, range(32)))
HIGH = "".join(map(chr, range(0x7F, 256)))


@pytest.mark.parametrize(
    ("escape", "escaped"),
    [
        (escape_uri, CONTROLS + ' "#%<>?\\^`{|}' + HIGH),
        (escape_args, CONTROLS + ' "#%&+;<>?\\^`{|}' + HIGH),
        (escape_uri_component, CONTROLS + " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}" + HIGH),
        (escape_html, CONTROLS + " \"#%'<>\\^`{|}" + HIGH),
        (escape_refresh, CONTROLS + " \"'<>\\^`{|~" + HIGH),
        (escape_memcached, CONTROLS + " %"),
    ],
)
def test_escape(escape: object, escaped: str) -> None:
    assert callable(escape)
    expected = "".join(f"%{ord(c):02X}" if c in escaped else c for c in EVERYTHING)
    assert escape(EVERYTHING) == expected
    assert escape("plain") == "plain"


@given(TEXT)
def test_what_is_escaped_is_unescaped(text: str) -> None:
    for escape in (escape_uri, escape_args, escape_uri_component, escape_html, escape_memcached):
        assert unescape(escape(text)) == text
