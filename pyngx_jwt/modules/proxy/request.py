"""The request to the upstream: method, URI, fields (ngx_http_proxy_create_request)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...http.level import Level
from ...http.request import Request
from ...http.template import Template, Text
from ...http.uri import escape_uri
from .conf import ProxyConf

DEFAULTS = (
    ("Host", "$proxy_host"),
    ("Connection", ""),
    ("Proxy-Connection", ""),
    ("Content-Length", "$proxy_internal_body_length"),
    ("Transfer-Encoding", "$proxy_internal_chunked"),
    ("TE", ""),
    ("Keep-Alive", ""),
    ("Expect", ""),
    ("Upgrade", ""),
)
CACHE_DEFAULTS = (
    ("If-Modified-Since", "$upstream_cache_last_modified"),
    ("If-Unmodified-Since", ""),
    ("If-None-Match", "$upstream_cache_etag"),
    ("If-Match", ""),
    ("Range", ""),
    ("If-Range", ""),
)


class Vars(NamedTuple):
    """What the proxied URL comes to for a request; $proxy_host and $proxy_port tell parts."""

    scheme: str
    host_header: str
    port: str
    uri: str
    from_variables: bool
    key_host: str  # as the default key of the cache tells it


class Outgoing:
    """What a request carries between the handler and the variables of this module."""

    __slots__ = ("body_length", "chunked", "uri", "vars")

    def __init__(self, vars: Vars) -> None:
        self.vars = vars
        self.body_length = -1
        self.chunked = False
        self.uri = ""  # that is asked for, once it is known


class SplitHead(Exception):
    """A variable holds a line break: the upstream would read other fields, or two requests."""


BuildHead = Callable[[Request, Outgoing], bytes]


def build_uri(r: Request, vars: Vars, location: str) -> str:
    """The URI that is asked for; "" is an error."""
    uri = vars.uri
    if vars.from_variables and uri:
        return uri
    if not uri and r.valid_unparsed_uri:
        return r.unparsed_uri
    replaced = len(location) if r.valid_location and uri else 0
    rest = r.uri[replaced:]
    if r.quoted_uri or r.internal:
        rest = escape_uri(rest)
    prefix = uri if r.valid_location else ""
    return f"{prefix}{rest}?{r.args}" if r.args else prefix + rest


def compile_head(conf: ProxyConf, level: Level, *, cached: bool) -> BuildHead:
    """A function that writes the head of the upstream request; it raises SplitHead."""
    fields = _fields(conf, level, cached)
    named = frozenset(name.lower() for name, _ in _all_fields(conf, cached))
    method_of = _method_of(conf, level, cached)
    assert conf._target is not None
    location, version = conf._target.location, f" HTTP/{conf.proxy_http_version}\r\n"
    pass_headers = conf.proxy_pass_request_headers

    def build(r: Request, out: Outgoing) -> bytes:
        out.uri = build_uri(r, out.vars, location)
        parts = [f"{method_of(r)} {out.uri}{version}"]
        for name, value in fields:
            text = value(r)
            if text:
                parts.append(f"{name}{text}\r\n")
        if pass_headers:
            for field, text in r.headers_in:
                if field.lower() not in named:
                    parts.append(f"{field}: {text}\r\n")
        parts.append("\r\n")
        head = "".join(parts)
        if not head.count("\r") == head.count("\n") == len(parts):
            raise SplitHead
        return head.encode("latin-1")

    return build


def _method_of(conf: ProxyConf, level: Level, cached: bool) -> Text:
    if conf.proxy_method is not None:
        return conf.proxy_method.bind(level.variables)
    if cached:
        return lambda r: "GET" if r.method == "HEAD" and converts_head(r) else r.method
    return lambda r: r.method


def converts_head(r: Request) -> bool:
    """Whether the cache turned a HEAD into a GET (proxy_cache_convert_head)."""
    return bool(r.contexts.get("proxy_cache_converts"))


def _all_fields(conf: ProxyConf, cached: bool) -> list[tuple[str, Template]]:
    """The level's own fields, then the defaults it does not name."""
    own = list(conf.set_headers)
    given = {name.lower() for name, _ in own}
    defaults = DEFAULTS + (CACHE_DEFAULTS if cached else ())
    return own + [(n, Template(v)) for n, v in defaults if n.lower() not in given]


def _fields(conf: ProxyConf, level: Level, cached: bool) -> list[tuple[str, Text]]:
    """The fields that can have a value, as "Name: " and its text; Host stands first."""
    found = [
        (f"{name}: ", value.bind(level.variables))
        for name, value in _all_fields(conf, cached)
        if value.text
    ]
    return sorted(found, key=lambda field: field[0].lower() != "host: ")
