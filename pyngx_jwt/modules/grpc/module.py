"""The module: its content handler and its variable."""

from __future__ import annotations

from ...http.level import Level
from ...http.module import Module
from ...http.request import Handler, Request
from ..upstream import pass_to
from .conf import GrpcConf

grpc = Module("grpc", GrpcConf)


@grpc.upstream_content
def pass_request(conf: GrpcConf, level: Level) -> Handler | None:
    """The content handler of a location with grpc_pass."""
    if not conf.target:
        return None
    from .wire import GrpcWire  # which takes time to import

    return pass_to(conf, level, GrpcWire(conf, level))


@grpc.variable("grpc_internal_trailers")
def grpc_internal_trailers(r: Request) -> str | None:
    """ "trailers" if the client accepts trailers; used for the default TE."""
    return "trailers" if "trailers" in (r.first_line("te") or "").lower() else None
