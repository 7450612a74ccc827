"""One track of a film: which of its samples are sent, and the tables that describe them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .atoms import Mp4Error, atom, media_time, table, table_data, track_time, wide_table

ANY = 2**63


class Span(NamedTuple):
    """What a client asked for, in milliseconds; `length` 0 is up to the end."""

    start: int
    length: int

    def starts_at(self, timescale: int) -> int:
        return self.start * timescale // 1000

    def left_of(self, duration: int, timescale: int) -> int:
        """The duration of what is sent of so much."""
        duration -= self.starts_at(timescale)
        return min(duration, self.length * timescale // 1000) if self.length else duration


class Chunks(NamedTuple):
    """The chunks that are sent: `runs` of (number, samples of each, id of the description)."""

    first: int
    end: int
    skipped: int  # samples of the first one that are not sent
    last_samples: int  # of the last one, up to where it is sent
    runs: list[tuple[int, int, int]]


class Track:
    """The atoms of one track by name, and what is sent of it.

    Atoms that are not known are left out, as nginx does: they may contradict what is sent."""

    def __init__(self, parts: dict[bytes, bytes], timescale: int) -> None:
        self.parts, self.movie_timescale = parts, timescale
        self.start_offset, self.end_offset = ANY, 0  # in the file
        self.prefix = 0  # time before the start, from the key frame on
        self.sent: dict[bytes, bytes] = {}
        self.offsets = array("Q")

    def is_over(self, span: Span) -> bool:
        """Whether the track ends before the start: it is left out then."""
        return self._header_is_over(span) or self._media_is_over(span)

    def _header_is_over(self, span: Span) -> bool:
        header = self.parts.get(b"tkhd")
        if header is None:
            return False
        duration = track_time(header).duration(header)
        return duration <= span.starts_at(self.movie_timescale)

    def _media_is_over(self, span: Span) -> bool:
        media = self.parts.get(b"mdhd")
        if media is None:
            return False
        field = media_time(media, "mdhd")
        return field.duration(media) <= span.starts_at(field.timescale(media))

    def cut(self, span: Span, data_end: int, *, key_frames: bool) -> None:
        """Finds out what is sent; `data_end` is where the film's data end in the file."""
        media = self.parts.get(b"mdhd", b"")
        timescale = media_time(media, "mdhd").timescale(media) if media else 0
        first, end = self._samples(span, timescale, key_frames)
        self._cut_headers(span)
        self._cut_runs(b"ctts", first, end)
        syncs = self.parts.get(b"stss")
        if syncs is not None:
            numbers = table(syncs, "stss", 1)
            kept = array("I", [n - first for n in numbers if first < n <= end])
            self.sent[b"stss"] = table_data(syncs, kept, 1)
        chunk_offsets = self._chunk_offsets()
        chunks = self._chunks(first, end, len(chunk_offsets))
        self._place(chunks, chunk_offsets, first, end, data_end if not span.length else 0)

    # -- times -----------------------------------------------------------------------------

    def _samples(self, span: Span, timescale: int, key_frames: bool) -> tuple[int, int]:
        """The first sample that is sent and the end of the last."""
        if b"stts" not in self.parts:
            raise Mp4Error("no mp4 stts atoms were found")
        numbers = table(self.parts[b"stts"], "stts", 2)
        runs = list(zip(numbers[::2], numbers[1::2], strict=True))
        first = _sample_at(runs, span.starts_at(timescale), 0)
        if first is None:
            raise Mp4Error("start time is out mp4 stts samples")
        if key_frames and b"stss" in self.parts:
            frame = self._key_frame(first)
            self.prefix = sum(count * time for count, time in crop(runs, frame, first))
            first = frame
        end = ANY
        if span.length:
            time = span.length * timescale // 1000 + self.prefix
            end = _sample_at(runs, time, first) or sum(numbers[::2])
        self._cut_runs(b"stts", first, end)
        return first, end

    def _key_frame(self, sample: int) -> int:
        """The last key frame up to a sample; the sample, if there is none."""
        frames = table(self.parts[b"stss"], "stss", 1)
        if 0 in frames:
            raise Mp4Error("zero sync sample")
        return max((frame - 1 for frame in frames if frame - 1 <= sample), default=sample)

    def _cut_runs(self, name: bytes, first: int, end: int) -> None:
        """A table of how many samples have a value, and the value."""
        data = self.parts.get(name)
        if data is None:
            return
        numbers = table(data, name.decode(), 2)
        runs = list(crop(zip(numbers[::2], numbers[1::2], strict=True), first, end))
        if runs or name == b"stts":
            kept = array("I", [number for run in runs for number in run])
            self.sent[name] = table_data(data, kept, 2)

    def _cut_headers(self, span: Span) -> None:
        header, media = self.parts.get(b"tkhd"), self.parts.get(b"mdhd")
        if header is not None:
            field = track_time(header)
            self.movie_duration = span.left_of(field.duration(header), self.movie_timescale)
            self.sent[b"tkhd"] = field.replaced(header, self.movie_duration)
        if media is not None:
            field = media_time(media, "mdhd")
            duration = span.left_of(field.duration(media), field.timescale(media))
            self.sent[b"mdhd"] = field.replaced(media, duration + self.prefix)

    # -- places ----------------------------------------------------------------------------

    def _chunk_offsets(self) -> array[int]:
        if b"co64" in self.parts:
            return wide_table(self.parts[b"co64"], "co64")
        if b"stco" not in self.parts:
            raise Mp4Error("no mp4 stco atoms were found")
        return array("Q", table(self.parts[b"stco"], "stco", 1))

    def _chunks(self, first: int, end: int, count: int) -> Chunks:
        """The chunks that samples are in (ngx_http_mp4_crop_stsc_data)."""
        if b"stsc" not in self.parts:
            raise Mp4Error("no mp4 stsc atoms were found")
        numbers = table(self.parts[b"stsc"], "stsc", 3)
        if not numbers:
            raise Mp4Error("zero number of entries in stsc atom")
        starts = [*numbers[::3], count + 1]
        at, runs = 0, list[tuple[int, int, int]]()
        bounds: list[tuple[int, int, int, int]] = []
        for i, (samples, kind) in enumerate(zip(numbers[1::3], numbers[2::3], strict=True)):
            chunk, following = starts[i], starts[i + 1]
            if following < chunk:
                raise Mp4Error("unordered mp4 stsc chunks")
            total = (following - chunk) * samples
            low, high = max(first - at, 0), min(end - at, total)
            at += total
            if low >= high:
                continue
            if chunk == 0:
                raise Mp4Error("zero chunk")
            whole, skipped = divmod(low, samples)
            last, rest = divmod(high, samples)
            bounds.append(
                (chunk - 1 + whole, chunk - 1 + last + (rest > 0), skipped, rest or samples)
            )
            if whole == last:
                runs.append((1, high - low, kind))
                continue
            if skipped:
                runs.append((1, samples - skipped, kind))
            if last - whole - (skipped > 0):
                runs.append((last - whole - (skipped > 0), samples, kind))
            if rest:
                runs.append((1, rest, kind))
        if first > at or (end != ANY and end > at):
            what = "start" if first > at else "end"
            raise Mp4Error(f"{what} time is out mp4 stsc chunks")
        if not bounds:
            return Chunks(count, count, 0, 0, [])
        return Chunks(bounds[0][0], bounds[-1][1], bounds[0][2], bounds[-1][3], runs)

    def _place(
        self, chunks: Chunks, offsets: array[int], first: int, end: int, data_end: int
    ) -> None:
        """The tables of chunks, sizes and offsets; the data end at `data_end`, 0: with the last
        sample."""
        self.sent[b"stsc"] = self._chunk_table(chunks)
        sizes = self._sizes(first, end, chunks)
        if not chunks.runs:
            return
        if chunks.end > len(offsets):
            raise Mp4Error("end time is out mp4 stco chunks")
        self.offsets = offsets[chunks.first : chunks.end]
        last = self.offsets[-1]
        self.offsets[0] += sizes[0]
        self.start_offset = self.offsets[0]
        self.end_offset = data_end or last + sizes[1]

    def _chunk_table(self, chunks: Chunks) -> bytes:
        numbers, number, before = array("I"), 1, (0, 0)
        for count, samples, kind in chunks.runs:
            if (samples, kind) != before:
                numbers.extend((number, samples, kind))
            number, before = number + count, (samples, kind)
        return table_data(self.parts[b"stsc"], numbers, 3)

    def _sizes(self, first: int, end: int, chunks: Chunks) -> tuple[int, int]:
        """Keeps the sizes of the samples; the bytes that are skipped in the first chunk, and those
        of the last one up to where it is sent."""
        data = self.parts.get(b"stsz")
        if data is None:
            return 0, 0
        same = int.from_bytes(data[4:8])
        if same:
            count = int.from_bytes(data[8:12])
            count = max(min(end, count) - first, 0)
            self.sent[b"stsz"] = data[:8] + count.to_bytes(4)
            return chunks.skipped * same, chunks.last_samples * same
        sizes = table(data, "stsz", 1, at=8)
        if first >= len(sizes):
            raise Mp4Error("start time is out mp4 stsz samples")
        if end != ANY and end > len(sizes):
            raise Mp4Error("end time is out mp4 stsz samples")
        kept = sizes[first : min(end, len(sizes))]
        self.sent[b"stsz"] = table_data(data, kept, 1, at=8)
        stop = first + len(kept)
        skipped = sum(sizes[max(first - chunks.skipped, 0) : first])
        return skipped, sum(sizes[max(stop - chunks.last_samples, 0) : stop])

    # -- the end ---------------------------------------------------------------------------

    def packed(self, adjustment: int) -> bytes:
        """The track's atom, with offsets that are moved by so much."""
        moved = [offset + adjustment for offset in self.offsets]
        if b"co64" in self.parts:
            offsets = atom(b"co64", _counted(array("Q", [x % 2**64 for x in moved]), 8))
        else:
            offsets = atom(b"stco", _counted(array("I", [x % 2**32 for x in moved]), 4))
        parts = {**self.parts, **self.sent}
        tables = [b"stsd", b"stts", b"stss", b"ctts", b"stsc", b"stsz"]
        missing = {b"ctts"} - self.sent.keys()
        stbl = atom(b"stbl", *_atoms(parts, tables, missing), offsets)
        minf = atom(b"minf", *_atoms(parts, [b"vmhd", b"smhd", b"dinf"]), stbl)
        mdia = atom(b"mdia", *_atoms(parts, [b"mdhd", b"hdlr"]), minf)
        return atom(b"trak", *_atoms(parts, [b"tkhd"]), self._edit_list(), mdia)

    def _edit_list(self) -> bytes:
        """Has players begin at the start, though what is sent begins with a key frame."""
        if not self.prefix:
            return b""
        duration = self.movie_duration.to_bytes(8)
        entry = duration + self.prefix.to_bytes(8) + (1).to_bytes(2) + bytes(2)
        return atom(b"edts", atom(b"elst", b"\1\0\0\0", (1).to_bytes(4), entry))


def _atoms(
    parts: dict[bytes, bytes], names: list[bytes], missing: set[bytes] | None = None
) -> Iterator[bytes]:
    for name in names:
        if name in parts and name not in (missing or ()):
            yield atom(name, parts[name])


def _counted(numbers: array[int], size: int) -> bytes:
    data = b"".join([number.to_bytes(size) for number in numbers])
    return bytes(4) + len(numbers).to_bytes(4) + data


def _sample_at(runs: list[tuple[int, int]], time: int, first: int) -> int | None:
    """The sample at a time after another sample; None if it is behind the last one."""
    at = first
    for count, duration in crop(runs, first, ANY):
        if time < count * duration:
            return at + time // duration
        at += count
        time -= count * duration
    return None


def crop(runs: Iterable[tuple[int, int]], first: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of (count, value) between two positions."""
    at = 0
    for count, value in runs:
        low, high = max(first - at, 0), min(end - at, count)
        if low < high:
            yield high - low, value
        at += count
