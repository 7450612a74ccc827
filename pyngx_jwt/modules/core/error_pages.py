"""Error pages: responses that replace those with given codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...conf.values import parse_number
from ...errors import ConfError
from ...http.template import Template, Text
from ...http.variables import Variables


class DeclaredErrorPage(NamedTuple):
    """One error_page directive.

    `overwrite` is -1 to keep the code, 0 for that of the page's own response."""

    codes: tuple[int, ...]
    overwrite: int
    uri: Template


class BoundErrorPage(NamedTuple):
    overwrite: int
    uri: Text
    constant_args: str | None


def parse_error_page(words: tuple[str, ...]) -> DeclaredErrorPage:
    *codes, uri = words
    overwrite = -1
    if codes[-1].startswith("="):
        text = codes.pop()[1:]
        if not codes:
            raise ConfError(f'invalid value "={text}"')
        try:
            overwrite = parse_number(text) if text else 0
        except ValueError:
            raise ConfError(f'invalid value "={text}"') from None
    return DeclaredErrorPage(tuple(_error_code(code) for code in codes), overwrite, Template(uri))


def _error_code(text: str) -> int:
    try:
        code = parse_number(text)
    except ValueError:
        raise ConfError(f'invalid value "{text}"') from None
    if code == 499:
        raise ConfError(f'invalid value "{text}"')
    if not 300 <= code <= 599:
        raise ConfError(f'value "{text}" must be between 300 and 599')
    return 494 if code == 494 else code


def bind_error_pages(
    pages: Iterable[DeclaredErrorPage], variables: Variables
) -> dict[int, BoundErrorPage]:
    """The error pages by code; of several for a code, the first applies."""
    bound: dict[int, BoundErrorPage] = {}
    for page in pages:
        constant = page.uri.is_constant
        uri, args = page.uri, None
        if constant and page.uri.text.startswith("/"):
            path, _, rest = page.uri.text.partition("?")
            uri, args = Template(path), rest
        text = uri.bind(variables)
        for code in page.codes:
            own = page.overwrite < 0 and 494 <= code <= 497  # the client gets 400
            overwrite = 400 if own else page.overwrite
            bound.setdefault(code, BoundErrorPage(overwrite, text, args))
    return bound
