"""Streams MP4 and MOV files by HTTP Live Streaming (HLS).

For a file `film.mp4`, `film.mp4.m3u8` is a playlist, and `film.mp4.ts` its fragments, with video in
H.264 and audio in AAC or MP3; nothing is encoded.  It needs the package PyAV: `pip install
'pyngx-jwt[hls]'`.  Films are read in threads.  A film that cannot be read is answered with 500, and
one without such video or audio with 415.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...conf.directive import Conf, accepted, buffers, directive, flag, own, size, time
from ...http.contexts import EVERYWHERE, LOCATION
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import Handler, Request, Status
from ...http.uri import escape_uri
from ...log import Severity, fault_text
from ..core import CoreConf
from ..files import OpenedFile, bind_files, bind_media
from ..mp4.atoms import Mp4Error
from .playlist import Cut, Wanted, cuts, forwarded, playlist, wanted

if TYPE_CHECKING:
    from .media import Media

PLAYLIST, FRAGMENT = ".m3u8", ".ts"
TYPES = {PLAYLIST: "application/vnd.apple.mpegurl", FRAGMENT: "video/mp2t"}
SHORTEST = 100  # milliseconds of a fragment that a client may ask for


class HlsConf(Conf):
    _on = own(False)

    @directive(LOCATION)
    def hls(self) -> None:
        """Serves playlists (".m3u8") and fragments (".ts") of films.  The arguments "start" and
        "end" of a playlist limit it to a part of the film, "len" is the length of fragments, and
        "offset" where a player begins, all in seconds.  Other URIs are left to other handlers."""
        self._on = True

    hls_buffers = buffers(
        (8, 2 << 20),
        EVERYWHERE,
        "Limits the size of a fragment, to that of all these buffers together. A larger one is "
        "answered with 500.",
        shown="8 2m",
    )
    hls_forward_args = flag(
        False,
        EVERYWHERE,
        "Adds the arguments of a request for a playlist to the URIs of its fragments, for example "
        'those of "secure_link".',
    )
    hls_fragment = time(
        5.0,
        EVERYWHERE,
        "Sets the length of fragments. Each ends at the next key frame after it.",
        shown="5s",
    )
    hls_mp4_buffer_size = accepted(
        EVERYWHERE,
        "the description of a film is read as a whole",
        like=size(512 << 10, EVERYWHERE, "", shown="512k"),
    )
    hls_mp4_max_buffer_size = size(
        10 << 20,
        EVERYWHERE,
        "Limits the size of the description of a film (its moov atom). A film with a larger one "
        "is answered with 500.",
        shown="10m",
    )


hls = Module("hls", HlsConf)


@hls.handler(Phase.CONTENT)
def serve_hls(conf: HlsConf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    from .media import Limits, Unsuitable, library, read  # which takes time to import

    av = library(level.set_by("hls")[-1])
    core, location = level[CoreConf], level.location
    assert location is not None
    path_of = location.path_of
    opened = bind_media(
        lambda r: path_of(r).removesuffix(_suffix(r)), bind_files(level), core.log_not_found
    )
    count, length = conf.hls_buffers
    limits = Limits(conf.hls_mp4_max_buffer_size, count * length)
    fragment = max(int(conf.hls_fragment * 1000), SHORTEST)

    def work_of(r: Request) -> Callable[[Media], bytes]:
        span = wanted(r.args)
        if r.uri.endswith(FRAGMENT):
            return lambda media: _fragment(media, span)
        name = escape_uri(r.uri.rpartition("/")[2].removesuffix(PLAYLIST)) + FRAGMENT
        name = f"./{name}" if ":" in name else name  # which would end a scheme
        args = forwarded(r.args) if conf.hls_forward_args else ""
        return lambda media: _playlist(media, span, name, args, fragment)

    async def answer(r: Request, file: OpenedFile) -> Status:
        work = work_of(r)
        try:
            # which closes the file, even if the client has left
            data = await asyncio.shield(asyncio.to_thread(read, av, file.fd, limits, work))
        except Unsuitable as error:
            r.log(Severity.ERR, f'"{file.path}" {error}')
            return 415
        except (Mp4Error, OSError) as error:
            text = fault_text(error)
            r.log(Severity.ERR, f'"{file.path}" {text}')
            return 500
        r.last_modified = int(file.info[stat.ST_MTIME])
        return r.respond(200, data, TYPES[_suffix(r)])

    def handle(r: Request) -> Any:
        if not _suffix(r):
            return None
        file = opened(r)
        if file is None or isinstance(file, int):
            return file
        return answer(r, file)

    return handle


def _suffix(r: Request) -> str:
    """Of the URI, "" if it is neither a playlist nor a fragment."""
    return next((suffix for suffix in TYPES if r.uri.endswith(suffix)), "")


def _playlist(media: Media, span: Wanted, name: str, args: str, length: int) -> bytes:
    outline = media.outline()
    fragments = list(cuts(outline.begins, outline.duration, span, _length(span, length)))
    return playlist(fragments, name, args, span.offset).encode("latin-1")


def _length(span: Wanted, length: int) -> int:
    return length if span.length is None else max(span.length, SHORTEST)


def _fragment(media: Media, span: Wanted) -> bytes:
    start = span.start or 0
    end = media.outline().duration if span.end is None else span.end
    return media.fragment(Cut(start, max(start, end)))
