"""Passes requests to gRPC servers.

Clients of gRPC speak HTTP/2; requests of HTTP/1 are passed on as well.  Bodies are passed on
as they arrive, in both directions at once, with trailers.  An address in "grpc_pass" can start with
"grpc://", or with "grpcs://" for TLS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ...conf.directive import Declaration, bitmask, directive
from ...gateway.conf import (
    NEXT,
    NEXT_UPSTREAM,
    AddressConf,
    HiddenHeadersConf,
    SentHeader,
    TlsConf,
)
from ...gateway.scheme import Scheme
from ...http.contexts import EVERYWHERE
from ...http.template import Template

FAILURES = tuple(word for word in NEXT if word != "denied")


class GrpcConf(HiddenHeadersConf, TlsConf, AddressConf, prefix="grpc"):
    schemes: ClassVar[Mapping[str, Scheme]] = {
        "": Scheme(0),
        "grpc": Scheme(0),
        "grpcs": Scheme(0, tls=True),
    }
    shared: ClassVar[dict[str, Declaration]] = {}
    set_by = "set_header"
    bound_below = frozenset({"set_headers"})
    buffering = request_buffering = False
    pass_trailers = True
    set_headers: tuple[tuple[str, Template], ...] = ()

    next_upstream = bitmask(
        frozenset({"error", "timeout"}), FAILURES, EVERYWHERE, NEXT_UPSTREAM, "error timeout"
    )

    @directive(EVERYWHERE, default="Content-Length $content_length")
    def set_header(self, field: str, value: str) -> None:
        """Sets a header of requests to the upstream, or removes the client's if the value is empty.
        Inherited if and only if the level has none of its own.  By default, Content-Length is the
        client's and TE is "trailers" if the client sent that; "Host" is sent as ":authority",
        which otherwise is the address in "grpc_pass".  Unlike in nginx, a line break in a value is
        an error (500)."""
        others = vars(self).get("set_headers", ())
        self.set_headers = (*others, (field, Template(value)))

    @property
    def fields(self) -> Iterable[SentHeader]:
        """Those of grpc_set_header."""
        return (SentHeader(name.lower(), name, value) for name, value in self.set_headers)

    @property
    def sent(self) -> Iterable[Template | None]:
        """The values of fields."""
        return (value for _, value in self.set_headers)
