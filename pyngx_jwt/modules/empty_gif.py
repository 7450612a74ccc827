"""Returns a transparent image of one pixel."""

from __future__ import annotations

from ..conf.directive import Conf, directive, own
from ..http.contexts import LOCATION
from ..http.level import Level
from ..http.module import Module
from ..http.request import Handler, Request, Status

MODIFIED = 23349600  # seconds; what nginx says its picture's age is
PICTURE = (
    b"GIF89a\1\0\1\0\x80\1\0"  # one pixel, a colour table of one bit
    b"\0\0\0\xff\xff\xff"  # black, white
    b"\x21\xf9\4\1\0\0\1\0"  # colour 1 is transparent
    b"\x2c\0\0\0\0\1\0\1\0\0"  # the picture is all of the screen
    b"\2\2\x4c\1\0"  # its data: clear, 1, end
    b"\x3b"
)


class EmptyGifConf(Conf):
    _on = own(False)

    @directive(LOCATION)
    def empty_gif(self) -> None:
        """Returns a transparent image of one pixel for requests in this location."""
        self._on = True


empty_gif = Module("empty_gif", EmptyGifConf)
empty_gif.answers_in_limit_except = False


@empty_gif.content
def send_picture(conf: EmptyGifConf, level: Level) -> Handler | None:
    return handle if conf._on else None


def handle(r: Request) -> Status:
    if r.method not in ("GET", "HEAD"):
        return 405
    r.last_modified = MODIFIED
    return r.respond(200, PICTURE, "image/gif")
