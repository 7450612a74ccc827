"""Mirrors requests: makes background subrequests and ignores their responses."""

from __future__ import annotations

from ..conf.directive import Conf, directive, flag
from ..errors import ConfError
from ..http.body import read_body
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.subrequest import start_subrequest


class MirrorConf(Conf):
    uris: tuple[str, ...] | None = ()  # None is "off"

    @directive(EVERYWHERE, default="off", syntax="mirror uri | off")
    def mirror(self, uri: str) -> None:
        """Sends a copy of each request to the URI, with a background subrequest whose response is
        ignored.  Several can be set on a level.  The copy contains the token; remove it in the
        mirror location if it is not needed."""
        uris = vars(self).get("uris", ())
        if uris is None or (uri == "off" and uris):
            raise ConfError('"mirror" directive is duplicate')
        self.uris = None if uri == "off" else (*uris, uri)

    mirror_request_body = flag(
        True,
        EVERYWHERE,
        "Mirrors the request body too. It is then read completely before the request is processed.",
    )


mirror = Module("mirror", MirrorConf)


@mirror.handler(Phase.PRECONTENT)
def mirror_request(conf: MirrorConf, level: Level) -> Handler | None:
    uris, with_body = conf.uris, conf.mirror_request_body
    if not uris:
        return None

    async def handle(r: Request) -> Status | None:
        if r.parent is None:
            if with_body:
                await read_body(r)
            for uri in uris:
                start_subrequest(r, uri, r.args, method=r.method)
        return None

    return handle
