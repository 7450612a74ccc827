"""Sends Flash Video files from the position that a client asks for (pseudo-streaming)."""

from __future__ import annotations

from collections.abc import Awaitable

from ..conf.directive import Conf, directive, own
from ..conf.values import parse_number
from ..http.contexts import LOCATION
from ..http.files import describe_file, send_file
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..http.uri import find_argument
from .core import CoreConf
from .files import bind_files, bind_media

HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"  # of a file with sound and pictures


class FlvConf(Conf):
    _on = own(False)

    @directive(LOCATION)
    def flv(self) -> None:
        """Sends files from the byte that the argument "start" names, with the header of the format
        before it."""
        self._on = True


flv = Module("flv", FlvConf)


@flv.handler(Phase.CONTENT)
def serve_flv(conf: FlvConf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    core, location = level[CoreConf], level.location
    assert location is not None
    opened = bind_media(location.path_of, bind_files(level), core.log_not_found)
    has_etag = core.etag

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        file = opened(r)
        if file is None or isinstance(file, int):
            return file
        size = file.info.st_size
        start = _start(r, size)
        describe_file(r, file.info, has_etag)
        prefix = HEADER if start else b""
        r.content_length = len(prefix) + size - start
        return send_file(r, file.fd, size, file.path, prefix=prefix, start=start)

    return handle


def _start(r: Request, size: int) -> int:
    """0 if the argument makes no sense."""
    try:
        start = parse_number(find_argument(r.args, "start") or "")
    except ValueError:
        return 0
    return start if start < size else 0
