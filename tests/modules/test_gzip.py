"""gzip, gunzip and gzip_static."""

from __future__ import annotations

import gzip
import re
import threading
import zlib

import pytest

from pyngx_jwt.modules.gzip import parameters

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

LONG = "".join(f"line {number * number}\n" for number in range(40_000))
MSIE = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"
GZIP = "Accept-Encoding: gzip"
PAGES = (
    *("index.html", "vary/index.html", "vary/plain", "types", "plain", "star"),
    *("off.html", "if.html", "denied.html", "own.html", "none.html", "1.0.html", "msie.html"),
    *("any.html", "auth.html", "expired.html", "fresh.html", "expired-no.html"),
    *("cache.html", "tags.html", "no-tags.html"),
)


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        root html;
        gzip on;
        location / { }
        location /off { gzip off; }
        location /if { gzip off; if ($arg_gzip) { gzip on; } }
        location /types { gzip_types text/css Application/JSON; default_type text/css; }
        location /plain { default_type text/plain; }
        location /star { gzip_types *; default_type x/y; }
        location /level { gzip_comp_level 9; gzip_window 512; gzip_hash 512; gzip_buffers 2 1k;
                          postpone_gzipping 1k; }
        location /vary { gzip_vary on; location /vary/plain { default_type text/plain; } }
        location /return { return 200 "twenty-one characters"; default_type text/html; }
        location /short { return 200 "nineteen characters"; default_type text/html; }
        location /min { gzip_min_length 5; return 200 "short"; default_type text/html; }
        location /denied { deny all; }
        location /error { return 500; }
        location /own { add_header ETag W/"weak"; add_header X-Y z; }
        location /none { add_header ETag none; etag off; }
        location /1.0 { gzip_http_version 1.0; }
        location /msie { gzip_disable msie6 "^Ancient" "o?ld"; }
        location /any { gzip_proxied any; }
        location /auth { gzip_proxied auth expired; }
        location /expired { gzip_proxied expired; expires -1; }
        location /fresh { gzip_proxied expired; expires 1h; }
        location /expired-no { gzip_proxied no-cache; expires -1; }
        location /cache { gzip_proxied no-cache no-store private;
                          add_header Cache-Control "public, $arg_c"; }
        location /tags { gzip_proxied no_last_modified; }
        location /no-tags { gzip_proxied no_etag; }
        """,
        files={f"html/{name}": "x" * 500 for name in PAGES}
        | {"html/long.html": LONG, "html/level.html": LONG},
    )
    return module_nginx


def test_response(site: Nginx) -> None:
    answer = site.request("GET /", GZIP)
    assert answer.get("Content-Encoding") == "gzip"
    assert answer.get("Transfer-Encoding") == "chunked"
    assert re.fullmatch(r'W/"\w+-\w+"', answer.get("ETag") or "")
    assert answer.get("Last-Modified")
    assert not answer.all("Content-Length") + answer.all("Accept-Ranges") + answer.all("Vary")
    assert gzip.decompress(answer.body) == b"x" * 500


def test_vary_of_alike_responses(nginx: Nginx) -> None:
    """Only the location with compression says that it varies, whichever is asked first."""
    text = "a" * 100
    nginx(f"""
        default_type text/html;
        location /plain {{ return 200 {text}; }}
        location /gzip  {{ gzip on; gzip_vary on; return 200 {text}; }}
        """)
    uris = ["/gzip", "/plain", "/gzip", "/plain"]
    got = [nginx.request(f"GET {uri}").get("Vary") for uri in uris]
    assert got == ["Accept-Encoding", None, "Accept-Encoding", None]


def test_head(site: Nginx) -> None:
    site.exchange(f"> HEAD /\n> {GZIP}\n< 200\n< Content-Encoding: gzip\n< !Content-Length\n<")


def test_ranges_are_not_for_what_is_compressed(site: Nginx) -> None:
    site.exchange(f"""
        > GET /
        > {GZIP}
        > Range: bytes=0-1
        < 200
        < Content-Encoding: gzip

        > GET /
        > Range: bytes=0-1
        < 206
        < !Content-Encoding
        <
        < xx
        """)


@pytest.mark.parametrize("path", ["/long.html", "/level.html"])
def test_long(site: Nginx, path: str) -> None:
    answer = site.request(f"GET {path}", GZIP)
    assert gzip.decompress(answer.body).decode() == LONG
    assert len(answer.body) < len(LONG) * 0.6


@pytest.mark.parametrize(
    ("path", "encoding"),
    [
        ("/off.html", None),
        ("/if.html", None),
        ("/if.html?gzip=1", "gzip"),
        ("/types", "gzip"),
        ("/plain", None),
        ("/star", "gzip"),
        ("/return", "gzip"),
        ("/short", None),
        ("/min", "gzip"),
        ("/denied.html", "gzip"),
        ("/missing", "gzip"),
        ("/error", None),
        ("/msie.html", "gzip"),
    ],
)
def test_what_is_compressed(site: Nginx, path: str, encoding: str | None) -> None:
    assert site.request(f"GET {path}", GZIP).get("Content-Encoding") == encoding


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("gzip, deflate", True),
        ("gzip,deflate", True),
        ("deflate, GZip", True),
        ("deflate,gzip;q=1", True),
        ("br ; q=1, gzip ; q=0.001", True),
        ("gzip;", True),
        ("gzip;q=1.000", True),
        ("gzip;q=1.001", False),
        ("gzip;q=0.0001", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=2", False),
        ("gzip;q=", False),
        ("gzip;q=x", False),
        ("gzip;x=1", False),
        ("gzip x", False),
        ("xgzip", False),
        ("x-gzip, gzip", True),
        ("xgzipgzip", True),
        ("br", False),
        ("*", False),
        ("gzip,;q=0", True),
    ],
)
def test_accept_encoding(site: Nginx, accept: str, taken: bool) -> None:
    answer = site.request("GET /", f"Accept-Encoding: {accept}")
    assert answer.get("Content-Encoding") == ("gzip" if taken else None)


def test_vary(site: Nginx) -> None:
    for fields in (f"> {GZIP}\n", ""):
        site.exchange(f"> GET /vary/\n{fields}< 200\n< Vary: Accept-Encoding")
    site.exchange(f"> GET /vary/plain\n> {GZIP}\n< 200\n< !Vary")
    site.exchange(f"> GET /\n> {GZIP}\n< 200\n< !Vary")


def test_etags(site: Nginx) -> None:
    site.exchange(f'> GET /own.html\n> {GZIP}\n< 200\n< ETag: W/"weak"\n< X-Y: z')
    site.exchange(f"> GET /none.html\n> {GZIP}\n< 200\n< !ETag\n< Content-Encoding: gzip")


def test_conditions_come_first(site: Nginx) -> None:
    etag = site.request("GET /", GZIP).get("ETag")
    answer = site.request("GET /", GZIP, f"If-None-Match: {etag}")
    assert (answer.status, answer.get("Content-Encoding")) == (304, None)


def test_versions(site: Nginx) -> None:
    for path, encoding in (("/", None), ("/1.0.html", "gzip")):
        answer = site.request(f"GET {path} HTTP/1.0", GZIP)
        assert answer.get("Content-Encoding") == encoding
        assert answer.get("Content-Length") == (None if encoding else "500")


@pytest.mark.parametrize(
    ("agent", "encoding"),
    [
        (MSIE, None),
        (f"{MSIE} SV1", "gzip"),
        (f"{MSIE} Opera", "gzip"),
        (MSIE.replace("6.0", "5.5"), None),
        (MSIE.replace("6.0", "7.0"), "gzip"),
        ("User-Agent: ancient", None),
        ("User-Agent: very OLD", None),
        ("User-Agent: new", "gzip"),
    ],
)
def test_disable(site: Nginx, agent: str, encoding: str | None) -> None:
    assert site.request("GET /msie.html", GZIP, agent).get("Content-Encoding") == encoding
    assert site.request("GET /", GZIP, agent).get("Content-Encoding") == "gzip"


@pytest.mark.parametrize(
    ("path", "fields", "encoding"),
    [
        ("/", [], None),
        ("/any.html", [], "gzip"),
        ("/auth.html", ["Authorization: x"], "gzip"),
        ("/auth.html", [], "gzip"),
        ("/expired.html", [], "gzip"),
        ("/fresh.html", [], None),
        ("/expired-no.html", [], None),
        ("/cache.html?c=no-cache", [], "gzip"),
        ("/cache.html?c=No-Store", [], "gzip"),
        ("/cache.html?c=private", [], "gzip"),
        ("/cache.html?c=max-age=1", [], None),
        ("/tags.html", [], "gzip"),
        ("/no-tags.html", [], None),
    ],
)
def test_proxied(site: Nginx, path: str, fields: list[str], encoding: str | None) -> None:
    answer = site.request(f"GET {path}", GZIP, "Via: 1.1 proxy", *fields)
    assert answer.get("Content-Encoding") == encoding


def test_answers_of_upstreams(nginx: Nginx) -> None:
    def answer(fields: str) -> bytes:
        body = b"x" * 100
        return f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n{fields}\r\n".encode() + body

    nginx.backend("typed", answer('Content-Type: text/html; charset=utf-8\r\nETag: "a"\r\n'))
    nginx.backend("other", answer("Content-Type: text/html; x=y\r\n"))
    nginx.backend("encoded", answer("Content-Type: text/html\r\nContent-Encoding: br\r\n"))
    nginx("""
        gzip on;
        location /typed { proxy_pass http://127.0.0.1:%%PORT_typed%%; }
        location /other { proxy_pass http://127.0.0.1:%%PORT_other%%; }
        location /encoded { proxy_pass http://127.0.0.1:%%PORT_encoded%%; }
        """)
    typed = nginx.request("GET /typed", GZIP)
    assert gzip.decompress(typed.body) == b"x" * 100
    assert (typed.get("Content-Type"), typed.get("ETag")) == ("text/html; charset=utf-8", 'W/"a"')
    nginx.exchange(f"""
        > GET /other
        > {GZIP}
        < 200
        < Content-Length: 100
        < !Content-Encoding

        > GET /encoded
        > {GZIP}
        < 200
        < Content-Length: 100
        < Content-Encoding: br
        """)


def test_unbuffered_answers_arrive_at_once(nginx: Nginx) -> None:
    arrived = threading.Event()

    def slowly(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nfirst")
        assert arrived.wait(DEADLINE)
        peer.send(b"second")

    nginx.backend("slow", slowly)
    nginx("location / { gzip on; proxy_buffering off; proxy_pass http://127.0.0.1:%%PORT_slow%%; }")
    unpacked, unzip = b"", zlib.decompressobj(31)
    with nginx.connect() as client:
        client.wire.send(f"GET / HTTP/1.1\r\nHost: x\r\n{GZIP}\r\n\r\n".encode())
        client.wire.until(b"\r\n\r\n")
        while size := int(client.wire.until(b"\r\n"), 16):
            unpacked += unzip.decompress(client.wire.exactly(size + 2)[:-2])
            if unpacked == b"first":
                arrived.set()
    assert (unpacked, unzip.eof) == (b"firstsecond", True)


def test_ratio(nginx: Nginx) -> None:
    nginx(
        """
        gzip on;
        access_log logs/access.log ratio;
        location / { default_type text/html; return 200 $arg_body; }
        """,
        http='log_format ratio "$gzip_ratio";',
    )
    answer = nginx.request(f"GET /?body={'x' * 300}", GZIP)
    nginx.request(f"GET /?body={'x' * 300}")
    nginx.request(f"HEAD /?body={'x' * 300}", GZIP)
    ratio = 300 / len(answer.body)
    assert nginx.access_log(3) == [f"{ratio:.2f}", "-", "-"]


@pytest.mark.parametrize(
    ("length", "bits", "memory"),
    [(-1, 15, 8), (0, 15, 8), (40000, 15, 8), (10000, 14, 7), (5000, 13, 6), (10, 9, 2)],
)
def test_zlib_takes_no_more_memory_than_needed(length: int, bits: int, memory: int) -> None:
    assert parameters(15, 8, length) == (bits, memory)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("gzip_comp_level 10;", "value must be between 1 and 9"),
        ("gzip_comp_level 0;", "value must be between 1 and 9"),
        ("gzip_comp_level x;", '"gzip_comp_level" directive invalid number'),
        (
            "gzip_window 3k;",
            '"gzip_window" directive must be 512, 1k, 2k, 4k, 8k, 16k, or 32k',
        ),
        (
            "gzip_hash 256;",
            '"gzip_hash" directive must be 512, 1k, 2k, 4k, 8k, 16k, 32k, 64k, or 128k',
        ),
        ("gzip_types;", 'invalid number of arguments in "gzip_types" directive'),
        ("gzip_proxied sometimes;", 'invalid value "sometimes"'),
        ("gzip_http_version 2;", 'invalid value "2"'),
        ("gzip on; gzip off;", '"gzip" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, conf: str, message: str) -> None:
    nginx.rejects(conf, message)


def test_repeated_types(nginx: Nginx) -> None:
    told = nginx.accepts("gzip_types a/b text/html; gzip_types A/B; location / { gzip_types *; }")
    assert 'duplicate MIME type "text/html" in ' in told
    assert 'duplicate MIME type "a/b" in ' in told


# gzip_static


@pytest.mark.needs("http_gzip_static_module")
def test_static(nginx: Nginx) -> None:
    nginx(
        """
        root html;
        location /on { gzip_static on; gzip_vary on; }
        location /always { gzip_static always; }
        location /quiet { gzip_static on; }
        """,
        files={
            f"html/{folder}/{name}": content
            for folder in ("on", "always", "quiet")
            for name, content in (("a.html", "plain"), ("a.html.gz", "packed"), ("b.html", "b"))
        }
        | {"html/on/folder.gz/x": ""},
    )
    nginx.exchange(f"""
        > GET /on/a.html
        > {GZIP}
        < 200
        < Content-Encoding: gzip
        < Content-Type: text/html
        < Content-Length: 6
        < Vary: Accept-Encoding
        < Accept-Ranges: bytes
        <
        < packed

        > GET /on/a.html
        < 200
        < !Content-Encoding
        < Vary: Accept-Encoding
        <
        < plain

        > GET /on/b.html
        > {GZIP}
        < 200
        < !Vary
        < !Content-Encoding
        <
        < b

        > GET /on/folder
        > {GZIP}
        < 404

        > GET /always/a.html
        < 200
        < Content-Encoding: gzip
        < !Vary
        <
        < packed

        > GET /quiet/a.html
        < 200
        <
        < plain

        > GET /quiet/a.html
        > {GZIP}
        > Range: bytes=0-1
        < 206
        < Content-Encoding: gzip
        < !Vary
        <
        < pa

        > POST /always/a.html
        < 405
        """)


# gunzip


GUNZIP = """
    root html;
    gunzip on; gunzip_buffers 4 4k; gzip_static always;
    location /vary { gzip_vary on; }
    location /added { gzip_static off; add_header Content-Encoding gzip; }
    """


@pytest.mark.needs("http_gunzip_module")
def test_gunzip(nginx: Nginx) -> None:
    packed = gzip.compress(LONG.encode())
    nginx(
        GUNZIP,
        files={
            "html/a.html.gz": packed,
            "html/two.html.gz": gzip.compress(b"one ") + gzip.compress(b"two"),
            "html/vary/a.html.gz": packed,
            "html/added": "no gzip",
            "html/bombe.html.gz": gzip.compress(b"\0" * 30_000_000),
        },
    )
    answer = nginx.request("GET /a.html")
    assert answer.text == LONG
    assert not answer.all("Content-Encoding") + answer.all("Content-Length") + answer.all("Vary")
    assert (answer.get("ETag") or "").startswith('W/"')
    assert nginx.request("GET /a.html", GZIP).body == packed
    assert nginx.request("GET /two.html").text == "one two"
    assert nginx.request("GET /vary/a.html").get("Vary") == "Accept-Encoding"
    assert nginx.request("GET /vary/a.html", GZIP).get("Vary") == "Accept-Encoding"
    assert nginx.request("GET /added").text == "no gzip"
    nginx.exchange("> HEAD /a.html\n< 200\n< !Content-Length\n<")
    assert len(nginx.request("GET /bombe.html").body) == 30_000_000


@pytest.mark.needs("http_gunzip_module")
def test_broken_gzip_is_cut(nginx: Nginx) -> None:
    nginx(
        GUNZIP,
        files={"html/a.html.gz": "no gzip", "html/b.html.gz": gzip.compress(b"x" * 99)[:-9]},
    )
    for path in ("/a.html", "/b.html"):
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        assert not nginx.raw(request).endswith(b"0\r\n\r\n")
    nginx.wait_for_log(r"\[error\] .*: \*\d+ inflate\(\) failed: \d, -3, client:")
    nginx.wait_for_log(r"\[error\] .* inflate\(\) returned -5 on response end, client:")
