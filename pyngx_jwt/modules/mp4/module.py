"""Sends MP4 files from and to a time that the client asks for (pseudo-streaming).

The arguments "start" and "end" are seconds, as in `/film.mp4?start=238.88&end=555.55`.  The file
needs not be prepared: its description is sent first in any case.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable

from ...conf.directive import Conf, accepted, directive, flag, own, size, slot, time
from ...errors import ConfError
from ...http.contexts import EVERYWHERE, LOCATION
from ...http.digits import number_of
from ...http.files import describe_file, send_file
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.request import Handler, Request, Status
from ...http.uri import find_argument
from ...log import Severity, fault_text
from ..core import CoreConf
from ..files import OpenedFile, bind_files, bind_media
from .atoms import Mp4Error
from .film import Film, Limits
from .track import Span

LATEST = 2**63 - 1
AFTER = "mp4_limit_rate_after"  # in r.contexts: what is sent before a rate applies, bytes
_FACTOR = re.compile(r"[0-9]++(?:\.[0-9]++)?")
_SECONDS = re.compile(r"(?=.)([0-9]*+)\.?([0-9]*+)\Z")


def _factor(name: str, text: str) -> float:
    """A multiple of the rate at which a film plays, 0 for any rate."""
    if text in ("on", "off"):
        return 1.1 if text == "on" else 0.0
    if not _FACTOR.fullmatch(text):
        raise ConfError(f'invalid value "{text}" in "{name}" directive')
    return float(text)


class Mp4Conf(Conf):
    _on = own(False)

    @directive(LOCATION)
    def mp4(self) -> None:
        """Sends the part of a film between the arguments "start" and "end", in seconds."""
        self._on = True

    mp4_buffer_size = accepted(
        EVERYWHERE,
        "the description of a film is read as a whole",
        like=size(512 << 10, EVERYWHERE, "", shown="512k"),
    )
    mp4_max_buffer_size = size(
        10 << 20,
        EVERYWHERE,
        "Limits the size of the description of a film (its moov atom). A film with a larger one "
        "is answered with 500.",
        shown="10m",
    )
    mp4_start_key_frame = flag(
        False,
        EVERYWHERE,
        "Begins with a key frame. If the start is not one, the part between the key frame and the "
        "start is hidden by an edit list, which most players understand.",
    )

    mp4_limit_rate: float = slot(
        0.0,
        _factor,
        EVERYWHERE,
        "Limits the rate of a response to the average rate at which the film plays, multiplied by "
        'the factor; "on" is 1.1. A client with several connections gets a multiple of it.',
        syntax="on | off | factor",
        shown="off",
    )
    mp4_limit_rate_after = time(
        60,
        EVERYWHERE,
        'Sets how much of a film, in playing time, is sent before "mp4_limit_rate" applies.',
        shown="60s",
    )


mp4 = Module("mp4", Mp4Conf)


@mp4.handler(Phase.CONTENT)
def serve_mp4(conf: Mp4Conf, level: Level) -> Handler | None:
    if not conf._on:
        return None
    core, location = level[CoreConf], level.location
    assert location is not None
    opened = bind_media(location.path_of, bind_files(level), core.log_not_found)
    limits = Limits(conf.mp4_max_buffer_size, conf.mp4_start_key_frame)
    factor, after = conf.mp4_limit_rate, conf.mp4_limit_rate_after
    if factor:
        location.limit_rate_after = _after_or(location.limit_rate_after)

    def describe(r: Request, file: OpenedFile) -> None:
        describe_file(r, file.info, core.etag)

    def handle(r: Request) -> Awaitable[Status] | Status | None:
        file = opened(r)
        if file is None or isinstance(file, int):
            return file
        if factor and r.limit_rate is None:
            return paced(r, file)
        return send(r, file)

    def send(r: Request, file: OpenedFile) -> Awaitable[Status] | Status:
        span = wanted(r.args)
        if span is not None:
            return _send_part(r, file, span, limits, describe)
        describe(r, file)
        return send_file(r, file.fd, file.info.st_size, file.path)

    async def paced(r: Request, file: OpenedFile) -> Status:
        try:
            rate = await asyncio.to_thread(Film(file.fd, file.info.st_size).rate, limits.most)
        except (Mp4Error, OSError):  # what is wrong is reported where the film is cut
            rate = 0.0
        except BaseException:
            os.close(file.fd)
            raise
        if rate:
            r.limit_rate, r.contexts[AFTER] = max(1, int(rate * factor)), int(rate * after)
        sent = send(r, file)
        return sent if isinstance(sent, int) else await sent

    return handle


def _after_or(of_location: Callable[[Request], int] | None) -> Callable[[Request], int]:
    """What is sent of a film before its rate is limited, of other responses what "limit_rate_after"
    says."""

    def after(r: Request) -> int:
        known: int | None = r.contexts.get(AFTER)
        if known is not None:
            return known
        return of_location(r) if of_location is not None else 0

    return after


def wanted(args: str) -> Span | None:
    """The part that the arguments ask for, None if they do not."""
    start, end = _milliseconds(args, "start"), _milliseconds(args, "end")
    length = 0
    if end:
        start = start or 0
        length = max(end - start, 0)
    return None if start is None else Span(start, length)


def _milliseconds(args: str, name: str) -> int | None:
    """A number of seconds, whose fraction may have any number of digits."""
    match = _SECONDS.match(find_argument(args, name) or "")
    if match is None:
        return None
    value = number_of(match[1]) * 1000 + int(match[2][:3].ljust(3, "0"))
    return value if value <= LATEST else None


async def _send_part(
    r: Request,
    file: OpenedFile,
    span: Span,
    limits: Limits,
    describe: Callable[[Request, OpenedFile], None],
) -> Status:
    film = Film(file.fd, file.info.st_size)
    try:
        part = await asyncio.to_thread(film.part, span, limits)
    except (Mp4Error, OSError) as error:
        os.close(file.fd)
        told = fault_text(error)
        r.log(Severity.ERR, f'{told} in "{file.path}"')
        return 500
    except BaseException:
        os.close(file.fd)
        raise
    describe(r, file)
    r.single_range = True
    if part is None:
        sent = send_file(r, file.fd, file.info.st_size, file.path)
    else:
        r.content_length = len(part.beginning) + part.end - part.start
        sent = send_file(r, file.fd, part.end, file.path, prefix=part.beginning, start=part.start)
    return sent if isinstance(sent, int) else await sent
