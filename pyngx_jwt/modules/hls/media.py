"""What is read of films with PyAV (FFmpeg), and fragments of them; nothing is decoded or encoded.

Times are milliseconds.  Those of video are the times of decoding, from the first key frame on: they
are known without reading the film, and a fragment ends exactly where the next one begins.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from ...errors import Place
from ...extras import HLS, load
from ..mp4.atoms import Mp4Error, atoms
from .playlist import Cut

FORMAT = "mov"  # and no other: what is served is not what chooses how it is read
VIDEO, AUDIO = ("h264",), ("aac", "mp3", "mp3float")
LATER = 10  # seconds that are added to all times, of which some of the first frames are negative
# The library opens no other files than the one that it is given.
OPTIONS = {"enable_drefs": "0", "use_absolute_path": "0"}


class Unsuitable(Exception):
    """The film has nothing that can be streamed, for the log."""


class Limits(NamedTuple):
    """Bytes: of the description of a film, and of a fragment."""

    description: int
    fragment: int


class Outline(NamedTuple):
    """Where fragments of a film can begin, none if they can anywhere, and where it ends."""

    begins: list[int]
    duration: int


def library(place: Place) -> Any:
    """PyAV, for a directive.  Raises ConfError without it."""
    av = load('the "hls" directive', HLS, place)
    av.logging.set_level(None)  # what it says of broken films is in exceptions
    return av


def _encoding(av: Any) -> dict[str, str]:
    """That of texts in films, which are not looked at: one that is never wrong.  PyAV 19 takes all
    bytes, and has no such parameter."""
    is_old = int(av.__version__.partition(".")[0]) < 19
    return {"metadata_encoding": "latin-1"} if is_old else {}


def read(av: Any, fd: int, limits: Limits, work: Callable[[Media], bytes]) -> bytes:
    """Does something with a film, whose file is closed then; for a thread.

    Raises Mp4Error, Unsuitable and OSError."""
    try:
        with Media(av, fd, limits) as media:
            return work(media)
    except av.FFmpegError as error:
        raise Mp4Error(error.strerror) from None
    except (ArithmeticError, TypeError, ValueError) as error:  # numbers that make no sense
        raise Mp4Error(f"cannot be read: {error}") from None


class Media:
    """A film that is open for reading, until the end of a "with" block."""

    def __init__(self, av: Any, fd: int, limits: Limits) -> None:
        """Takes the file over."""
        self._av, self._limits = av, limits
        self._file = os.fdopen(fd, "rb")
        try:
            self._check_size()
            self._input = av.open(
                self._file,
                mode="r",
                format=FORMAT,
                options=OPTIONS,
                **_encoding(av),
            )
        except BaseException:
            self._file.close()
            raise
        streams = self._input.streams
        self._video = next((s for s in streams.video if _codec(s) in VIDEO), None)
        self._audio = next((s for s in streams.audio if _codec(s) in AUDIO), None)

    def __enter__(self) -> Media:
        if self._video is None and self._audio is None:
            self.__exit__()
            raise Unsuitable("no video in H.264 and no audio in AAC or MP3")
        return self

    def __exit__(self, *exception: object) -> None:
        self._input.close()
        self._file.close()

    def _check_size(self) -> None:
        fd = self._file.fileno()
        end = os.fstat(fd).st_size
        for atom in atoms(lambda at, size: os.pread(fd, size, at), 0, end):
            size = atom.end - atom.start
            if atom.name == b"moov" and size > self._limits.description:
                raise Mp4Error(
                    f"mp4 moov atom is too large:{size}, you may want to increase "
                    "hls_mp4_max_buffer_size"
                )

    def outline(self) -> Outline:
        """What a playlist needs to know; only the description of the film is read."""
        begins: list[int] = []
        video = self._video
        if video is not None:
            first = self._first()
            for entry in video.index_entries:
                if entry.is_keyframe:
                    begins.append(_milliseconds(entry.timestamp - first, video.time_base))
        duration = self._input.duration or 0  # microseconds
        return Outline(begins, (int(duration) + 500) // 1000)

    def _first(self) -> int:
        """When the first frame of the video is decoded."""
        entry = next(iter(self._video.index_entries), None) if self._video is not None else None
        return 0 if entry is None else int(entry.timestamp)

    def fragment(self, cut: Cut) -> bytes:
        """A part as a transport stream.  A start between key frames is that of the one before."""
        out = io.BytesIO()
        output = self._av.open(out, mode="w", format="mpegts", options={"mpegts_copyts": "1"})
        try:
            targets = {
                stream.index: output.add_stream_from_template(stream)
                for stream in (self._video, self._audio)
                if stream is not None
            }
            size = 0
            for packet in self._packets(cut):
                size += packet.size
                if size > self._limits.fragment:
                    raise Mp4Error("fragment is too large, you may want to increase hls_buffers")
                later = int(LATER / packet.time_base)
                packet.pts += later
                packet.dts += later
                packet.stream = targets[packet.stream.index]
                output.mux(packet)
        finally:
            output.close()
        return out.getvalue()

    def _packets(self, cut: Cut) -> Iterator[Any]:
        """Those of video from the key frame on, in their order, and of audio in the same time."""
        video, audio = self._video, self._audio
        key = max((at for at in self.outline().begins if at <= cut.start), default=0)
        begin = cut.start if video is None else key
        lead = video if video is not None else audio
        self._input.seek(self._position(lead, begin), stream=lead, backward=True)
        streams = [stream for stream in (video, audio) if stream is not None]
        reading = {stream.index for stream in streams}
        for packet in self._input.demux(streams):
            stream = packet.stream
            if packet.dts is None or packet.pts is None or stream.index not in reading:
                continue
            is_video = stream is video
            units = packet.dts - self._first() if is_video else packet.pts
            at = _milliseconds(units, packet.time_base)
            if at >= cut.end:
                reading.discard(stream.index)
                if not reading:
                    return
            elif at >= begin or (begin == 0 and not is_video):  # audio can begin before 0
                yield packet

    def _position(self, stream: Any, milliseconds: int) -> int:
        """In units of a stream.  What is found there is not after it, and can be long before:
        FFmpeg compares it with the times at which frames are shown, which are later."""
        first = self._first() if stream is self._video else 0
        return first + int((milliseconds + Fraction(1, 2)) / 1000 / stream.time_base)


def _codec(stream: Any) -> str:
    """Its name, "" if the library does not know it."""
    return "" if stream.codec_context is None else str(stream.codec_context.name)


def _milliseconds(units: int, base: Fraction) -> int:
    return int(units * base * 1000 + Fraction(1, 2))
