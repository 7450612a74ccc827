"""Runs an action after a response; part of nginx's core module."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ..conf.directive import Conf, directive
from ..http.contexts import EVERYWHERE, LOCATION_IF
from ..http.engine import run
from ..http.level import Level
from ..http.module import Module
from ..http.request import HeaderFilter, Request
from ..http.subrequest import clone


class PostActionConf(Conf):
    uri = ""

    @directive(EVERYWHERE | LOCATION_IF, default="off", syntax="post_action uri | @name | off")
    def post_action(self, uri: str) -> None:
        """Requests a URI or a named location when the response has been sent, for example to report
        a download to an application.  The response is dropped.  Unlike in nginx, the request is
        logged as the client has sent it."""
        self.once("uri", "post_action")
        self.uri = "" if uri == "off" else uri


post_action = Module("post_action", PostActionConf)


@post_action.header_filter
def act_later(conf: PostActionConf, level: Level) -> HeaderFilter | None:
    if not conf.uri:
        return None
    uri = conf.uri

    def filter_header(r: Request) -> None:
        if r.parent is None and not r.in_background:
            r.background += (PostAction(r, uri),)

    return filter_header


class PostAction:
    """What is awaited after the response."""

    def __init__(self, r: Request, uri: str) -> None:
        self._r, self._uri = r, uri

    def __await__(self) -> Generator[Any, None, None]:
        return self._run().__await__()

    async def _run(self) -> None:
        action = clone(self._r)
        if self._uri.startswith("@"):
            rc = action.go_named(self._uri)
        else:
            path, _, args = self._uri.partition("?")
            rc = action.redirect(path, args)
        await run(action, rc)
