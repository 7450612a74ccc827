"""Adds headers and trailers to responses, and sets their expiry."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from ..conf.directive import Conf, directive, enum
from ..conf.values import parse_sec
from ..errors import ConfError
from ..http.contexts import EVERYWHERE, LOCATION_IF
from ..http.date import http_date, parse_http_time
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..http.template import Template, Text
from ..http.variables import Variables

HERE = EVERYWHERE | LOCATION_IF
SUCCESSFUL = frozenset({200, 201, 204, 206, 301, 302, 303, 304, 307, 308})
DAY = 86400
EPOCH, MAX = "Thu, 01 Jan 1970 00:00:01 GMT", "Thu, 31 Dec 2037 23:55:55 GMT"
TEN_YEARS = "max-age=315360000"
Change = Callable[[Request], None]


class AddedHeader(NamedTuple):
    """One "add_header" or "add_trailer"."""

    name: str
    value: Template
    always: bool


class Start(Enum):
    """What the time of "expires" is counted from, or which fixed answer is given."""

    OFF = "off"
    EPOCH = "epoch"
    MAX = "max"
    ACCESS = "access"
    MODIFIED = "modified"
    DAILY = "daily"


class Expires(NamedTuple):
    """One "expires"; `seconds` is the time of day with DAILY, and can be below zero."""

    start: Start = Start.OFF
    seconds: int = 0
    value: Template | None = None  # read for each request if there are variables


class HeadersFilterConf(Conf):
    fields: tuple[AddedHeader, ...] = ()
    trailer_fields: tuple[AddedHeader, ...] = ()
    expiry = Expires()

    @directive(HERE, syntax="add_header name value [always]")
    def add_header(self, name: str, value: str, always: str | None = None) -> None:
        """Adds a header to responses with code 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308,
        with "always" to all responses.  Inherited if and only if the level has none of its own: one
        header in a location loses all inherited ones, unless "add_header_inherit merge" is set.  An
        empty value adds nothing.  Unlike in nginx, a line break in a value is replaced by a space.
        """
        self.fields = (*vars(self).get("fields", ()), _field(name, value, always))

    @directive(HERE, syntax="add_trailer name value [always]")
    def add_trailer(self, name: str, value: str, always: str | None = None) -> None:
        """Adds a trailer to responses, under the same conditions as "add_header"."""
        fields = vars(self).get("trailer_fields", ())
        self.trailer_fields = (*fields, _field(name, value, always))

    add_header_inherit = enum(
        "on",
        ("off", "on", "merge"),
        HERE,
        'Sets how headers are inherited: "on" if the level has none of its own, "merge" always,'
        ' "off" never.',
    )
    add_trailer_inherit = enum(
        "on",
        ("off", "on", "merge"),
        HERE,
        'Sets how trailers are inherited, as "add_header_inherit" does for headers.',
    )

    @directive(HERE, default="off", syntax="expires [modified] time | expires epoch | max | off")
    def expires(self, time: str, modified_time: str | None = None) -> None:
        """Sets the headers Expires and Cache-Control of successful responses.  The time counts from
        now, with "modified" from the modification of the file, or is a time of day after "@".  A
        negative time sets "no-cache".  The value can be a variable."""
        if "expiry" in vars(self):
            raise ConfError('"expires" directive is duplicate')
        start, text = Start.ACCESS, time
        if modified_time is not None:
            if time != "modified":
                raise ConfError('"expires" directive invalid value')
            start, text = Start.MODIFIED, modified_time
        template = Template(text)
        if not template.is_constant:
            self.expiry = Expires(start, 0, template)
            return
        try:
            self.expiry = parse_expires(text, start)
        except ValueError as error:
            raise ConfError(f'"expires" directive {error}') from None

    def merge(self, outer: HeadersFilterConf) -> None:
        """ "add_header_inherit" and "add_trailer_inherit" say what is taken from outside."""
        added, added_trailers = vars(self).get("fields"), vars(self).get("trailer_fields")
        super().merge(outer)
        self.fields = _inherited(self.add_header_inherit, added, outer.fields)
        self.trailer_fields = _inherited(
            self.add_trailer_inherit, added_trailers, outer.trailer_fields
        )

    @property
    def is_inherited_whole(self) -> bool:
        return "off" not in (self.add_header_inherit, self.add_trailer_inherit)


def _field(name: str, value: str, always: str | None) -> AddedHeader:
    template = Template(value)
    if always not in (None, "always"):
        raise ConfError(f'invalid parameter "{always}"')
    return AddedHeader(name, template, always is not None)


def _inherited(
    how: str, added: tuple[AddedHeader, ...] | None, outer: tuple[AddedHeader, ...]
) -> tuple[AddedHeader, ...]:
    if how == "off":
        return added or ()
    if added is None:
        return outer
    return added + outer if how == "merge" else added


def parse_expires(text: str, start: Start) -> Expires:
    """The time of "expires" (ngx_http_parse_expires); raises ValueError with the reason."""
    if start is not Start.MODIFIED and text in ("epoch", "max", "off"):
        return Expires(Start(text))
    sign, number = text[:1], text[1:] if text[:1] in ("@", "+", "-") else text
    if sign == "@":
        if start is Start.MODIFIED:
            raise ValueError('daily time cannot be used with "modified" parameter')
        start = Start.DAILY
    try:
        seconds = parse_sec(number)
    except ValueError:
        raise ValueError("invalid value") from None
    if start is Start.DAILY and seconds > DAY:
        raise ValueError("daily time value must be less than 24 hours")
    return Expires(start, -seconds if sign == "-" else seconds)


headers = Module("headers", HeadersFilterConf)


@headers.header_filter
def add_fields(conf: HeadersFilterConf, level: Level) -> HeaderFilter | None:
    """Answers of subrequests are left as they are."""
    variables = level.variables
    expire = _build_expires(conf.expiry, variables)
    changes = [(_build_change(field, variables), field.always) for field in conf.fields]
    add_trailer = _build_trailers(conf.trailer_fields, variables)
    if not (expire or changes or add_trailer):
        return None

    def filter_header(r: Request) -> None:
        if r.parent is not None:
            return
        successful = r.status in SUCCESSFUL
        if expire and successful:
            expire(r)
        for change, always in changes:
            if successful or always:
                change(r)
        if add_trailer:
            add_trailer(r, successful)

    return filter_header


# -- add_header -----------------------------------------------------------------------------


def _build_change(field: AddedHeader, variables: Variables) -> Change:
    value = field.value.bind(variables)
    name = field.name.lower()
    if name == "etag":
        return lambda r: _set_etag(r, field.name, value(r))
    if name == "last-modified":
        return lambda r: _set_last_modified(r, field.name, value(r))
    if field.value.is_constant and field.value.text:
        pair = (field.name, field.value.text)
        return lambda r: r.headers_out.append(pair)

    def add(r: Request) -> None:
        if text := value(r):
            r.headers_out.append((field.name, text))

    return add


def _set_etag(r: Request, name: str, text: str) -> None:
    """Takes the place of the ETag there is; an empty value removes it."""
    if r.etag is not None:
        r.etag = text or None
    else:
        _put(r, name, text)


def _set_last_modified(r: Request, name: str, text: str) -> None:
    """Later filters find the time in the field if it is not in the request."""
    seconds = parse_http_time(text) if text else None
    r.last_modified = -1
    if seconds is not None and http_date(seconds) == text:
        _put(r, name, "")
        r.last_modified = seconds
    else:
        _put(r, name, text)


def _put(r: Request, name: str, text: str) -> None:
    """Replaces the first field of that name in its place; an empty text removes it."""
    low = name.lower()
    for index, (field, _) in enumerate(r.headers_out):
        if field.lower() == low:
            r.headers_out[index : index + 1] = [(name, text)] if text else []
            return
    if text:
        r.headers_out.append((name, text))


# -- expires --------------------------------------------------------------------------------


def _build_expires(expires: Expires, variables: Variables) -> Change | None:
    if expires.value is not None:
        return _build_variable_expires(expires, expires.value.bind(variables))
    if expires.start is Start.OFF:
        return None
    return lambda r: _set_expires(r, expires, expires.seconds < 0)


def _build_variable_expires(expires: Expires, value: Text) -> Change:
    def expire(r: Request) -> None:
        try:
            current = parse_expires(value(r), expires.start)
        except ValueError:
            return
        if current.start is not Start.OFF:
            _set_expires(r, current, False)

    return expire


def _set_expires(r: Request, expires: Expires, past: bool) -> None:
    moment, cache_control = _freshness(r, expires, past)
    _put_single(r, "Expires", moment)
    _put_single(r, "Cache-Control", cache_control)


def _freshness(r: Request, expires: Expires, past: bool) -> tuple[str, str]:
    """The values of Expires and of Cache-Control (ngx_http_set_expires)."""
    start, seconds = expires.start, expires.seconds
    if start is Start.EPOCH:
        return EPOCH, "no-cache"
    if start is Start.MAX:
        return MAX, TEN_YEARS
    now = int(clock.time())
    if seconds == 0 and start is not Start.DAILY:
        return http_date(now), "max-age=0"
    if start is Start.DAILY:
        moment = _next_time(now, seconds)
    elif start is Start.ACCESS or (modified := modified_at(r)) < 0:
        moment = now + seconds
    else:
        moment = modified + seconds
    max_age = moment - now
    return http_date(moment), "no-cache" if past or max_age < 0 else f"max-age={max_age}"


def modified_at(r: Request) -> int:
    """The modification time of the response, -1 if it is unknown."""
    if r.last_modified >= 0:
        return r.last_modified
    text = r.sent_header("last-modified")
    seconds = parse_http_time(text) if text else None
    return -1 if seconds is None else seconds


def _next_time(now: int, seconds: int) -> int:
    """When the local clock will show that time of day (ngx_next_time)."""
    today = clock.localtime(now)
    minutes, second = divmod(seconds, 60)
    at = (*today[:3], *divmod(minutes, 60), second, *today[6:9])
    moment = int(clock.mktime(at))
    if moment > now:
        return moment
    return int(clock.mktime((*today[:2], today[2] + 1, *at[3:])))


def _put_single(r: Request, name: str, text: str) -> None:
    """Gives the first field of that name the value and removes the others."""
    low = name.lower()
    given = [index for index, (field, _) in enumerate(r.headers_out) if field.lower() == low]
    if not given:
        r.headers_out.append((name, text))
        return
    r.headers_out[given[0]] = (r.headers_out[given[0]][0], text)
    for index in reversed(given[1:]):
        del r.headers_out[index]


# -- add_trailer ----------------------------------------------------------------------------


class Trailers:
    """The body filter that knows when the body ends: the values are those of that moment."""

    def __init__(self, r: Request, fields: list[tuple[str, Text]]) -> None:
        self.r, self.fields = r, fields

    def feed(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        r = self.r
        if not r.header_only:
            for name, get in self.fields:
                if text := get(r):
                    r.trailers += ((name, text),)
        return b""


def _build_trailers(
    fields: tuple[AddedHeader, ...], variables: Variables
) -> Callable[[Request, bool], None] | None:
    if not fields:
        return None
    every = [(field.name, field.value.bind(variables)) for field in fields]
    always = [pair for pair, field in zip(every, fields, strict=True) if field.always]

    def expect(r: Request, successful: bool) -> None:
        chosen = every if successful else always
        if chosen:
            r.expect_trailers = True
            r.body_filters += (Trailers(r, chosen),)

    return expect
