"""A part of a film as a file of its own (ngx_http_mp4_process)."""

from __future__ import annotations

import os
from typing import NamedTuple

from .atoms import Atom, Mp4Error, atom, atoms, media_time
from .track import Span, Track

LARGEST_FTYP = 1024
INNER = {
    b"trak": {b"tkhd", b"mdia"},
    b"mdia": {b"mdhd", b"hdlr", b"minf"},
    b"minf": {b"vmhd", b"smhd", b"dinf", b"stbl"},
    b"stbl": {b"stsd", b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco", b"co64"},
}


class Limits(NamedTuple):
    """What a location says of the description of a film, in bytes."""

    most: int
    key_frames: bool


class Part(NamedTuple):
    """What is sent: a new beginning, and data of the file."""

    beginning: bytes
    start: int
    end: int


class Film:
    """What is known of a file."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size = fd, size
        self.ftyp: Atom | None = None
        self.moov: Atom | None = None
        self.mdat: Atom | None = None

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def rate(self, most: int) -> float:
        """The bytes of a second of it, 0 if its length is not known.  Raises Mp4Error, OSError."""
        self._survey(most)
        if self.moov is None:
            return 0.0
        for found in atoms(self.read, self.moov.start, self.moov.end):
            if found.name == b"mvhd":
                data = self.read(found.start, found.end - found.start)
                field = media_time(data, "mvhd")
                scale, duration = field.timescale(data), field.duration(data)
                return self.size * scale / duration if duration else 0.0
        return 0.0

    def part(self, span: Span, limits: Limits) -> Part | None:
        """What is sent of it; None is all, as it is.  Raises Mp4Error and OSError."""
        self._survey(limits.most)
        if self.moov is None:
            raise Mp4Error("no mp4 trak atoms were found")
        leads = self.mdat is None or self.moov.start < self.mdat.start
        if leads and not (span.start or span.length):
            return None
        data = self.read(self.moov.start, self.moov.end - self.moov.start)
        header, tracks = _described(data, span)
        if not tracks:
            raise Mp4Error("no mp4 trak atoms were found")
        if self.mdat is None:
            raise Mp4Error("no mp4 mdat atom was found")
        for track in tracks:
            track.cut(span, self.mdat.end, key_frames=limits.key_frames)
        return self._assembled(header, tracks, self.mdat)

    def _survey(self, most: int) -> None:
        for found in atoms(self.read, 0, self.size):
            length = found.end - found.start
            if found.name == b"ftyp":
                if length > LARGEST_FTYP:
                    raise Mp4Error(f"mp4 ftyp atom is too large:{length}")
                self._once("ftyp", self.ftyp)
                self.ftyp = found
            elif found.name == b"moov":
                self._once("moov", self.moov)
                if length > most:
                    text = "you may want to increase mp4_max_buffer_size"
                    raise Mp4Error(f"mp4 moov atom is too large:{length}, {text}")
                self.moov = found
            elif found.name == b"mdat":
                self._once("mdat", self.mdat)
                self.mdat = found
            if self.moov is not None and self.mdat is not None:
                return

    def _once(self, name: str, found: Atom | None) -> None:
        if found is not None:
            raise Mp4Error(f"duplicate mp4 {name} atom")

    def _assembled(self, header: bytes, tracks: list[Track], mdat: Atom) -> Part:
        start = min(track.start_offset for track in tracks)
        end = max(track.end_offset for track in tracks)
        if end <= start:
            raise Mp4Error("no data between start time and end time")
        if start >= mdat.end or end > self.size:
            raise Mp4Error("start time is out mp4 mdat atom")
        ftyp = b""
        if self.ftyp is not None:
            ftyp = atom(b"ftyp", self.read(self.ftyp.start, self.ftyp.end - self.ftyp.start))
        data = _data_header(end - start)
        moov = atom(b"moov", header, *(track.packed(0) for track in tracks))
        adjustment = len(ftyp) + len(moov) + len(data) - start
        moov = atom(b"moov", header, *(track.packed(adjustment) for track in tracks))
        return Part(ftyp + moov + data, start, end)


def _data_header(length: int) -> bytes:
    if length + 8 < 2**32:
        return (length + 8).to_bytes(4) + b"mdat"
    return (1).to_bytes(4) + b"mdat" + (length + 16).to_bytes(8)


def _described(moov: bytes, span: Span) -> tuple[bytes, list[Track]]:
    """The film's header and the tracks that are sent."""
    header, timescale, tracks = b"", 0, list[Track]()
    for found in _within(moov, 0, len(moov)):
        data = moov[found.start : found.end]
        if found.name == b"cmov":
            raise Mp4Error("mp4 compressed moov atom (cmov) is not supported")
        if found.name == b"mvhd":
            if header:
                raise Mp4Error("duplicate mp4 mvhd atom")
            field = media_time(data, "mvhd")
            timescale, duration = field.timescale(data), field.duration(data)
            if duration < span.starts_at(timescale):
                raise Mp4Error("mp4 start time exceeds file duration")
            header = atom(b"mvhd", field.replaced(data, span.left_of(duration, timescale)))
        elif found.name == b"trak":
            parts: dict[bytes, bytes] = {}
            _collect(moov, found, parts)
            track = Track(parts, timescale)
            if not track.is_over(span):
                tracks.append(track)
    return header, tracks


def _within(data: bytes, start: int, end: int) -> list[Atom]:
    return list(atoms(lambda offset, size: data[offset : offset + size], start, end))


def _collect(data: bytes, outer: Atom, parts: dict[bytes, bytes]) -> None:
    """The atoms of a track that are known, at any depth."""
    for found in _within(data, outer.start, outer.end):
        if found.name not in INNER[outer.name]:
            continue
        if found.name in INNER:
            _collect(data, found, parts)
        elif found.name in parts:
            raise Mp4Error(f"duplicate mp4 {found.name.decode()} atom")
        else:
            parts[found.name] = data[found.start : found.end]
