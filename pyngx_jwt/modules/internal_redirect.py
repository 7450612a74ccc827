"""Redirects requests internally once they have passed limits and access checks."""

from __future__ import annotations

from ..conf.directive import Conf, directive
from ..http.contexts import LOCATION, SERVER
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.template import Template


class InternalRedirectConf(Conf):
    uri: Template | None = None

    @directive(SERVER | LOCATION, syntax="internal_redirect uri | @name")
    def internal_redirect(self, uri: str) -> None:
        """Redirects requests internally to a URI or a named location, after the access checks of
        this location: unlike "rewrite", "return" and "try_files" it can use the claims of a token
        that has been verified.  The value can contain variables; an empty one does not redirect."""
        self.once("uri", "internal_redirect")
        self.uri = Template(uri)


internal_redirect = Module("internal_redirect", InternalRedirectConf)


@internal_redirect.handler(Phase.PRECONTENT)
def redirect(conf: InternalRedirectConf, level: Level) -> Handler | None:
    if conf.uri is None:
        return None
    text = conf.uri.bind(level.variables)

    def handle(r: Request) -> Status | None:
        uri = text(r)
        if not uri:
            return None
        if uri.startswith("@"):
            return r.go_named(uri)
        path, _, args = uri.partition("?")
        return r.redirect(path, args or r.args)

    return handle
