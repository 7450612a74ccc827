"""crossplane reads the same words, but for what is listed here."""

from __future__ import annotations

import io
from collections.abc import Iterator

import crossplane  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyngx_jwt.conf.tokens import Tokenizer
from pyngx_jwt.errors import ConfError

MARKS = (";", "{", "}")
Token = tuple[str, bool]  # a word or a mark, and whether it was quoted


def ours(text: str) -> Iterator[Token]:
    tokens = Tokenizer(text)
    while mark := tokens.read():
        yield from zip(tokens.words, tokens.quoted, strict=True)
        yield mark, False


def theirs(text: str) -> Iterator[Token]:
    lines = io.StringIO(text, newline="")
    for word, _, quoted in crossplane.lexer._lex_file_object(lines):
        if quoted or not word.startswith("#"):
            yield word, quoted


def lines_of_names(text: str) -> list[int]:
    tokens = Tokenizer(text)
    return [tokens.start_line for mark in iter(tokens.read, "") if mark != "}"]


def their_lines_of_names(text: str) -> list[int]:
    lines, starts = [], True
    for word, line, quoted in crossplane.lexer._lex_file_object(io.StringIO(text, newline="")):
        is_mark = word in MARKS and not quoted
        if starts and not is_mark and (quoted or not word.startswith("#")):
            lines.append(line)
        if quoted or not word.startswith("#"):
            starts = is_mark
    return lines


WORD = "abz019_-.:,/~^*=!|?+()[]$<>@%&"
bare = st.one_of(
    st.text(WORD, min_size=1),
    st.builds("".join, st.tuples(st.text(WORD, min_size=1), st.text(WORD + "\"'#"))),
    st.from_regex(r"[a-z/]*(\$\{[a-z]+\}[a-z/]+)+", fullmatch=True),
    st.from_regex(r"\^?/[a-z]+\\[.dws]", fullmatch=True),
)
double = st.text(WORD + " \n\t;{}#'").map('"{}"'.format)
single = st.text(WORD + ' \n\t;{}#"').map("'{}'".format)
blank = st.one_of(
    st.sampled_from([" ", "\n", "\t", "  ", "\r\n", " # a comment;{}\n"]),
    st.text(WORD + "\"' ;{}\xe9").map("\n#{}\n".format),
)
statement = st.builds(
    lambda words, mark: "".join(words) + mark,
    st.lists(st.tuples(st.one_of(bare, double, single), blank).map("".join), min_size=1),
    st.sampled_from(";{"),
)
soup = st.lists(st.one_of(statement, blank, st.just("}"))).map("".join)


@given(soup)
def test_same_words(text: str) -> None:
    assert list(ours(text)) == list(theirs(text))


@given(soup)
def test_same_lines(text: str) -> None:
    assert lines_of_names(text) == their_lines_of_names(text)


@pytest.mark.parametrize(
    ("text", "our_words", "their_words"),
    [
        (r"a b\\c\t;", ["a", "b\\c\t"], ["a", r"b\\c\t"]),  # escapes are undone
        ("a\x0bb\x85c\xa0d;", ["a\x0bb\x85c\xa0d"], ["a", "b", "c", "d"]),  # Unicode's blanks
        ("a b}c;", ["a", "b}c"], ["a", "b", "}", "c"]),
        ("a ${b;", ["a", "${b"], ["a"]),  # "${" is looked for its "}"
        ("a ${b;c} d;", ["a", "${b"], ["a", "${b;c} d"]),
        ("a ${b} c;", ["a", "${b}", "c"], ["a", "${b} c"]),  # and a blank after that is kept
    ],
)
def test_known_differences(text: str, our_words: list[str], their_words: list[str]) -> None:
    tokens = Tokenizer(text)
    tokens.read()
    assert tokens.words == our_words
    assert [word for word, _ in theirs(text) if word != ";"] == their_words


@pytest.mark.parametrize(
    ("text", "their_words"),
    [
        ("'a'b;", ["a", "b", ";"]),
        ("a b", ["a"]),  # what is not ended is dropped
        ("a 'b;", ["a"]),
        (";;", [";", ";"]),
        ("a }", ["a", "}"]),
        ("x" * 5000 + ";", ["x" * 5000, ";"]),
    ],
)
def test_what_only_crossplane_takes(text: str, their_words: list[str]) -> None:
    assert [word for word, _ in theirs(text)] == their_words
    with pytest.raises(ConfError):
        list(ours(text))
