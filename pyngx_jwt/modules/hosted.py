"""Passes requests to a Python application in the same process.

The application is the ASGI application, of FastAPI or Starlette for example, that was given to
`pyngx_jwt.asgi.application`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..conf.directive import Conf, directive, own
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.contexts import LOCATION
from ..http.level import Level
from ..http.module import Module
from ..http.request import Handler, Request, Status


class Hosted:
    """The application of a configuration, if there is one."""

    def __init__(self) -> None:
        self.call: Callable[[Request], Awaitable[Status]] | None = None
        self.wanted = False


class HostedConf(Conf):
    _on = own(False)

    @directive(LOCATION)
    def pyngx_app(self) -> None:
        """Passes requests of this location to the ASGI application that was given to
        `pyngx_jwt.asgi.application`.  It gets the request with the URI and headers as they are
        then: "more_set_input_headers" sets headers from claims of a token.  Without an
        application, the server does not start."""
        self._on = True
        self.scope.shared(Hosted).wanted = True


hosted = Module("hosted", HostedConf)


@hosted.starts
def check_application(scope: Scope) -> None:
    application = scope.shared(Hosted)
    if application.wanted and application.call is None:
        raise ConfError(
            '"pyngx_app" needs an application: serve the configuration with pyngx_jwt.asgi'
        ).nowhere()


@hosted.content
def pass_to_application(conf: HostedConf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    application = level.scope.shared(Hosted)

    async def handle(r: Request) -> Status:
        return 500 if application.call is None else await application.call(r)

    return handle
