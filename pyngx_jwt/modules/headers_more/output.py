"""Sets and clears headers of responses.

The directives are those of openresty/headers-more-nginx-module.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...conf.directive import directive
from ...conf.values import parse_number
from ...errors import ConfError
from ...http.level import Level
from ...http.module import Module
from ...http.request import HeaderFilter, Request
from ...http.variables import Variables
from ...log import Severity
from .commands import HERE, CommandsConf, HeaderChange

# Headers of responses that have a place of their own in nginx: nothing is appended to them.
BUILT_IN = frozenset(
    {
        *("server", "date", "content-encoding", "location", "refresh", "last-modified"),
        *("content-range", "accept-ranges", "www-authenticate", "expires", "e-tag"),
        *("content-length", "content-type", "cache-control"),
    }
)
_CHARSET = re.compile(r"; *charset=\"?(.*)", re.IGNORECASE)
Change = Callable[[Request], None]


class HeadersMoreConf(CommandsConf):
    @directive(HERE, syntax="more_set_headers [-t types] [-s codes] [-a] 'name: value' ...")
    def more_set_headers(self, header: str, *more: str) -> None:
        """Sets headers of responses: replaces those of the same name or adds one, whatever the code
        of the response.  An empty value removes the header, and a name that ends with "*" stands
        for all names with the prefix.  "-t" and "-s" limit the directive to responses with these
        MIME types and codes, "-a" adds a header without replacing others.  Values can contain
        variables.  Directives of outer levels are applied first."""
        command = self.add("more_set_headers", (header, *more), "tsa")
        for change in command.headers:
            if command.append and change.key in BUILT_IN:
                builtin = f'can not append builtin headers "{change.name}"'
                raise ConfError(f"more_set_headers: {builtin}")

    @directive(HERE, syntax="more_clear_headers [-t types] [-s codes] name ...")
    def more_clear_headers(self, header: str, *more: str) -> None:
        """Removes headers of responses.  A name that ends with "*" stands for all names with the
        prefix."""
        self.add("more_clear_headers", (header, *more), "ts", clear=True)


headers_more = Module("headers_more", HeadersMoreConf)


@headers_more.header_filter
def change_response(conf: HeadersMoreConf, level: Level) -> HeaderFilter | None:
    if not conf.commands:
        return None
    bound = [
        (command, [_output_change(h, command.append, level.variables) for h in command.headers])
        for command in conf.commands
    ]

    def filter_header(r: Request) -> None:
        for command, changes in bound:
            if command.statuses and r.status not in command.statuses:
                continue
            if command.types and _CHARSET.sub("", r.content_type or "") not in command.types:
                continue
            for change in changes:
                change(r)

    return filter_header


def _output_change(header: HeaderChange, append: bool, variables: Variables) -> Change:
    value = header.value.bind(variables)
    special = SPECIAL.get(header.key)
    if special is not None:
        return lambda r: special(r, header.name, value(r))
    matches = header.pattern
    if append:
        return lambda r: _append(r, header.name, value(r))
    if header.key.endswith("*"):
        return lambda r: _put_all(r, matches, value(r))
    return lambda r: _put(r, header.name, value(r))


def set_response_header(r: Request, name: str, text: str) -> None:
    """Replaces a header of the response, or removes it if the text is empty."""
    SPECIAL.get(name.lower(), _put)(r, name, text)


def _append(r: Request, name: str, text: str) -> None:
    if text:
        r.headers_out.append((name, text))


def _put(r: Request, name: str, text: str) -> None:
    """Replaces the first header of that name, removes the others, or adds one."""
    key = name.lower()
    if not _put_matching(r, lambda name: name == key, text) and text:
        r.headers_out.append((name, text))


def _put_all(r: Request, matches: Callable[[str], bool], text: str) -> None:
    _put_matching(r, matches, text)


def _put_matching(r: Request, matches: Callable[[str], bool], text: str) -> bool:
    """Gives the first header with a matching name the value and removes the others."""
    matched, headers = False, []
    for name, value in r.headers_out:
        if not matches(name.lower()):
            headers.append((name, value))
        elif text and not matched:
            headers.append((name, text))
            matched = True
        else:
            matched = True
    r.headers_out = headers
    for name, special in (("etag", _set_etag), ("location", _set_location)):
        present = r.etag if name == "etag" else r.location_out
        if present is not None and matches(name):
            special(r, name, "" if matched else text)
            matched = True
    return matched


def _set_content_type(r: Request, name: str, text: str) -> None:
    charset = _CHARSET.search(text)
    r.content_type = (text[: charset.start()] if charset else text) or None
    if charset:
        r.charset = charset[1].removesuffix('"')


def _set_content_length(r: Request, name: str, text: str) -> None:
    try:
        r.content_length = parse_number(text) if text else -1
    except ValueError:
        r.log(Severity.ERR, f'invalid Content-Length "{text}" in "more_set_headers"')


def _set_last_modified(r: Request, name: str, text: str) -> None:
    r.last_modified, r.own_last_modified = -1, True
    _put(r, name, text)


def _set_etag(r: Request, name: str, text: str) -> None:
    r.etag = text or None


def _set_location(r: Request, name: str, text: str) -> None:
    r.location_out = text or None


def _set_accept_ranges(r: Request, name: str, text: str) -> None:
    if not text:
        r.allow_ranges = False
    _put(r, name, text)


def _set_content_encoding(r: Request, name: str, text: str) -> None:
    r.content_encoding = text or None
    _put(r, name, text)


def _set_server(r: Request, name: str, text: str) -> None:
    r.own_server = True
    _put(r, name, text)


def _set_date(r: Request, name: str, text: str) -> None:
    r.own_date = True
    _put(r, name, text)


SPECIAL: dict[str, Callable[[Request, str, str], None]] = {
    "server": _set_server,
    "date": _set_date,
    "content-encoding": _set_content_encoding,
    "location": _set_location,
    "last-modified": _set_last_modified,
    "accept-ranges": _set_accept_ranges,
    "content-length": _set_content_length,
    "content-type": _set_content_type,
}
