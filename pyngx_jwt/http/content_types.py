"""Lists of MIME types such as that of "gzip_types" (ngx_http_types_slot)."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conf.directive import Conf
from .request import Request

Types = frozenset[str] | None  # None is "*", any response
HTML: Types = frozenset({"text/html"})
_CHARSET = re.compile(r"; *charset=", re.IGNORECASE)


def add_types(conf: Conf, given: Types, added: tuple[str, ...]) -> Types:
    """A level's list with what one directive adds; "*" stands for all."""
    if given is None:
        return None
    types = set(given)
    for word in added:
        if word == "*":
            return None
        if word.lower() in types:
            conf.scope.warn(f'duplicate MIME type "{word.lower()}"')
        types.add(word.lower())
    return frozenset(types)


def has_type(r: Request, types: Types) -> bool:
    """Whether a response is of one of the types (ngx_http_test_content_type)."""
    if types is None:
        return True
    text = r.content_type
    if not text:
        return False
    # Only that of an upstream is taken apart.
    if ";" in text and r.upstream_states and (charset := _CHARSET.search(text)):
        text = text[: charset.start()]
    return text.lower() in types


def type_by_extension(table: dict[str, str], default: str) -> Callable[[str], str]:
    """A function from a URI to its MIME type, by the extension in any case."""

    def content_type_of(uri: str) -> str:
        dot = uri.rfind(".")
        if dot <= 0 or uri[dot - 1] == "/" or uri.find("/", dot) >= 0:
            return default
        extension = uri[dot + 1 :]
        return table.get(extension) or table.get(extension.lower()) or default

    return content_type_of
