"""The response's fields on their way to the client (ngx_http_upstream_process_headers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import lru_cache
from typing import Any, Final

from ..conf.values import parse_size
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.request import Request
from ..log import Severity
from .conf import GatewayConf

ACCEL = frozenset(
    (
        *("x-accel-expires", "x-accel-redirect", "x-accel-limit-rate", "x-accel-buffering"),
        "x-accel-charset",
    )
)
SINGLE = frozenset(
    (
        *("status", "content-type", "date", "last-modified", "etag", "server", "location"),
        *("refresh", "expires", "x-accel-expires", "x-accel-redirect"),
    )
)
REDIRECTED = frozenset(
    (
        *("content-type", "set-cookie", "content-disposition", "cache-control", "expires"),
        "accept-ranges",
    )
)
Copy = Callable[[Request, str, str], None]
# Names and values as an upstream sent them, and as the client gets them: one object each, which
# compiled code would make anew if it knew its type.
Fields = list[Any]
CopyHeaders = Callable[[Request, list[str], Fields], None]
_seconds_of: Final = lru_cache(256)(parse_http_time)  # the same files are asked for again and again


def compile_copy(
    conf: GatewayConf, level: Level, own: Mapping[str, Copy], hides: frozenset[str], *, whole: bool
) -> CopyHeaders:
    """A function that gives the upstream's fields to the response; `own` is how the protocol
    copies some of them, `hides` what it hides; `whole`: no Server and Date are added."""
    ignore: Copy = _ignore
    key = compile_copy, conf.origin, hides
    hidden, common = level.variables.once(key, lambda: _inherited(conf, hides))
    special = common.copy()
    for name, copy in own.items():
        if name not in hidden:
            special[name] = copy
    own_server, own_date = whole and "server" not in hidden, whole and "date" not in hidden

    def copy_headers(r: Request, names: list[str], fields: Fields) -> None:
        out: Fields = r.headers_out
        if own_server or own_date:  # then there are none if the upstream sends none
            r.own_server, r.own_date = own_server, own_date
        if len(set(names)) != len(names):
            names, fields = _without_duplicates(r, names, fields)
        for at, name in enumerate(names):
            field = fields[at]
            copy = special.get(name)
            if copy is None:
                out.append(field)
            elif copy is not ignore:
                copy(r, field[0], field[1])

    return copy_headers


def _inherited(conf: GatewayConf, hides: frozenset[str]) -> tuple[Set[str], dict[str, Copy]]:
    """The hidden fields, and how those are copied for which that is the same in all locations
    that have the settings."""
    hidden = (hides | set(conf.hidden)) - set(conf.passed)
    ignore: Copy = _ignore
    special = {**_special(conf), **dict.fromkeys(hidden, ignore)}
    if "X-Accel-Charset" not in conf.ignore_headers:
        special["x-accel-charset"] = _take_charset(passed="x-accel-charset" not in hidden)
    return hidden, special


def copy_redirected(
    conf: GatewayConf, own: Mapping[str, Copy], r: Request, names: list[str], fields: Fields
) -> None:
    """Copies the fields that go on to where X-Accel-Redirect points."""
    special = {**_special(conf), **own}
    names, fields = _without_duplicates(r, names, fields)
    for name, field in zip(names, fields, strict=True):
        if name in REDIRECTED:
            special.get(name, Request.add_header)(r, *field)


def _without_duplicates(r: Request, names: list[str], fields: Fields) -> tuple[list[str], Fields]:
    """Leaves out all but the first of the fields of which there can be one
    (ngx_http_upstream_process_header_line)."""
    first: dict[str, tuple[str, str]] = {}
    kept: list[tuple[str, tuple[str, str]]] = []
    for name, field in zip(names, fields, strict=True):
        previous = first.get(name)
        if previous is None:
            kept.append((name, field))
            if name in SINGLE:
                first[name] = field
            continue
        r.log(
            Severity.WARN,
            f'upstream sent duplicate header line: "{field[0]}: {field[1]}", '
            f'previous value: "{previous[0]}: {previous[1]}", ignored '
            "while reading response header from upstream",
        )
    return [name for name, _ in kept], [field for _, field in kept]


def _take_charset(*, passed: bool) -> Copy:
    def take(r: Request, name: str, value: str) -> None:
        r.override_charset = value
        if passed:
            r.add_header(name, value)

    return take


def _special(conf: GatewayConf) -> dict[str, Copy]:
    return {
        "content-type": _copy_content_type,
        "content-encoding": _copy_content_encoding,
        "content-length": _ignore,
        "transfer-encoding": _ignore,
        "connection": _ignore,
        "keep-alive": _ignore,
        "upgrade": _copy_upgrade,
        "last-modified": _copy_last_modified,
        "etag": _copy_etag,
        "accept-ranges": _ignore if conf.force_ranges else _copy_accept_ranges,
        "server": _copy_server,
        "date": _copy_date,
    }


def _ignore(r: Request, name: str, value: str) -> None:
    """Hop-by-hop, or hidden."""


def _copy_content_type(r: Request, name: str, value: str) -> None:
    r.content_type = value


def _copy_content_encoding(r: Request, name: str, value: str) -> None:
    r.content_encoding = value
    r.add_header(name, value)


def _copy_upgrade(r: Request, name: str, value: str) -> None:
    if r.http_version < 2000:  # after that there is no such field
        r.add_header(name, value)


def _copy_last_modified(r: Request, name: str, value: str) -> None:
    seconds = _seconds_of(value)
    r.last_modified, r.own_last_modified = -1 if seconds is None else seconds, True
    r.add_header(name, value)


def _copy_etag(r: Request, name: str, value: str) -> None:
    r.etag = value


def _copy_accept_ranges(r: Request, name: str, value: str) -> None:
    if r.cached:
        r.allow_ranges = True
    elif r.sent_header(name) is None:  # of several one is enough
        r.add_header(name, value)


def _copy_server(r: Request, name: str, value: str) -> None:
    r.own_server = True
    r.add_header(name, value)


def _copy_date(r: Request, name: str, value: str) -> None:
    r.own_date = True
    r.add_header(name, value)


def limit_rate_of(value: str) -> int | None:
    """X-Accel-Limit-Rate in bytes per second; None if it is not a number."""
    try:
        return parse_size(value)
    except ValueError:
        return None
