"""From URIs to files: root, alias and MIME types."""

from __future__ import annotations

from collections.abc import Callable

from ...http.content_types import type_by_extension
from ...http.failure import RequestFailed
from ...http.level import Level
from ...http.request import Request
from ...http.variables import once_at_a_time
from ...log import Severity
from .conf import CoreConf

DEFAULT_TYPES = {"html": "text/html", "gif": "image/gif", "jpg": "image/jpeg"}


def bind_content_type(level: Level) -> Callable[[str], str]:
    """A function from a URI to its MIME type, by the extension in any case."""
    conf = level[CoreConf]
    table = DEFAULT_TYPES if conf.type_table is None else conf.type_table
    return type_by_extension(table, conf.default_type)


def bind_root(level: Level) -> Callable[[Request], str]:
    """A function from a request to its root or alias."""
    conf = level[CoreConf]
    if conf.root_path.is_constant:
        root = _constant_root(conf)
        return lambda r: root
    full = conf.scope.full_name
    text = once_at_a_time("document_root", conf.root_path.bind(level.variables))
    return lambda r: full(text(r) or "")


def _constant_root(conf: CoreConf) -> str:
    """The directory, without the slash that URIs begin with: nothing for "root /"."""
    text = conf.root_path.text
    return "" if text == "/" and not conf.alias_length else conf.scope.full_name(text)


def bind_path(level: Level, root_of: Callable[[Request], str]) -> Callable[[Request], str]:
    """A function from a request to the file its URI names, by root or alias.

    An alias replaces the beginning of the URI, so the function raises RequestFailed where
    "rewrite ... break" has put another URI in place (ngx_http_map_uri_to_path)."""
    conf = level[CoreConf]
    length = conf.alias_length
    constant = conf.root_path.is_constant
    root = _constant_root(conf) if constant else ""

    def by_root(r: Request) -> str:
        return (root if constant else root_of(r)) + r.uri

    def by_alias(r: Request) -> str:
        if not r.valid_location:
            name = r.location.name
            r.log(
                Severity.ALERT,
                f'"alias" cannot be used in location "{name}" where URI was rewritten',
            )
            raise RequestFailed
        if length < 0:
            return root_of(r) + r.uri if r.add_uri_to_alias else root_of(r)
        return root_of(r) + r.uri[length:]

    return by_alias if length else by_root
