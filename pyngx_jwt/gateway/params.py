"""CGI parameters: what "scgi_param" and its like say, and what an upstream is sent of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import ClassVar, NamedTuple

from ..conf.directive import Declaration, bitmask, directive
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.request import Request
from ..http.template import Template, Text
from ..upstream.reader import ResponseReader
from .cache_conf import CachedConf
from .cgi import CGI, HIDDEN
from .conf import AddressConf, SentHeader
from .wire import AddressWire

FAILURES = (
    *("error", "timeout", "denied", "invalid_header", "non_idempotent", "http_500", "http_503"),
    *("http_403", "http_404", "http_429", "updating", "off"),
)
HOST = (("HTTP_HOST", "$host$is_request_port$request_port"),)
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

Pair = tuple[str, str]


class Param(NamedTuple):
    """One parameter of a request."""

    name: str
    value: Template
    skips_empty: bool = False  # it is not sent without a value


class ParamsConf(AddressConf, CachedConf):
    """Of protocols that hand an application the parameters of CGI."""

    shared: ClassVar[dict[str, Declaration]] = {}
    set_by = "param"
    bound_below = frozenset({"params"})
    params: tuple[Param, ...] = ()

    cache_use_stale = bitmask(
        frozenset(),
        FAILURES,
        EVERYWHERE,
        "Sets the conditions under which a stale response is served: errors and codes of the "
        'upstream, or "updating" while another request refreshes it. The same entry can also be'
        " served because of stale-if-error or stale-while-revalidate in Cache-Control.",
        "off",
    )
    next_upstream = bitmask(
        frozenset({"error", "timeout"}),
        FAILURES,
        EVERYWHERE,
        "Sets the errors and responses after which a request is passed to the next server. "
        '"not_found" is a missing key.',
        "error timeout",
    )

    @directive(
        EVERYWHERE,
        default=" ".join(HOST[0]),
        syntax="{name} parameter value [if_not_empty]",
    )
    def param(self, parameter: str, value: str, if_not_empty: str | None = None) -> None:
        """Sets a parameter of requests, with "if_not_empty" only where it has a value.  Fields of
        the client are passed as HTTP_NAME, except those of which such a parameter is set.
        Inherited if and only if none is set on this level."""
        if if_not_empty not in (None, "if_not_empty"):
            raise ConfError(f'invalid parameter "{if_not_empty}"')
        others = vars(self).get("params", ())
        param = Param(parameter, Template(value), if_not_empty is not None)
        self.params = (*others, param)

    @property
    def fields(self) -> Iterable[SentHeader]:
        """The parameters that are called HTTP_NAME."""
        for name, value, _ in self.params:
            if _is_field(name):
                yield SentHeader(name[5:].lower().replace("_", "-"), name, value)

    @property
    def sent(self) -> Iterable[Template | None]:
        """The values of parameters."""
        return (param.value for param in with_defaults(self.params, HOST))


def with_defaults(params: Sequence[Param], defaults: Sequence[Pair]) -> list[Param]:
    """The parameters of a level, and the defaults that it does not name."""
    given = {param.name.lower() for param in params}
    missing = [(name, value) for name, value in defaults if name.lower() not in given]
    return [*params, *(Param(name, Template(value), True) for name, value in missing)]


class RequestParams:
    """The parameters of a location's requests (ngx_http_scgi_init_params)."""

    def __init__(self, conf: ParamsConf, level: Level, *, validates: bool) -> None:
        params = with_defaults(conf.params, HOST + CACHE_DEFAULTS if validates else HOST)
        # A parameter without a value takes the place of the client's field, and that is all.
        self.replaced = frozenset(p.name.translate(_UPPER) for p in params if _is_field(p.name))
        self.texts: list[tuple[str, Text, bool]] = [
            (p.name, p.value.bind(level.variables), p.skips_empty)
            for p in params
            if p.value.text or not _is_field(p.name)
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

    hidden = HIDDEN
    takes_body = True
    upgrades = True
    kept: ResponseReader = CGI

    def __init__(self, conf: ParamsConf, level: Level) -> None:
        self._plain = RequestParams(conf, level, validates=False)
        caches = conf.zone is not None
        self._validating = RequestParams(conf, level, validates=True) if caches else self._plain

    def pairs(self, r: Request, *, validates: bool) -> list[Pair]:
        """The parameters of a request."""
        return (self._validating if validates else self._plain).pairs(r)


def _is_field(name: str) -> bool:
    return name.startswith("HTTP_") and len(name) > 5


@lru_cache(MOST_NAMES)
def variable_of(field: str) -> str:
    """The parameter of a client's field: "HTTP_USER_AGENT"."""
    return f"HTTP_{field.translate(_VARIABLE)}"
