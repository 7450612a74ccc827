"""Words, marks and places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.conf import tokens
from pyngx_jwt.conf.tokens import BUFFER, Tokenizer, unescape
from pyngx_jwt.errors import ConfError


def words(text: str) -> list[str]:
    """The words of one directive."""
    tokens = Tokenizer(text)
    tokens.read()
    return tokens.words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b;", ["a", "b"]),
        ("a\tb\r\n c\n{", ["a", "b", "c"]),
        ("a # b c;\n d;", ["a", "d"]),
        ("a#b;", ["a#b"]),
        ("a #;\r;\n b;", ["a", "b"]),
        ("a\x0bb \x85 c\xa0;", ["a\x0bb", "\x85", "c\xa0"]),
        ("a\0b \0;", ["a\0b", "\0"]),
        ("a }b;", None),
        ("a b}c};", ["a", "b}c}"]),
        ("a b\"c d' e;", ["a", 'b"c', "d'", "e"]),
        ('"a;b{c}#d" \'e"f\' \'\' "";', ["a;b{c}#d", 'e"f', "", ""]),
        ('"a"b;', None),
        ('if ($a = "b") {', ["if", "($a", "=", "b", ")"]),
        ('a "b")c;', ["a", "b", ")c"]),
        ('"a"{', ["a"]),
        ("a ${b}c;", ["a", "${b}c"]),
        ("a b${{{c;", ["a", "b${{{c"]),
        ("a b$c{", ["a", "b$c"]),
        ("a $;", ["a", "$"]),
        ("a ${b c};", ["a", "${b", "c}"]),
        ('"${";', ["${"]),
        (r"a \"b\' \\c \d\.\;\ \{ \}#;", ["a", "\"b'", r"\c", r"\d\.\;\ \{", r"\}#"]),
        (r"a\tb\rc\nd\e;", ["a\tb\rc\nd\\e"]),
        (r'"a\"b" ' + r"'c\'d' '\\';", ['a"b', "c'd", "\\"]),
        ("a$\\{;", ["a$\\{"]),
        ('"a\n  b";', ["a\n  b"]),
        ("\\\n a;", ["\\\n", "a"]),
        ("\xef\xbb\xbfa;", ["\xef\xbb\xbfa"]),
        ("\\#a;", ["\\#a"]),
    ],
)
def test_words(text: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(ConfError, match="unexpected"):
            words(text)
    else:
        assert words(text) == expected


def test_a_directive_at_a_time_with_its_mark_and_place() -> None:
    tokens = Tokenizer('a\n  "b" c ;d{\n\n} # e')
    assert (tokens.read(), tokens.words, tokens.quoted) == (
        ";",
        ["a", "b", "c"],
        [False, True, False],
    )
    assert (tokens.start, tokens.start_line, tokens.end, tokens.line) == (0, 1, 10, 2)
    assert (tokens.read(), tokens.words) == ("{", ["d"])
    assert (tokens.start, tokens.start_line, tokens.end, tokens.line) == (11, 2, 12, 2)
    assert (tokens.read(), tokens.words, tokens.line) == ("}", [], 4)
    assert (tokens.read(), tokens.words, tokens.line) == ("", [], 4)
    assert tokens.read() == ""


@pytest.mark.parametrize("text", ["", " \r\n", "# comment", "\n#\n"])
def test_nothing_to_read(text: str) -> None:
    assert Tokenizer(text).read() == ""


@pytest.mark.parametrize(
    ("before", "length", "after", "fails"),
    [
        ("", BUFFER - 1, ";", False),
        ("", BUFFER, ";", True),
        ("", BUFFER - 2, " b;", False),
        ("", BUFFER - 1, " b;", True),  # a blank counts towards the word before it
        ('"', BUFFER - 2, '";', False),
        ('"', BUFFER - 1, '";', True),
        ('"', BUFFER - 3, '" b;', False),
        ('"', BUFFER - 2, '" b;', True),
        ('"', BUFFER - 2, '")b;', False),
        ("b #", BUFFER - 2, "\n;", False),
        ("b #", BUFFER - 1, "\n;", True),
        ("b;#", BUFFER - 1, "", False),  # the file ends before the buffer would be filled again
    ],
)
def test_what_is_longer_than_the_buffer_is_refused(
    before: str, length: int, after: str, fails: bool
) -> None:
    text = before + "x" * length + after
    if fails:
        with pytest.raises(ConfError, match="too long parameter"):
            words(text)
    else:
        assert words(text)
    assert Tokenizer(text, limited=False).read()


def test_a_long_run_of_blanks_and_comments_is_not_too_long() -> None:
    assert words(" " * 5000 + "# a comment\n" * 5000 + "a;") == ["a"]


def test_unescape() -> None:
    assert unescape(r"\\n\n\x\\") == "\\n\n\\x\\"


ROOT = Path(__file__).parents[2]
CORPUS = sorted(path for path in (ROOT / "tests/data").rglob("*.conf"))
PIECES = ["a", "/b", "$", "${", "$c", "{", "}", ";", " ", "\n", "\t\r\n", "#", '"', "'", "\\"]
PIECES += ["\x0b", "\x1f", "\x85", "\xa0", "\xe9", "\0", "\x7f", "~^(d|e)$", "x" * 2000]


def outcomes(text: str, limited: bool) -> Iterator[tuple[object, ...]]:
    """All that can be asked after each directive, up to the end or an error."""
    reader = Tokenizer(text, limited=limited)
    while True:
        try:
            mark = reader.read()
        except ConfError as error:
            yield str(error), reader.line, reader.end
            return
        yield mark, reader.words, reader.quoted, reader.start, reader.end
        yield reader.start_line, reader.line, reader.pos
        if not mark:
            return


def assert_same_without_short_cut(text: str, limited: bool = True) -> None:
    short = list(outcomes(text, limited))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_SIMPLE", re.compile("(?!)"))
        assert list(outcomes(text, limited)) == short


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_simple_directives_of_files_are_read_as_any_others(path: Path) -> None:
    assert_same_without_short_cut(path.read_bytes().decode("latin-1"))


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.booleans())
def test_simple_directives_are_read_as_any_others(text: str, limited: bool) -> None:
    assert_same_without_short_cut(text, limited)


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_simple_directives_between_others(text: str) -> None:
    assert_same_without_short_cut(f"a b;{text} c d;\n{text}e{{f {text};}}")
