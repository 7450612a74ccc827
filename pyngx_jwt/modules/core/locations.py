"""Names of locations and servers as nginx reads them."""

from __future__ import annotations

import re

from ...errors import ConfError
from ...http.names import ascii_lower

WILDCARD = re.compile(r"\*\..|\..", re.S)


def lower_name(name: str) -> str:
    return name if name.startswith("~") else ascii_lower(name)


_GLUED = re.compile(r"(=|\^~|~\*|~)(.*)", re.S)


def split_location(modifier: str, uri: str | None) -> tuple[str, str]:
    """The modifier and the URI, which may be one word, and of which the URI may be empty."""
    if uri is not None:
        if modifier not in ("=", "^~", "~", "~*"):
            raise ConfError(f'invalid location modifier "{modifier}"')
        return modifier, uri
    glued = _GLUED.match(modifier)
    return (glued[1], glued[2]) if glued else ("", modifier)
