"""Requests to HTTP/1 upstreams: method, URI, headers (ngx_http_proxy_create_request)."""

from __future__ import annotations

from collections.abc import Mapping

from ...gateway.answer import ACCEL, Copy
from ...gateway.fields import Defaults, Fields, compile_fields, join_lines
from ...gateway.wire import KEY, Outgoing, UnwritableRequest, Wire
from ...http.level import Level
from ...http.request import Request
from ...http.template import Text
from ...http.uri import escape_uri
from ...http.variables import Getter
from ...upstream.address import Url
from ...upstream.client import PeerConnection
from ...upstream.reader import HTTP1, ResponseReader
from .conf import SCHEMES, ProxyConf
from .cookies import compile_cookies
from .redirects import compile_redirects

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
HIDDEN = ACCEL | {"date", "server", "x-pad"}


class ProxyVars:
    """What the proxied URL comes to for a request; $proxy_host and $proxy_port are parts of it."""

    __slots__ = ("from_variables", "host_header", "key_host", "port", "scheme", "uri")

    def __init__(
        self,
        scheme: str,
        host_header: str,
        port: str,
        uri: str,
        from_variables: bool,
        key_host: str,
    ) -> None:
        self.scheme, self.host_header, self.port, self.uri = scheme, host_header, port, uri
        self.from_variables = from_variables
        self.key_host = key_host  # as the default key of the cache tells it


class HttpWire(Wire):
    """HTTP/1 as a location speaks it to its upstream."""

    uri_part = True
    whole_heads = True
    takes_body = True
    streams_unknown_length = True
    upgrades = True

    def __init__(self, conf: ProxyConf, level: Level) -> None:
        self.conf = conf
        self.schemes, self.hidden = SCHEMES, HIDDEN
        self.kept: ResponseReader = HTTP1
        self.connection: type[PeerConnection] = PeerConnection
        self.special: Mapping[str, Copy] = {
            **compile_redirects(conf, level),
            "set-cookie": compile_cookies(conf, level),
        }
        variables = level.variables
        body = conf.proxy_set_body
        self.own_body: Text | None = body.bind(variables) if body else None
        self.method = conf.proxy_method.bind(variables) if conf.proxy_method else None
        self.plain = self.compile(level, DEFAULTS)
        caches = conf.zone is not None
        self.validating = self.compile(level, DEFAULTS + CACHE_DEFAULTS) if caches else self.plain
        target = conf.target
        assert target is not None
        self.location = target.location
        self.version = f" HTTP/{conf.proxy_http_version}"

    def compile(self, level: Level, defaults: Defaults) -> Fields:
        """The fields of requests."""
        host = _host if self.conf.proxy_http_version == "1.1" else None
        return compile_fields(self.conf.set_headers, defaults, level, OWN, host)

    def describe(self, scheme: str, url: Url, *, from_variables: bool) -> ProxyVars:
        """The parts that $proxy_host, $proxy_port and the request line need."""
        port = str(SCHEMES[scheme].port)
        if url.text.startswith("unix:"):
            key_host = f"unix:{url.host}:"
            return ProxyVars(scheme, "localhost", "", url.uri, from_variables, key_host)
        uri = url.uri
        if uri.startswith("?"):
            uri = "/" + uri
        if url.no_port or str(url.port) == port:
            return ProxyVars(scheme, url.host, port, uri, from_variables, url.host)
        host = f"{url.host}:{url.port}"
        return ProxyVars(scheme, host, str(url.port), uri, from_variables, host)

    def key(self, r: Request, out: Outgoing) -> str:
        vars: ProxyVars = out.vars
        return f"{vars.scheme}://{vars.key_host}{build_uri(r, vars, self.location)}"

    def build(self, r: Request, out: Outgoing, *, validates: bool) -> bytes:
        """The head of the request; raises UnwritableRequest."""
        vars: ProxyVars = out.vars
        out.scheme, out.uri = vars.scheme, build_uri(r, vars, self.location)
        if not out.uri:
            raise UnwritableRequest("zero length URI to proxy")
        if self.method is not None:
            method = self.method(r)
        elif validates and r.method == "HEAD" and converts_head(r):
            method = "GET"
        else:
            method = r.method
        out.is_head = method == "HEAD"
        fields = self.validating if validates else self.plain
        parts = self.start(r, out, method)
        fields.write(r, parts, passes=self.conf.pass_request_headers)
        return self.join(parts)

    def start(self, r: Request, out: Outgoing, method: str) -> list[str]:
        """The lines before the fields."""
        return [f"{method} {out.uri}{self.version}"]

    def join(self, lines: list[str]) -> bytes:
        return join_lines(lines)

    def lines(self, head: bytes) -> list[str]:
        return head.decode("latin-1").split("\r\n")

    def address(self, out: Outgoing) -> str:
        return f"{out.vars.scheme}://{out.vars.key_host}"

    def host(self, out: Outgoing) -> str:
        name: str = out.vars.host_header
        return name

    def frame(self, out: Outgoing, data: bytes, *, last: bool) -> bytes:
        """Chunks, where the length is not known."""
        if not out.chunked:
            return data
        data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return data + b"0\r\n\r\n" if last else data


def build_uri(r: Request, vars: ProxyVars, location: str) -> str:
    """The URI of the request; "" is an error."""
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


def converts_head(r: Request) -> bool:
    """Whether the cache turned a HEAD into a GET (proxy_cache_convert_head)."""
    return bool(r.contexts.get("cache_converts"))


def _host(r: Request) -> str:
    out: Outgoing = r.contexts[KEY]
    vars: ProxyVars = out.vars
    return vars.host_header


def _body_length(r: Request) -> str | None:
    out: Outgoing = r.contexts[KEY]
    return str(out.body_length) if out.body_length >= 0 else None


def _chunked(r: Request) -> str | None:
    out: Outgoing = r.contexts[KEY]
    return "chunked" if out.chunked else None


OWN: dict[str, Getter] = {  # of the request that is written, with no step through the variables
    "$proxy_host": _host,
    "$proxy_internal_body_length": _body_length,
    "$proxy_internal_chunked": _chunked,
}
