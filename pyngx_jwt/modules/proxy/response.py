"""The response's fields on their way to the client (ngx_http_upstream_process_headers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...conf.values import parse_size
from ...http.date import parse_http_time
from ...http.level import Level
from ...http.regex import Regex
from ...http.request import Request
from ...http.template import Template, Text
from ...log import Level as LogLevel
from .conf import ProxyConf, Redirect
from .cookies import compile_cookies

HIDDEN = frozenset(
    (
        "date",
        "server",
        "x-pad",
        "x-accel-expires",
        "x-accel-redirect",
        "x-accel-limit-rate",
        "x-accel-buffering",
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
Fields = Sequence[tuple[str, str]]
CopyHeaders = Callable[[Request, Sequence[str], Fields], None]
Rewrite = Callable[[Request, str, int], "str | None"]


def compile_copy(conf: ProxyConf, level: Level) -> CopyHeaders:
    """A function that gives the upstream's fields to the response."""
    hidden = (HIDDEN | set(conf.hidden)) - set(conf.passed)
    special: dict[str, Copy] = {name: _ignore for name in hidden}
    for name, copy in _special(conf, level).items():
        special.setdefault(name, copy)
    if "X-Accel-Charset" not in conf.proxy_ignore_headers:
        special["x-accel-charset"] = _take_charset(passed="x-accel-charset" not in hidden)
    own_server, own_date = "server" not in hidden, "date" not in hidden

    def copy_headers(r: Request, names: Sequence[str], fields: Fields) -> None:
        out = r.headers_out
        if own_server or own_date:  # then there are none if the upstream sends none
            r.own_server, r.own_date = own_server, own_date
        if len(set(names)) != len(names):
            names, fields = _without_duplicates(r, names, fields)
        for name, field in zip(names, fields, strict=True):
            copy = special.get(name)
            if copy is None:
                out.append(field)
            else:
                copy(r, *field)

    return copy_headers


def compile_redirected(conf: ProxyConf, level: Level) -> CopyHeaders:
    """A function for the fields that go on to where X-Accel-Redirect points."""
    special = {name: copy for name, copy in _special(conf, level).items() if name in REDIRECTED}

    def copy_headers(r: Request, names: Sequence[str], fields: Fields) -> None:
        names, fields = _without_duplicates(r, names, fields)
        for name, field in zip(names, fields, strict=True):
            if name in REDIRECTED:
                special.get(name, Request.add_header)(r, *field)

    return copy_headers


def _without_duplicates(
    r: Request, names: Sequence[str], fields: Fields
) -> tuple[Sequence[str], Fields]:
    """Leaves out all but the first of the fields of which there can be one
    (ngx_http_upstream_process_header_line)."""
    first: dict[str, tuple[str, str]] = {}
    kept: list[tuple[str, tuple[str, str]]] = []
    for name, field in zip(names, fields, strict=True):
        previous = first.setdefault(name, field) if name in SINGLE else field
        if previous is field:
            kept.append((name, field))
            continue
        r.log(
            LogLevel.WARN,
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


def _special(conf: ProxyConf, level: Level) -> dict[str, Copy]:
    rewrite = compile_redirects(conf, level)
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
        "accept-ranges": _ignore if conf.proxy_force_ranges else _copy_accept_ranges,
        "location": _copy_location(rewrite),
        "refresh": _copy_refresh(rewrite),
        "set-cookie": compile_cookies(conf, level),
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
    if r.upgraded:
        r.add_header(name, value)


def _copy_last_modified(r: Request, name: str, value: str) -> None:
    seconds = parse_http_time(value)
    r.last_modified, r.own_last_modified = -1 if seconds is None else seconds, True
    r.add_header(name, value)


def _copy_etag(r: Request, name: str, value: str) -> None:
    r.etag = value


def _copy_accept_ranges(r: Request, name: str, value: str) -> None:
    if r.cached:
        r.allow_ranges = True
    else:
        r.add_header(name, value)


def _copy_server(r: Request, name: str, value: str) -> None:
    r.own_server = True
    r.add_header(name, value)


def _copy_date(r: Request, name: str, value: str) -> None:
    r.own_date = True
    r.add_header(name, value)


def _copy_location(rewrite: Rewrite | None) -> Copy:
    def copy(r: Request, name: str, value: str) -> None:
        changed = rewrite(r, value, 0) if rewrite else None
        if changed is not None:
            r.location_out = changed
        else:
            r.add_header(name, value)

    return copy


def _copy_refresh(rewrite: Rewrite | None) -> Copy:
    def copy(r: Request, name: str, value: str) -> None:
        at = value.lower().find("url=")
        changed = rewrite(r, value, at + 4) if rewrite and at >= 0 else None
        r.add_header(name, value if changed is None else changed)

    return copy


def compile_redirects(conf: ProxyConf, level: Level) -> Rewrite | None:
    """A function that rewrites a Location, None where proxy_redirect is off."""
    redirects = (Redirect(None, None),) if conf.redirects is None else conf.redirects
    rules = [rule for redirect in redirects if (rule := _compile_rule(redirect, conf, level))]
    if not rules:
        return None

    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        for rule in rules:
            changed = rule(r, value, prefix)
            if changed is not None:
                return changed
        return None

    return rewrite


def _compile_rule(redirect: Redirect, conf: ProxyConf, level: Level) -> Rewrite | None:
    if redirect.pattern is None or redirect.replacement is None:
        return _default_rule(conf)
    replacement = redirect.replacement.bind(level.variables)
    if isinstance(redirect.pattern, Regex):
        return _regex_rule(redirect.pattern, replacement)
    return _text_rule(redirect.pattern.bind(level.variables), replacement)


def _default_rule(conf: ProxyConf) -> Rewrite | None:
    target = conf._target
    if target is None or target.url is None:
        return None
    if target.url.uri:
        url, location = target.text.text, target.location
    else:
        url, location = f"{target.text.text}/", "/"
    return _text_rule(Template(url).bind_constant(), Template(location).bind_constant())


def _text_rule(pattern: Text, replacement: Text) -> Rewrite:
    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        start = pattern(r)
        if not value.startswith(start, prefix):
            return None
        return value[:prefix] + replacement(r) + value[prefix + len(start) :]

    return rewrite


def _regex_rule(pattern: Regex, replacement: Text) -> Rewrite:
    def rewrite(r: Request, value: str, prefix: int) -> str | None:
        if not pattern.match(r, value[prefix:]):
            return None
        return value[:prefix] + replacement(r)

    return rewrite


def limit_rate_of(value: str) -> int | None:
    """X-Accel-Limit-Rate in bytes per second; None if it is no number."""
    try:
        return parse_size(value)
    except ValueError:
        return None
