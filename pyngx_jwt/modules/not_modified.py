"""Answers conditional requests: 304 for what the client has already, 412 for what changed."""

from __future__ import annotations

from collections.abc import Callable

from ..conf.directive import Conf
from ..http.date import parse_http_time
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, HeaderRefused, Request
from .core import CoreConf
from .headers import modified_at

Test = Callable[[Request], bool]


class NotModifiedConf(Conf):
    """No directives: "if_modified_since" is the core module's."""


not_modified = Module("not_modified", NotModifiedConf)


@not_modified.validates
def check_conditions(conf: NotModifiedConf, level: Level) -> HeaderFilter:
    how = level[CoreConf].if_modified_since

    def filter_header(r: Request) -> None:
        if r.status != 200 or r.parent is not None:
            return
        fields = r.index
        if "if-unmodified-since" in fields and not _unmodified(r, fields["if-unmodified-since"]):
            _refuse(r)
        if "if-match" in fields and not listed(r, fields["if-match"], weak=False):
            _refuse(r)
        since, tags = fields.get("if-modified-since"), fields.get("if-none-match")
        if since is None and tags is None:
            return
        if since is not None and _modified(r, since, how):
            return
        if tags is not None and not listed(r, tags, weak=True):
            return
        _not_modified(r)

    return filter_header


def _refuse(r: Request) -> None:
    """412, with nothing left of the response (ngx_http_filter_finalize_request)."""
    r.clear_validators()
    r.headers_out, r.content_type, r.charset = [], None, ""
    r.status, r.status_line, r.location_out = 0, None, None
    r.own_server = r.own_date = False
    r.content_encoding = None
    raise HeaderRefused(412)


def _not_modified(r: Request) -> None:
    r.status, r.status_line = 304, None
    r.content_type, r.content_length, r.allow_ranges = None, -1, False
    r.headers_out = [
        (name, value)
        for name, value in r.headers_out
        if name.lower() not in ("accept-ranges", "content-encoding", "content-length")
    ]


def _unmodified(r: Request, text: str) -> bool:
    modified = modified_at(r)
    since = parse_http_time(text)
    return modified >= 0 and since is not None and since >= modified


def _modified(r: Request, text: str, how: str) -> bool:
    modified = modified_at(r)
    if modified < 0 or how == "off":
        return True
    since = parse_http_time(text)
    if since == modified:
        return False
    return how == "exact" or since is None or since < modified


def listed(r: Request, tags: str, *, weak: bool) -> bool:
    """Whether the response's ETag is in a list; if `weak`, weak ones are as good as strong
    ones (ngx_http_test_if_match)."""
    if tags == "*":
        return True
    etag = r.etag or r.sent_header("etag")
    if etag is None:
        return False
    if weak and len(etag) > 2:
        etag = etag.removeprefix("W/")
    at = 0
    while at < len(tags):
        if weak and len(tags) - at > 2 and tags.startswith("W/", at):
            at += 2
        if tags.startswith(etag, at):
            rest = tags[at + len(etag) :].lstrip(" \t")
            if not rest or rest.startswith(","):
                return True
            at += len(etag)
        at = _next_tag(tags, at)
    return False


def _next_tag(tags: str, at: int) -> int:
    comma = tags.find(",", at)
    if comma < 0:
        return len(tags)
    rest = tags[comma:].lstrip(" \t,")
    return len(tags) - len(rest)
