"""mp4 and flv: parts of films."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyngx_jwt.modules.mp4.atoms import atom, atoms, table
from pyngx_jwt.modules.mp4.module import wanted

from ..nginx import Nginx
from ..wire import Answer

STBL = "moov", "trak", "mdia", "minf", "stbl"
SCALE = 1000  # of the film and of its tracks
ONE_CHUNK = pytest.mark.nginx_differs("it sends too little if both times are in one chunk")
needs_mp4 = pytest.mark.needs("http_mp4_module")
LATER = pytest.mark.needs("nginx/1.31")  # what Debian's nginx has not yet


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(4) for value in values)


def counted(*entries: tuple[int, ...]) -> bytes:
    """A table behind version and flags."""
    return numbers(0, len(entries), *(value for entry in entries for value in entry))


class Film:
    """A film of one or more tracks with samples of 100 ms, four to a chunk.

    Sample 7 of track 0 is "0:7." and some dots, so that all are of different lengths."""

    def __init__(self, tracks: int = 1, samples: int = 20, *, faststart: bool = False) -> None:
        self.tracks = [[self.sample(n, m) for m in range(samples)] for n in range(tracks)]
        self.faststart = faststart

    @staticmethod
    def sample(track: int, number: int) -> bytes:
        return f"{track}:{number}".encode() + b"." * (number % 5 + 1)

    def packed(self, **changes: bytes) -> bytes:
        ftyp = atom(b"ftyp", b"isom", numbers(512), b"isommp41")
        chunks: list[bytes] = []
        places: list[list[int]] = [[] for _ in self.tracks]
        for first in range(0, len(self.tracks[0]), 4):
            for n, samples in enumerate(self.tracks):
                places[n].append(sum(map(len, chunks)))
                chunks.append(b"".join(samples[first : first + 4]))
        data = atom(b"mdat", *chunks)
        size = len(self.moov(places, 0, changes)) if self.faststart else 0
        moov = self.moov(places, len(ftyp) + size + 8, changes)
        return ftyp + (moov + data if self.faststart else data + moov)

    def moov(self, places: list[list[int]], at: int, changes: dict[str, bytes]) -> bytes:
        length = len(self.tracks[0]) * 100
        head = numbers(0, 0, 0, SCALE, length) + bytes(80)
        return atom(
            b"moov",
            atom(b"mvhd", head),
            *(self.trak(n, [at + place for place in of], changes) for n, of in enumerate(places)),
        )

    def trak(self, number: int, offsets: list[int], changes: dict[str, bytes]) -> bytes:
        samples = self.tracks[number]
        length = len(samples) * 100
        parts = {
            "stsd": numbers(0, 1) + atom(b"avc1", bytes(8)),
            "stts": counted((len(samples) // 2, 100), (len(samples) - len(samples) // 2, 100)),
            "stss": counted(*((frame,) for frame in range(1, len(samples) + 1))),
            "ctts": counted(*((1, n) for n in range(len(samples)))),
            "stsc": counted((1, 4, 1)),
            "stsz": numbers(0, 0, len(samples), *map(len, samples)),
            "stco": counted(*((offset,) for offset in offsets)),
            **changes,
        }
        stbl = atom(b"stbl", *(atom(name.encode(), data) for name, data in parts.items() if data))
        minf = atom(b"minf", atom(b"vmhd", bytes(12)), atom(b"dinf", bytes(4)), stbl)
        mdhd = atom(b"mdhd", numbers(0, 0, 0, SCALE, length, 0))
        mdia = atom(b"mdia", mdhd, atom(b"hdlr", bytes(24)), minf)
        tkhd = atom(b"tkhd", numbers(0, 0, 0, number + 1, 0, length) + bytes(60))
        return atom(b"trak", tkhd, atom(b"edts", bytes(8)), mdia)


def inner(data: bytes, *names: str) -> list[bytes]:
    """What is in the atoms of that path."""
    if not names:
        return [data]
    found = atoms(lambda offset, size: data[offset : offset + size], 0, len(data))
    parts = [data[x.start : x.end] for x in found if x.name.decode() == names[0]]
    return [deeper for part in parts for deeper in inner(part, *names[1:])]


def numbers_of(stbl: bytes, name: str, width: int) -> array[int]:
    (data,) = inner(stbl, name)
    return table(data, name, width)


def samples_of(film: bytes) -> list[list[bytes]]:
    """The samples of each track, found by its tables."""
    return [
        list(_samples(film, stbl)) for stbl in inner(film, "moov", "trak", "mdia", "minf", "stbl")
    ]


def _samples(film: bytes, stbl: bytes) -> Iterator[bytes]:
    (stsc,), (stsz,), (stco,) = inner(stbl, "stsc"), inner(stbl, "stsz"), inner(stbl, "stco")
    sizes = iter(table(stsz, "stsz", 1, at=8))
    offsets, runs = table(stco, "stco", 1), table(stsc, "stsc", 3)
    starts = [*runs[::3], len(offsets) + 1]
    for i, per_chunk in enumerate(runs[1::3]):
        for chunk in range(starts[i], starts[i + 1]):
            at = offsets[chunk - 1]
            for _ in range(per_chunk):
                size = next(sizes)
                yield film[at : at + size]
                at += size
    assert next(sizes, None) is None


def serve(nginx: Nginx, film: bytes, directives: str = "") -> None:
    types = "types { video/mp4 mp4; }"
    nginx(f"location / {{ mp4; {directives} }}", http=types, files={"html/a.mp4": film})


def fetched(nginx: Nginx, args: str, *fields: str) -> Answer:
    return nginx.request(f"GET /a.mp4{args}", *fields)


@needs_mp4
@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("tracks", [1, 3])
@pytest.mark.parametrize(
    ("args", "first", "end"),
    [
        ("?start=0", 0, 20),
        ("?start=0.4", 4, 20),
        ("?start=0.55", 5, 20),
        ("?start=1.9", 19, 20),
        ("?end=0.4", 0, 4),
        ("?end=0.7", 0, 7),
        pytest.param("?start=0.5&end=0.7", 5, 7, marks=ONE_CHUNK),
        ("?start=0.5&end=1.4", 5, 14),
        ("?start=0.8&end=1.2", 8, 12),
        ("?start=0.300000&end=9", 3, 20),
        ("?x=1&end=0.9&start=0.8", 8, 9),
    ],
)
def test_part(nginx: Nginx, args: str, first: int, end: int, tracks: int, faststart: bool) -> None:
    film = Film(tracks, faststart=faststart)
    serve(nginx, film.packed())
    answer = fetched(nginx, args)
    assert answer.status == 200 and answer.get("Content-Type") == "video/mp4"
    assert samples_of(answer.body) == [samples[first:end] for samples in film.tracks]
    assert [x[:4] for x in inner(answer.body, "ftyp")] == [b"isom"]
    (mdat,) = inner(answer.body, "mdat")
    assert answer.body.endswith(mdat)
    for stbl in inner(answer.body, *STBL):
        times = numbers_of(stbl, "stts", 2)
        assert sum(times[::2]) == end - first
        offsets = numbers_of(stbl, "ctts", 2)
        runs = zip(offsets[::2], offsets[1::2], strict=True)
        assert [value for count, value in runs if count] == list(range(first, end))
        frames = list(range(1, end - first + 1))
        assert list(numbers_of(stbl, "stss", 1)) == frames
    for header in inner(answer.body, "moov", "mvhd"):
        assert int.from_bytes(header[16:20]) <= 2000


@needs_mp4
@pytest.mark.parametrize("args", ["", "?start=", "?start=x", "?start=-1", "?start=1.2.3", "?end=0"])
def test_whole(nginx: Nginx, args: str) -> None:
    film = Film().packed()
    serve(nginx, film)
    assert fetched(nginx, args).body == film


@needs_mp4
def test_a_film_that_is_prepared_is_sent_as_it_is(nginx: Nginx) -> None:
    film = Film(faststart=True).packed()
    serve(nginx, film)
    assert fetched(nginx, "?start=0").body == film


@needs_mp4
def test_ranges_of_a_part(nginx: Nginx) -> None:
    serve(nginx, Film(2).packed())
    whole = fetched(nginx, "?start=0.5&end=1.4").body
    for first, last in ((0, 9), (20, len(whole) - 1), (len(whole) - 30, len(whole) - 1)):
        answer = fetched(nginx, "?start=0.5&end=1.4", f"Range: bytes={first}-{last}")
        assert (answer.status, answer.body) == (206, whole[first : last + 1])
    several = fetched(nginx, "?start=0.5&end=1.4", "Range: bytes=0-1,4-5")
    assert (several.status, several.body) == (200, whole)


@needs_mp4
@LATER
def test_key_frames(nginx: Nginx) -> None:
    film, frames = Film(), counted((1,), (7,), (13,), (19,))
    serve(nginx, film.packed(stss=frames), "mp4_start_key_frame on;")
    answer = fetched(nginx, "?start=0.9&end=1.4")
    assert samples_of(answer.body) == [film.tracks[0][6:14]]
    (edits,) = inner(answer.body, "moov", "trak", "edts", "elst")
    assert (int.from_bytes(edits[8:16]), int.from_bytes(edits[16:24])) == (500, 300)
    assert not inner(fetched(nginx, "?start=1.2").body, "moov", "trak", "edts")


@needs_mp4
def test_samples_of_one_size(nginx: Nginx) -> None:
    film = Film(samples=20)
    film.tracks = [[f"{n:04}".encode() for n in range(20)]]
    serve(nginx, film.packed(stsz=numbers(0, 4, 20)))
    answer = fetched(nginx, "?start=0.8")
    (mdat,) = inner(answer.body, "mdat")
    assert mdat == b"".join(film.tracks[0][8:])


@needs_mp4
@pytest.mark.parametrize(
    ("changes", "args", "message"),
    [
        ({}, "?start=2.1", "start time exceeds file duration"),
        ({"stts": counted((5, 100))}, "?start=1", "start time is out mp4 stts samples"),
        ({"stts": b""}, "?start=1", "no mp4 stts atoms were found"),
        ({"stts": numbers(0, 9, 1, 1)}, "?start=1", "mp4 stts atom too small"),
        ({"stsc": b""}, "?start=1", "no mp4 stsc atoms were found"),
        ({"stsc": counted()}, "?start=1", "zero number of entries in stsc atom"),
        ({"stsc": counted((3, 4, 1), (1, 4, 1))}, "?start=1", "unordered mp4 stsc chunks"),
        ({"stsc": counted((1, 1, 1))}, "?start=1", "start time is out mp4 stsc chunks"),
        ({"stsz": numbers(0, 0, 2, 1, 1)}, "?start=1", "start time is out mp4 stsz samples"),
        ({"stco": b""}, "?start=1", ""),
    ],
)
def test_films_that_make_no_sense(
    nginx: Nginx, changes: dict[str, bytes], args: str, message: str
) -> None:
    serve(nginx, Film().packed(**changes))
    assert fetched(nginx, args).status == 500
    nginx.wait_for_log(message)


@needs_mp4
@pytest.mark.parametrize(
    ("film", "message"),
    [
        (b"", "no mp4 trak atoms were found"),
        (b"abc", ""),
        (numbers(4) + b"mdat", "mp4 atom is too small:4"),
        (numbers(99) + b"mdat", "mp4 atom too large:99"),
        (numbers(1) + b"mdat" + bytes(8), "mp4 atom is too small:0"),
        (atom(b"mdat", b"x"), "no mp4 trak atoms were found"),
        (atom(b"ftyp", bytes(1025)), "mp4 ftyp atom is too large:1025"),
        (atom(b"moov", atom(b"cmov", b"")), "compressed moov atom"),
        (Film(faststart=True).packed()[:-400], "mp4 atom too large"),
    ],
)
def test_files_that_are_no_films(nginx: Nginx, film: bytes, message: str) -> None:
    serve(nginx, film)
    assert fetched(nginx, "?start=1").status == 500
    nginx.wait_for_log(message)


@needs_mp4
def test_largest_description(nginx: Nginx) -> None:
    serve(nginx, Film().packed(), "mp4_buffer_size 100; mp4_max_buffer_size 200;")
    assert fetched(nginx, "").status == 200
    assert fetched(nginx, "?start=1").status == 500
    nginx.wait_for_log("you may want to increase mp4_max_buffer_size")


@needs_mp4
def test_what_is_no_file_is_left_to_others(nginx: Nginx) -> None:
    serve(nginx, Film().packed())
    nginx.write("html/index.html", "home")
    assert nginx.request("GET /").text == "home"
    assert nginx.request("GET /none.mp4?start=1").status == 404
    assert nginx.request("POST /a.mp4").status == 405


def test_times() -> None:
    assert wanted("start=1.2345") == (1234, 0)
    assert wanted("start=.5&end=2.") == (500, 1500)
    assert wanted("start=2&end=1") == (2000, 0)
    assert wanted("start=.") == (0, 0)
    for args in ("", "start=", "start=1s", "start=99999999999999999999"):
        assert wanted(args) is None


# -- flv ------------------------------------------------------------------------------------

HEADER = b"FLV\x01\x05\0\0\0\x09\0\0\0\0"


@pytest.mark.needs("http_flv_module")
def test_flv(nginx: Nginx) -> None:
    nginx("location / { flv; }", files={"html/a.flv": "0123456789", "html/index.html": "home"})
    for args, body in {
        "": b"0123456789",
        "?start=4": HEADER + b"456789",
        "?start=9": HEADER + b"9",
        "?start=10": b"0123456789",
        "?start=x": b"0123456789",
    }.items():
        answer = nginx.request(f"GET /a.flv{args}")
        assert (answer.status, answer.body) == (200, body)
        assert answer.get("Content-Length") == str(len(body))
    answer = nginx.request("GET /a.flv?start=4", "Range: bytes=11-14")
    assert (answer.status, answer.body) == (206, b"\0\x0045")
    assert answer.get("Content-Range") == "bytes 11-14/19"
    assert nginx.request("GET /").text == "home"
    assert nginx.request("POST /a.flv").status == 405
    assert nginx.request("GET /none.flv").status == 404


def test_films_of_the_tests_are_films(tmp_path: Path) -> None:
    film = Film(2)
    assert samples_of(film.packed()) == film.tracks


@pytest.mark.pyngx_only("of NGINX Plus")
@pytest.mark.parametrize(
    ("setting", "target", "factor"),
    [
        ("on", "/film.mp4", 1.1),
        ("on", "/film.mp4?start=1", 1.1),
        ("2", "/film.mp4?start=0.5&end=1.5", 2),
        ("0.5", "/film.mp4", 0.5),
        ("off", "/film.mp4", 0),
        ("on", "/none.mp4", 0),
    ],
)
def test_rate(nginx: Nginx, setting: str, target: str, factor: float) -> None:
    """Of the whole film, whose 20 samples take 2 seconds; so long all is sent at once."""
    film = Film(faststart=True).packed()
    nginx(
        f"access_log logs/rate.log rate; location / {{ mp4; mp4_limit_rate {setting}; }}",
        http="log_format rate $limit_rate;",
        files={"html/film.mp4": film, "html/none.mp4": b"no film"},
    )
    assert nginx.request(f"GET {target}").status == 200
    assert nginx.access_log(1, "rate.log") == [str(int(len(film) / 2 * factor))]


@pytest.mark.pyngx_only("of NGINX Plus")
def test_a_rate_is_kept_to(nginx: Nginx) -> None:
    """What is sent beyond the start comes later."""
    film = Film(samples=30, faststart=True).packed()
    nginx(
        "location / { mp4; mp4_limit_rate 1; mp4_limit_rate_after 0; }",
        files={"html/film.mp4": film},
    )
    with nginx.connect() as c:
        c.wire.send(b"GET /film.mp4 HTTP/1.0\r\n\r\n")
        c.wire.until(b"\r\n\r\n")
        assert c.wire.rest() == film


@pytest.mark.pyngx_only("of NGINX Plus")
def test_wrong_rates(nginx: Nginx) -> None:
    nginx.rejects("mp4_limit_rate -1;", 'invalid value "-1" in "mp4_limit_rate" directive')
