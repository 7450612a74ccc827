"""brotli and zstd: other codings than gzip."""

from __future__ import annotations

from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from ..backend import Peer
from ..nginx import Nginx
from ..wire import Answer

pytestmark = pytest.mark.pyngx_only("modules of others")

TEXT = "some text " * 50
CODINGS = ("br", "zstd")
DIRECTIVES = {"br": "brotli", "zstd": "zstd"}
STATIC = {"br": "brotli_static", "zstd": "zstd_static"}
EXTENSIONS = {"br": "br", "zstd": "zst"}


def inflated(answer: Answer) -> str:
    decode: dict[str | None, Callable[[bytes], bytes]] = {
        "br": brotli.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    }
    return decode[answer.get("Content-Encoding")](answer.body).decode()


@pytest.mark.parametrize("name", CODINGS)
def test_compressed(nginx: Nginx, name: str) -> None:
    nginx(
        f"{DIRECTIVES[name]} on; default_type text/html; gzip_vary on;",
        files={"html/a": TEXT, "html/short": "short"},
    )
    answer = nginx.request("GET /a", f"Accept-Encoding: gzip, {name}")
    assert inflated(answer) == TEXT and len(answer.body) < len(TEXT)
    assert answer.get("Vary") == "Accept-Encoding"
    assert (answer.get("ETag") or "").startswith("W/")
    assert answer.get("Content-Length") is None and answer.get("Accept-Ranges") is None
    nginx.exchange(f"""
        > GET /a
        > Accept-Encoding: gzip, {name};q=0
        < 200
        < Vary: Accept-Encoding
        < !Content-Encoding

        > GET /a
        < 200
        < !Content-Encoding

        > GET /short
        > Accept-Encoding: {name}
        < 200
        < !Content-Encoding
        <
        < short

        > HEAD /a
        > Accept-Encoding: {name}
        < 200
        < Content-Encoding: {name}
        """)


def test_which_one(nginx: Nginx) -> None:
    nginx("brotli on; zstd on; gzip on; default_type text/html;", files={"html/a": TEXT})
    for offered, chosen in {
        "gzip, br, zstd": "zstd",
        "gzip, br": "br",
        "gzip": "gzip",
        "zstd;q=0, br;q=0.5, gzip": "br",
        "brotli, zstandard": None,
    }.items():
        answer = nginx.request("GET /a", f"Accept-Encoding: {offered}")
        assert answer.get("Content-Encoding") == chosen


LIMITS = {
    "br": "brotli on; brotli_types text/plain; brotli_min_length 4;",
    "zstd": "zstd on; zstd_types text/plain; zstd_min_length 4;",
}


@pytest.mark.parametrize("name", CODINGS)
def test_types_and_length(nginx: Nginx, name: str) -> None:
    nginx(
        f"""
        {LIMITS[name]}
        location /plain {{ default_type text/plain; return 200 text; }}
        location /less {{ default_type text/plain; return 200 tex; }}
        location /json {{ default_type application/json; return 200 text; }}
        """
    )
    chosen = [
        nginx.request(f"GET {path}", f"Accept-Encoding: {name}").get("Content-Encoding")
        for path in ("/plain", "/less", "/json")
    ]
    assert chosen == [name, None, None]


@pytest.mark.parametrize(
    "directives",
    [
        "brotli on; brotli_comp_level 0; brotli_window 1k; brotli_buffers 32 4k;",
        "brotli on; brotli_comp_level 11; brotli_window 16m;",
        "zstd on; zstd_comp_level -5; zstd_buffers 32 1k;",
        "zstd on; zstd_comp_level 22;",
    ],
)
def test_levels(nginx: Nginx, directives: str) -> None:
    """Also of a stream whose parts are sent at once."""

    def slow(peer: Peer) -> None:
        peer.request()
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
        peer.send(head.encode() + TEXT.encode())
        peer.send(TEXT.encode())

    nginx.backend("up", slow)
    nginx(f"""
        {directives} location / {{ proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_buffering off; }}
        """)
    for name in CODINGS:
        answer = nginx.request("GET /", f"Accept-Encoding: {name}")
        if answer.get("Content-Encoding") is not None:
            assert inflated(answer) == TEXT * 2
            return
    raise AssertionError("not compressed")


@pytest.mark.parametrize("name", CODINGS)
def test_ratio(nginx: Nginx, name: str) -> None:
    directive = DIRECTIVES[name]
    nginx(
        f"{directive} on; default_type text/html; access_log %%DIR%%/logs/access.log ratio;",
        http=f'log_format ratio "${directive}_ratio";',
        files={"html/a": TEXT},
    )
    nginx.request("GET /a", f"Accept-Encoding: {name}")
    nginx.request("GET /a")
    compressed, plain = nginx.access_log(2)
    assert float(compressed) > 5 and plain == "-"


@pytest.mark.parametrize("name", CODINGS)
def test_files_that_are_compressed_already(nginx: Nginx, name: str) -> None:
    static, extension = STATIC[name], EXTENSIONS[name]
    nginx(
        f"""
        gzip_static on; gzip_vary on; {static} on;
        location /always {{ {static} always; alias %%DIR%%/html; }}
        """,
        files={
            "html/a.html": "plain",
            "html/a.html.gz": "gz",
            f"html/a.html.{extension}": "packed",
            "html/b.html": "plain",
            "html/b.html.gz": "gz",
        },
    )
    nginx.exchange(f"""
        > GET /a.html
        > Accept-Encoding: gzip, {name}
        < 200
        < Content-Encoding: {name}
        < Content-Type: text/html
        < Content-Length: 6
        < Vary: Accept-Encoding
        <
        < packed

        > GET /a.html
        > Accept-Encoding: gzip
        < 200
        < Content-Encoding: gzip
        <
        < gz

        > GET /b.html
        > Accept-Encoding: gzip, {name}
        < 200
        < Content-Encoding: gzip
        <
        < gz

        > GET /a.html
        < 200
        < !Content-Encoding
        <
        < plain

        > GET /always/a.html
        < 200
        < Content-Encoding: {name}
        <
        < packed

        > GET /always/b.html
        > Accept-Encoding: {name}
        < 200
        <
        < plain
        """)


def test_dictionary(nginx: Nginx) -> None:
    nginx(
        "zstd on; default_type text/html;",
        http="zstd_dict_file words;",
        files={"html/a": TEXT, "words": "some text that is well known"},
    )
    answer = nginx.request("GET /a", "Accept-Encoding: zstd")
    words = zstandard.ZstdCompressionDict(b"some text that is well known")
    stream = zstandard.ZstdDecompressor(dict_data=words).decompressobj()
    assert stream.decompress(answer.body).decode() == TEXT


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("brotli_comp_level 12;", "value must be between 0 and 11"),
        ("brotli_comp_level x;", '"brotli_comp_level" directive invalid number'),
        ("brotli_window 3k;", '"brotli_window" directive must be a power of two from 1k to 16m'),
        ("brotli_window x;", '"brotli_window" directive invalid value'),
        ("brotli_static maybe;", 'invalid value "maybe"'),
        ("zstd_comp_level 0;", "value must be between -131072 and 22, and not 0"),
        ("zstd_comp_level high;", '"zstd_comp_level" directive invalid number'),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(directive, message)


def test_a_dictionary_that_is_not_there(nginx: Nginx) -> None:
    assert "No such file or directory" in nginx.refused("zstd on;", http="zstd_dict_file none;")
