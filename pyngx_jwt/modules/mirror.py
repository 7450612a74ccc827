"""Mirrors requests: makes background subrequests and ignores their answers."""

from __future__ import annotations

from ..conf.directive import EVERYWHERE, Conf, directive, flag
from ..errors import ConfError
from ..http.body import read_body
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.subrequest import start_subrequest


class MirrorConf(Conf):
    uris: tuple[str, ...] | None = ()  # None is "off"

    @directive(EVERYWHERE, default="off", syntax="mirror uri | off")
    def mirror(self, uri: str) -> None:
        """Sets the URI that requests are mirrored to; several can be given on a level."""
        uris = vars(self).get("uris", ())
        if uris is None or (uri == "off" and uris):
            raise ConfError('"mirror" directive is duplicate')
        self.uris = None if uri == "off" else (*uris, uri)

    mirror_request_body = flag(True, EVERYWHERE, "Reads the request body first and mirrors it too.")


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
