"""Soups of characters: a real nginx reports the same word, or the same error, on the same line."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyngx_jwt.conf.parse import Source, Statement
from pyngx_jwt.errors import ConfError

from .real import Verdict, nginx_says

__all__ = ["nginx_says"]

SHOWN = 900  # nginx cuts its message at 1024 bytes

piece = st.one_of(
    st.sampled_from([*" \n\t\r;{}\"'\\#$()", "${", "; ", "' ", '" ', "\\\\", "\0", "\x0b", "\xa0"]),
    st.text("xyz\\\"'$\xe9", max_size=4),
    st.builds(str.__mul__, st.sampled_from("x# \\"), st.integers(4090, 4098)),
)
soup = st.lists(piece, max_size=12).map("".join)


def verdict(text: str) -> str:
    """What nginx must say if it reads as we do; no directive of a soup is accepted."""
    source = Source("F", text)
    try:
        while isinstance(got := source.next(), Statement):
            if error := wrong_with(got):
                raise source.locate(ConfError(error))
    except ConfError as error:
        return str(error)
    return 'no "events" section in configuration'


def wrong_with(statement: Statement) -> str:
    name = shown(statement.name)
    if name != "daemon":
        return f'unknown directive "{name}"'
    if statement.opens:
        return 'directive "daemon" is not terminated by ";"'
    if len(statement.args) != 1:
        return 'invalid number of arguments in "daemon" directive'
    value = shown(statement.args[0])
    return f'invalid value "{value}" in "daemon" directive, it must be "on" or "off"'


def shown(word: str) -> str:
    return word.partition("\0")[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(["", "daemon "]), soup)
@example("daemon ", "x" * 4095 + ";")
@example("daemon ", "'" + "x" * 4094 + "';")
@example("daemon ", "\\ ;")
def test_same_verdict(nginx_says: Verdict, start: str, soup: str) -> None:
    expected = verdict(start + soup)
    said = nginx_says(start + soup)
    assert said[:SHOWN] == expected[:SHOWN]
