"""hls: playlists and fragments of films, which PyAV itself has made and reads back."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

import pytest

from pyngx_jwt.modules.hls.playlist import Cut, Wanted, cuts, playlist, wanted

from ..nginx import Nginx
from ..wire import Answer

av: Any = pytest.importorskip("av")

pytestmark = pytest.mark.pyngx_only("hls is a part of NGINX Plus")
NOTHING = Wanted(None, None, None, None)
RATE, FRAMES, GROUP = 10, 60, 15  # of 6 seconds, with a key frame every 1.5
SAMPLES = 48000
HERE = "location / { hls; hls_fragment 1s; root %%DIR%%; @ }"


@cache
def film(*, codec: str = "libx264", has_video: bool = True, has_audio: bool = True) -> bytes:
    """A film of 6 seconds, in H.264 with frames in another order than they are shown, and AAC."""
    out = io.BytesIO()
    with av.open(out, mode="w", format="mp4") as container:
        if has_video:
            video = container.add_stream(codec, rate=RATE)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.options = {"g": str(GROUP), "keyint_min": str(GROUP), "sc_threshold": "0"}
            video.options |= {"bf": "2", "x264-params": "scenecut=0"}
        if has_audio:
            audio = container.add_stream("aac", rate=SAMPLES)
            audio.layout = "mono"
        if has_video:
            for number in range(FRAMES):
                container.mux(video.encode(picture(number)))
            container.mux(video.encode(None))
        if has_audio:
            for number in range(FRAMES * SAMPLES // RATE // 1024):
                container.mux(audio.encode(sound(number)))
            container.mux(audio.encode(None))
    return out.getvalue()


def picture(number: int) -> Any:
    frame = av.VideoFrame(64, 48, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes((number * 4 + at) % 256 for at in range(plane.buffer_size)))
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def sound(number: int) -> Any:
    frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.pts, frame.sample_rate, frame.time_base = number * 1024, SAMPLES, Fraction(1, SAMPLES)
    return frame


class Fragment:
    """What is in a transport stream: times in seconds, by the kind of stream."""

    def __init__(self, data: bytes) -> None:
        assert len(data) % 188 == 0 and data[::188] == b"G" * (len(data) // 188)
        with av.open(io.BytesIO(data), format="mpegts") as container:
            self.codecs = {s.type: s.codec_context.name for s in container.streams}
            self.pts: dict[str, list[float]] = {kind: [] for kind in self.codecs}
            self.begins_with_key = True
            for packet in container.demux():
                if packet.pts is None:
                    continue
                times = self.pts[packet.stream.type]
                if not times and packet.stream.type == "video":
                    self.begins_with_key = packet.is_keyframe
                times.append(float(packet.pts * packet.time_base))
        with av.open(io.BytesIO(data), format="mpegts") as container:
            self.pictures = sum(1 for frame in container.decode() if hasattr(frame, "width"))


def start(nginx: Nginx, *lines: str, **files: bytes) -> None:
    nginx(HERE.replace("@", " ".join(lines)), files={"film.mp4": film(), **files})


def listed(text: str) -> list[tuple[float, str]]:
    """Durations and URIs."""
    found = re.findall(r"#EXTINF:([0-9.]+),\n(\S+)\n", text)
    return [(float(duration), uri) for duration, uri in found]


def fetched(nginx: Nginx, uris: Iterable[str], base: str = "/film.mp4.m3u8") -> list[Fragment]:
    answers = [nginx.request(f"GET {urljoin(base, uri)}") for uri in uris]
    assert all(a.status == 200 and a.get("Content-Type") == "video/mp2t" for a in answers)
    return [Fragment(answer.body) for answer in answers]


# -- playlists -----------------------------------------------------------------------------------


def test_the_playlist(nginx: Nginx) -> None:
    """Fragments end at the first key frame after their length."""
    start(nginx)
    answer = nginx.request("GET /film.mp4.m3u8")
    assert answer.get("Content-Type") == "application/vnd.apple.mpegurl"
    assert answer.get("Last-Modified") and answer.text == (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXTINF:1.500,\nfilm.mp4.ts?start=0.000&end=1.500\n"
        "#EXTINF:1.500,\nfilm.mp4.ts?start=1.500&end=3.000\n"
        "#EXTINF:1.500,\nfilm.mp4.ts?start=3.000&end=4.500\n"
        f"#EXTINF:{last(answer):.3f},\nfilm.mp4.ts?start=4.500&end={4.5 + last(answer):.3f}\n"
        "#EXT-X-ENDLIST\n"
    )
    assert 1.4 < last(answer) < 1.6


def last(answer: Answer) -> float:
    """The duration of the last fragment, to which that of the audio adds a little."""
    return listed(answer.text)[-1][0]


def test_arguments(nginx: Nginx) -> None:
    start(nginx)

    def uris(args: str) -> list[str]:
        text = nginx.request(f"GET /film.mp4.m3u8?{args}").text
        return [uri.partition("?")[2] for _, uri in listed(text)]

    assert uris("len=2")[0] == "start=0.000&end=3.000"
    assert uris("len=100") == [f"start=0.000&end={6 + last_end(nginx):.3f}"]
    assert uris("start=1.000&end=2.2") == ["start=1.000&end=2.200"]
    assert uris("start=1.000&end=3.5") == ["start=1.000&end=3.000", "start=3.000&end=3.500"]
    assert uris("start=99") == uris("start=2&end=1") == []
    assert len(uris("start=x&end=-1&len=&len=0")) == 4
    text = nginx.request("GET /film.mp4.m3u8?offset=-1.5").text
    assert "#EXT-X-START:TIME-OFFSET=-1.500\n" in text


def last_end(nginx: Nginx) -> float:
    return last(nginx.request("GET /film.mp4.m3u8")) - 1.5


def test_arguments_are_forwarded(nginx: Nginx) -> None:
    start(nginx, "hls_forward_args on;")
    text = nginx.request("GET /film.mp4.m3u8?a=1&len=2&b=2").text
    assert "film.mp4.ts?start=0.000&end=3.000&a=1&b=2\n" in text


def test_a_link_that_is_protected(nginx: Nginx) -> None:
    """As the documentation of nginx has it: the fragments have the arguments of the playlist."""
    start(nginx, "hls_forward_args on;", 'if ($arg_key != "secret") { return 403; }')
    assert nginx.request("GET /film.mp4.m3u8").status == 403
    text = nginx.request("GET /film.mp4.m3u8?key=secret").text
    assert len(fetched(nginx, [listed(text)[0][1]])) == 1


def test_names(nginx: Nginx) -> None:
    start(nginx, **{"a b%:é.mp4": film()})
    path = "/a%20b%25:%C3%A9.mp4.m3u8"
    uri = listed(nginx.request(f"GET {path}").text)[0][1]
    assert uri == "./a%20b%25:%C3%A9.mp4.ts?start=0.000&end=1.500"
    assert len(fetched(nginx, [uri], path)) == 1


# -- fragments -----------------------------------------------------------------------------------


def test_all_fragments_are_the_film(nginx: Nginx) -> None:
    start(nginx)
    uris = [uri for _, uri in listed(nginx.request("GET /film.mp4.m3u8").text)]
    fragments = fetched(nginx, uris)
    assert [one.pictures for one in fragments] == [15, 15, 15, 15]
    assert all(one.codecs == {"video": "h264", "audio": "aac"} for one in fragments)
    assert all(one.begins_with_key for one in fragments)
    for kind, step in (("video", 1 / RATE), ("audio", 1024 / SAMPLES)):
        times = sorted(at for one in fragments for at in one.pts[kind])
        gaps = [after - before for before, after in pairwise(times)]
        assert max(abs(gap - step) for gap in gaps) < 0.001, kind
    first = fragments[0]
    assert abs(min(first.pts["video"]) - min(first.pts["audio"])) < 0.1


def test_other_times_than_those_of_the_playlist(nginx: Nginx) -> None:
    start(nginx)
    (whole,) = fetched(nginx, ["film.mp4.ts"])
    assert whole.pictures == FRAMES
    (middle,) = fetched(nginx, ["film.mp4.ts?start=2.000&end=2.500"])
    assert middle.begins_with_key and middle.pictures == 10  # from the key frame at 1.5
    answer = nginx.request("GET /film.mp4.ts?start=100&end=101")
    assert answer.status == 200


def test_audio_alone(nginx: Nginx) -> None:
    start(nginx, **{"song.m4a": film(has_video=False)})
    answer = nginx.request("GET /song.m4a.m3u8?len=2")
    durations = [duration for duration, _ in listed(answer.text)]
    assert durations[:2] == [2, 2] and 1.9 < durations[2] < 2.1
    fragments = fetched(nginx, [uri for _, uri in listed(answer.text)])
    times = [at for one in fragments for at in one.pts["audio"]]
    gaps = [after - before for before, after in pairwise(times)]
    assert max(abs(gap - 1024 / SAMPLES) for gap in gaps) < 0.001


def test_video_alone_and_head(nginx: Nginx) -> None:
    start(nginx, **{"silent.mov": film(has_audio=False)})
    (whole,) = fetched(nginx, ["silent.mov.ts"])
    assert whole.codecs == {"video": "h264"} and whole.pictures == FRAMES
    head = nginx.request("HEAD /silent.mov.ts")
    length = len(nginx.request("GET /silent.mov.ts").body)
    assert head.get("Content-Length") == str(length) and head.body == b""


def test_an_alias(nginx: Nginx) -> None:
    nginx("location /v/ { hls; alias %%DIR%%/films/; }", files={"films/x.mp4": film()})
    assert nginx.request("GET /v/x.mp4.m3u8").status == 200
    assert nginx.request("GET /v/x.mp4").body == film()


# -- what cannot be streamed ---------------------------------------------------------------------


def test_texts_that_are_not_utf_8(nginx: Nginx) -> None:
    data = film().replace(b"Lavf", b"\xff\xfe\xe9f")
    assert data != film()
    start(nginx, **{"text.mp4": data})
    assert listed(nginx.request("GET /text.mp4.m3u8").text)


def test_other_requests(nginx: Nginx) -> None:
    start(nginx)
    assert nginx.request("GET /none.mp4.m3u8").status == 404
    assert nginx.request("GET /.m3u8").status in (403, 404)
    assert nginx.request("POST /film.mp4.m3u8").status == 405
    assert nginx.request("GET /film.mp4").body == film()


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (b"", 500, "Invalid argument|Invalid data found|End of file"),
        (b"no film at all, but some text", 500, "mp4 atom too large"),
        (film()[: len(film()) // 2], 500, "mp4 atom too large|Invalid data"),
        (film(codec="mpeg4", has_audio=False), 415, "no video in H.264"),
    ],
    ids=["empty", "text", "half", "other"],
)
def test_broken_films(nginx: Nginx, data: bytes, status: int, why: str) -> None:
    start(nginx, **{"bad.mp4": data})
    for name in ("bad.mp4.m3u8", "bad.mp4.ts?start=0&end=1"):
        assert nginx.request(f"GET /{name}").status == status
    line = nginx.wait_for_log(why)
    assert "[error]" in line and f'"{nginx.prefix}/bad.mp4" ' in line


def test_limits(nginx: Nginx) -> None:
    start(nginx, "hls_mp4_max_buffer_size 100;")
    assert nginx.request("GET /film.mp4.m3u8").status == 500
    nginx.wait_for_log("mp4 moov atom is too large:[0-9]+, you may want to increase hls_mp4_max")
    nginx.reload(HERE.replace("@", "hls_buffers 1 2k;"))
    assert nginx.request("GET /film.mp4.m3u8").status == 200
    assert nginx.request("GET /film.mp4.ts").status == 500
    nginx.wait_for_log("fragment is too large, you may want to increase hls_buffers")


def test_films_with_random_faults(nginx: Nginx) -> None:
    """Whatever is in a film, the worker goes on."""
    chance, data = random.Random(1), film()
    moov = data.index(b"moov")
    films = {}
    for number in range(40):
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 20)):
            at = chance.randrange(moov, len(data)) if number % 2 else chance.randrange(len(data))
            broken[at] = chance.randrange(256)
        films[f"f{number}.mp4"] = bytes(broken)
    start(nginx, "add_header X-Pid $pid always;", **films)
    pid = nginx.request("GET /film.mp4.m3u8").get("X-Pid")
    for name in films:
        for uri in (f"/{name}.m3u8", f"/{name}.ts?start=1&end=3"):
            answer = nginx.request(f"GET {uri}")
            assert answer.status in (200, 415, 500) and answer.get("X-Pid") == pid


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("hls_buffers 0 1;", '"hls_buffers" directive invalid value')
    nginx.rejects("hls_fragment x;", '"hls_fragment" directive invalid value')
    nginx.accepts("location / { hls; hls_mp4_buffer_size 1m; }")


# -- by tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "span", "length", "expected"),
    [
        ([0, 10, 20], NOTHING, 5, [(0, 10), (10, 20), (20, 30)]),
        ([0, 10, 20], NOTHING, 10, [(0, 10), (10, 20), (20, 30)]),
        ([0, 10, 20], NOTHING, 11, [(0, 20), (20, 30)]),
        ([0, 10, 20], NOTHING, 99, [(0, 30)]),
        ([0, 10, 20], Wanted(4, 25, None, None), 5, [(4, 10), (10, 20), (20, 25)]),
        ([], NOTHING, 12, [(0, 12), (12, 24), (24, 30)]),
        ([], Wanted(29, 99, None, None), 12, [(29, 30)]),
    ],
)
def test_cuts(
    begins: list[int], span: Wanted, length: int, expected: list[tuple[int, int]]
) -> None:
    assert list(cuts(begins, 30, span, length)) == [Cut(*one) for one in expected]


def test_wanted() -> None:
    assert wanted("start=1&end=2.5&offset=-0.0019&len=8.000") == Wanted(1000, 2500, -1, 8000)
    assert wanted("start=1e3&end=&offset=+1&len=0") == NOTHING
    assert wanted("start=99999999&end=1.2.3") == NOTHING


def test_an_empty_playlist() -> None:
    assert "TARGETDURATION:1\n" in playlist([], "x.ts", "", None)
