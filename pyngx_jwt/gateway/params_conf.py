"""The parameters of CGI as directives set them: "scgi_param" and its like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from ..conf.directive import Declaration, bitmask, directive
from ..errors import ConfError
from ..http.contexts import EVERYWHERE
from ..http.template import Template
from .cache_conf import CachedConf
from .conf import AddressConf, SentHeader

FAILURES = (
    *("error", "timeout", "denied", "invalid_header", "non_idempotent", "http_500", "http_503"),
    *("http_403", "http_404", "http_429", "updating", "off"),
)
HOST = (("HTTP_HOST", "$host$is_request_port$request_port"),)

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
            if is_field(name):
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


def is_field(name: str) -> bool:
    """Whether a parameter is that of a field of the client."""
    return name.startswith("HTTP_") and len(name) > 5
