"""slice: a response is fetched and cached in pieces."""

from __future__ import annotations

import gzip

import pytest

from ..backend import Peer, Script
from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_slice_module")

TEXT = "0123456789abcdef"
ZONE = "proxy_cache_path %%DIR%%/cache keys_zone=one:1m;"
SLICES = """
    slice 4;
    proxy_set_header Range $slice_range;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
"""
CACHE = """
    proxy_cache one;
    proxy_cache_key $uri$slice_range;
    proxy_cache_valid 200 206 1h;
"""
FILES = """
    listen 127.0.0.1:%%PORT_up%%; root %%DIR%%/html; access_log %%DIR%%/logs/up asked;
"""
FORMAT = 'log_format asked "$http_range $status";'


def serve(nginx: Nginx, location: str = CACHE) -> None:
    """Files behind a location that fetches them in slices; what is asked for is in a log."""
    files = {"html/t": TEXT, "html/empty": ""}
    nginx(f"location / {{ {SLICES} {location} }}", http=ZONE + FORMAT, servers=[FILES], files=files)


def asked(nginx: Nginx, count: int) -> list[str]:
    """What the upstream has been asked for."""
    return [line.removeprefix("bytes=") for line in nginx.access_log(count, "up")]


@pytest.mark.parametrize("cache", ["", CACHE], ids=["passed", "cached"])
def test_whole(nginx: Nginx, cache: str) -> None:
    serve(nginx, cache)
    nginx.exchange(f"""
        > GET /t
        < 200
        < Content-Length: 16
        < Accept-Ranges: bytes
        < !Content-Range
        <
        < {TEXT}
        """)
    assert asked(nginx, 4) == ["0-3 206", "4-7 206", "8-11 206", "12-15 206"]


@pytest.mark.parametrize(
    ("wanted", "part", "slices"),
    [
        ("0-0", "0", ["0-3"]),
        ("3-4", "34", ["0-3", "4-7"]),
        ("5-6", "56", ["4-7"]),
        ("9-", "9abcdef", ["8-11", "12-15"]),
        ("15-99", "f", ["12-15"]),
        ("-2", "ef", ["0-3", "12-15"]),
    ],
)
def test_only_what_is_wanted_is_asked_for(
    nginx: Nginx, wanted: str, part: str, slices: list[str]
) -> None:
    serve(nginx)
    for _ in range(2):  # from the upstream, then from the cache
        answer = nginx.request("GET /t", f"Range: bytes={wanted}")
        assert (answer.status, answer.text) == (206, part)
        assert (answer.get("Content-Range") or "").endswith("/16")
    assert asked(nginx, len(slices)) == [f"{piece} 206" for piece in slices]


def test_several_ranges_are_answered_with_all(nginx: Nginx) -> None:
    serve(nginx)
    answer = nginx.request("GET /t", "Range: bytes=1-2,9-9")
    assert (answer.status, answer.text) == (200, TEXT)


def test_beyond_the_end(nginx: Nginx) -> None:
    serve(nginx)
    assert nginx.request("GET /t", "Range: bytes=16-").status == 416
    assert asked(nginx, 1) == ["16-19 416"]


def test_what_has_no_ranges_is_passed_on_as_it_is(nginx: Nginx) -> None:
    serve(nginx)
    assert nginx.request("GET /empty").text == ""
    assert nginx.request("GET /none").status == 404
    assert asked(nginx, 2) == ["0-3 200", "0-3 404"]


def test_head_asks_for_one_slice(nginx: Nginx) -> None:
    serve(nginx)
    nginx.exchange("""
        > HEAD /t
        < 200
        < Content-Length: 16
        """)
    assert asked(nginx, 1) == ["0-3 206"]


def test_conditions_are_those_of_the_whole(nginx: Nginx) -> None:
    serve(nginx)
    etag = nginx.request("GET /t").get("ETag")
    assert nginx.request("GET /t", f"If-None-Match: {etag}").status == 304
    assert nginx.request("GET /t", 'If-Match: "x"').status == 412
    answer = nginx.request("GET /t", "Range: bytes=9-10", f"If-Range: {etag}")
    assert (answer.status, answer.text) == (206, "9a")
    assert asked(nginx, 4) == ["0-3 206", "4-7 206", "8-11 206", "12-15 206"]


def test_filters_see_all_of_it(nginx: Nginx) -> None:
    serve(nginx, f"{CACHE} gzip on; gzip_types *; gzip_min_length 1; gunzip on;")
    answer = nginx.request("GET /t", "Accept-Encoding: gzip")
    assert answer.get("Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body).decode() == TEXT


def fragments(*heads: str) -> Script:
    """Answers one request after the other with the head and four bytes."""
    left = iter(heads)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 {next(left)}\r\nContent-Length: 4\r\n\r\nabcd".encode())

    return script


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (["206\r\nX: y"], "invalid range in slice response"),
        (["206\r\nContent-Range: bytes 0-3"], "invalid range in slice response"),
        (["206\r\nContent-Range: bytes 0-3/99999999999999999999"], "invalid range in slice respon"),
        (["206\r\nContent-Range: bytes 0-3/*"], "no complete length in slice response"),
        (
            ["206\r\nContent-Range: bytes 0-4/9"],
            "unexpected range in slice response: 0-5",
        ),
    ],
)
def test_a_first_slice_that_makes_no_sense(nginx: Nginx, heads: list[str], message: str) -> None:
    nginx.backend("up", fragments(*heads))
    nginx(f"location / {{ {SLICES} }}")
    assert nginx.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    nginx.wait_for_log(rf"\[error\] .*{message}")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("200", "unexpected status code 200 in slice response"),
        ("404", "unexpected status code 404 in slice response"),
        ('206\r\nETag: "b"\r\nContent-Range: bytes 4-7/8', "etag mismatch in slice response"),
        ("206\r\nContent-Range: bytes 4-7/8", "etag mismatch in slice response"),
        ('206\r\nETag: "a"\r\nContent-Range: bytes 0-3/8', "unexpected range in slice response"),
    ],
)
def test_a_slice_of_something_else(nginx: Nginx, second: str, message: str) -> None:
    """The response is cut, so that the client notices."""
    nginx.backend("up", fragments('206\r\nETag: "a"\r\nContent-Range: bytes 0-3/8', second))
    nginx(f"location / {{ {SLICES} }}")
    assert nginx.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""  # it has been held back
    nginx.wait_for_log(rf"\[error\] .*{message}")


def test_variable(nginx: Nginx) -> None:
    """It is empty where nothing is split, and once there is a response."""
    nginx("""
        location /off { return 200 "[$slice_range]"; }
        location /on { slice 1k; set $range $slice_range; return 200 "[$range]"; }
        location /late { slice 1k; add_header X-Range "[$slice_range]"; return 200; }
        """)
    nginx.exchange("""
        > GET /off
        < 200
        <
        < []

        > GET /on
        > Range: bytes=2047-2048
        < 200
        <
        < [bytes=1024-2047]

        > GET /late
        < 200
        < X-Range: []
        """)


def test_error_pages_are_split_as_well(nginx: Nginx) -> None:
    """What a named location passes on begins anew."""
    nginx(
        f"location / {{ error_page 404 = @up; }} location @up {{ {SLICES} }}",
        http=FORMAT,
        servers=[FILES.replace("html", "up")],
        files={"up/t": TEXT},
    )
    assert nginx.request("GET /t").text == TEXT


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("slice;", 'invalid number of arguments in "slice" directive')
    nginx.rejects("slice 1x;", '"slice" directive invalid value')
    nginx.rejects("slice 1; slice 2;", '"slice" directive is duplicate')
