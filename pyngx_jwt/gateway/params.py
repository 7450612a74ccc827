"""CGI parameters that an upstream is sent."""

from __future__ import annotations

from functools import lru_cache

from ..http.level import Level
from ..http.request import Request
from ..http.template import Text
from ..upstream.reader import ResponseReader
from .cgi import CGI, HIDDEN
from .params_conf import HOST, Pair, ParamsConf, is_field, with_defaults
from .wire import AddressWire

CACHE_DEFAULTS = (
    ("HTTP_IF_MODIFIED_SINCE", "$upstream_cache_last_modified"),
    ("HTTP_IF_UNMODIFIED_SINCE", ""),
    ("HTTP_IF_NONE_MATCH", "$upstream_cache_etag"),
    ("HTTP_IF_MATCH", ""),
    ("HTTP_RANGE", ""),
    ("HTTP_IF_RANGE", ""),
)
MOST_NAMES = 1000  # of fields that are remembered with their parameters
_UPPER = {code: chr(code - 32) for code in range(ord("a"), ord("z") + 1)}
_VARIABLE = {**_UPPER, ord("-"): "_"}


class RequestParams:
    """The parameters of a location's requests (ngx_http_scgi_init_params)."""

    def __init__(self, conf: ParamsConf, level: Level, *, validates: bool) -> None:
        params = with_defaults(conf.params, HOST + CACHE_DEFAULTS if validates else HOST)
        # A parameter without a value takes the place of the client's field, and that is all.
        self.replaced = frozenset(p.name.translate(_UPPER) for p in params if is_field(p.name))
        self.texts: list[tuple[str, Text, bool]] = [
            (p.name, p.value.bind(level.variables), p.skips_empty)
            for p in params
            if p.value.text or not is_field(p.name)
        ]
        self.passes_fields = conf.pass_request_headers

    def pairs(self, r: Request) -> list[Pair]:
        """The parameters of a request, with the client's fields behind them."""
        pairs: list[Pair] = []
        for name, value, skips_empty in self.texts:
            text = value(r)
            if text or not skips_empty:
                pairs.append((name, text))
        return pairs + self._fields(r) if self.passes_fields else pairs

    def _fields(self, r: Request) -> list[Pair]:
        """Repeated fields are one; so are those that differ in "-" and "_" alone: no client can
        add a second parameter of a name to the one that is to be believed."""
        values: dict[str, str] = {}
        for field, text in r.headers_in:
            name = variable_of(field)
            if name in self.replaced:
                continue
            if name in values:
                mark = ";" if name == "HTTP_COOKIE" else ","
                text = f"{values[name]}{mark} {text}"
            values[name] = text
        return [*values.items()]


class ParamsWire(AddressWire):
    """What wires have in common that send parameters, and get the response of a CGI program."""

    takes_body = True
    upgrades = True

    def __init__(self, conf: ParamsConf, level: Level) -> None:
        super().__init__()
        self.hidden = HIDDEN
        self.kept: ResponseReader = CGI
        self._plain = RequestParams(conf, level, validates=False)
        caches = conf.zone is not None
        self._validating = RequestParams(conf, level, validates=True) if caches else self._plain

    def pairs(self, r: Request, *, validates: bool) -> list[Pair]:
        """The parameters of a request."""
        return (self._validating if validates else self._plain).pairs(r)


@lru_cache(MOST_NAMES)
def variable_of(field: str) -> str:
    """The parameter of a client's field: "HTTP_USER_AGENT"."""
    return f"HTTP_{field.translate(_VARIABLE)}"
