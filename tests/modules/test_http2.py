"""HTTP/2 towards clients: requests, bodies, windows, and how connections end."""

from __future__ import annotations

import contextlib
import gzip
import os
import queue
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from h2.settings import SettingCodes

from pyngx_jwt.http2 import frames
from pyngx_jwt.http2.blocks import write_block

from ..authority import Authority
from ..backend import Peer
from ..http2client import Http2Client
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEYS, bearer, tampered, token

HEAD = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "localhost")]
LOCALHOST = Authority("localhost")
POST = [(":method", "POST"), *HEAD[1:]]
ECHO = """
    http2 on;
    location / { return 200 "$request_method $request_uri $server_protocol [$http2] $host"; }
    """


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)], 400),
        ([b"P", b"UT /a HTTP/1.0\r\n\r\n"], 200),
    ],
)
def test_an_address_without_http2_on_a_port_that_has_it(
    nginx: Nginx, pieces: list[bytes], status: int
) -> None:
    nginx(
        "access_log logs/a main; location / { return 200 $request_method; }",
        listen="127.0.0.1:%%PORT%%",
        http="""
        log_format main $request;
        server { listen %%PORT%%; http2 on; location / { return 200 other; } }
        """,
    )
    with nginx.connect() as client:
        for piece in pieces:
            client.wire.send(piece)
            time.sleep(0.05)  # most likely read apart
        head, _, body = client.wire.rest().partition(b"\r\n\r\n")
    assert b" %d " % status in head.partition(b"\r\n")[0]
    assert status == 400 or body == b"PUT"
    assert "Traceback" not in nginx.error_log()


def test_beside_http1(nginx: Nginx) -> None:
    nginx(ECHO)
    nginx.exchange("""
        > GET /a
        < 200
        <
        < GET /a HTTP/1.1 [] localhost
        """)
    with nginx.http2() as client:
        client.exchange("""
            > GET /a?b
            < 200
            < content-type: text/plain
            < content-length: 33
            <
            < GET /a?b HTTP/2.0 [h2c] localhost

            > HEAD /a
            < 200
            < content-length: 32
            <
            """)


@pytest.mark.parametrize("begin", [b"P", b"PRI", b"PRI * HTTP/2.0\r\n\r\nSM"])
def test_a_preface_in_pieces(nginx: Nginx, begin: bytes) -> None:
    nginx(ECHO)
    with nginx.connect() as conversation:
        wire = conversation.wire
        wire.send(begin)
        assert wire.silent(0.1)
        wire.send(frames.PREFACE[len(begin) :] + frames.settings([]))
        assert wire.exactly(9)[3] == frames.SETTINGS


def test_a_beginning_that_is_no_preface_is_http1(nginx: Nginx) -> None:
    nginx(ECHO)
    assert nginx.raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert b"PUT /x HTTP/1.1" in nginx.raw(
        b"PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )


def test_off(nginx: Nginx) -> None:
    nginx("location / { return 200; }")
    with nginx.connect() as conversation:
        conversation.wire.send(frames.PREFACE)
        assert conversation.wire.rest().startswith(b"HTTP/1.1 400 ")


def test_another_server_of_the_port_speaks_http1_only(nginx: Nginx) -> None:
    nginx(
        ECHO,
        servers=[
            "listen 127.0.0.1:%%PORT%%; server_name other; http2 off; location / { return 200; }"
        ],
    )
    with nginx.http2() as client:
        client.exchange("""
            > GET /
            > Host: other
            < 421

            > GET /
            < 200
            """)


def test_listen_parameter(nginx: Nginx) -> None:
    nginx("location / { return 200 $http2; }", listen="127.0.0.1:%%PORT%% http2")
    with nginx.http2() as client:
        assert client.request("GET /").body == b"h2c"
    assert (
        'the "listen ... http2" directive is deprecated, use the "http2" directive instead'
        in nginx.read("logs/stderr")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http2 maybe;", 'invalid value "maybe" in "http2" directive, it must be "on" or "off"'),
        (
            "http2_max_concurrent_streams x;",
            '"http2_max_concurrent_streams" directive invalid number',
        ),
        ("http2_body_preread_size x;", '"http2_body_preread_size" directive invalid value'),
        (
            "http2_body_preread_size 2147483648;",
            "the maximum body preread buffer size is 2147483647",
        ),
        ("http2_chunk_size 0;", "the http2 chunk size cannot be zero"),
        ("http2_chunk_size x;", '"http2_chunk_size" directive invalid value'),
        ("http2_pool_size 10;", re.compile(r"the pool size must be no less than \d+")),
        (
            "http2_streams_index_size 3;",
            '"http2_streams_index_size" directive must be a power of two',
        ),
        ("http2_streams_index_size x;", '"http2_streams_index_size" directive invalid number'),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects(text, message)


def test_rejected_in_http(nginx: Nginx) -> None:
    text = '"http2_recv_buffer_size" directive value is too small'
    nginx.rejects(http="http2_recv_buffer_size 16;", message=text)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("http2_idle_timeout", "keepalive_timeout"),
        ("http2_recv_timeout", "client_header_timeout"),
        ("http2_max_requests", "keepalive_requests"),
        ("http2_max_field_size", "large_client_header_buffers"),
        ("http2_max_header_size", "large_client_header_buffers"),
        ("http2_max_concurrent_pushes", ""),
        ("http2_push_preload", ""),
        ("http2_push", ""),
    ],
)
def test_obsolete(nginx: Nginx, name: str, instead: str) -> None:
    what = f'use the "{instead}" directive instead' if instead else "ignored"
    assert f'the "{name}" directive is obsolete, {what}' in nginx.accepts(f"{name} on;")


# -- heads -------------------------------------------------------------------------------------


def test_cookies_are_joined(nginx: Nginx) -> None:
    nginx("http2 on; location / { return 200 $http_cookie|$cookie_b; }")
    with nginx.http2() as client:
        number = client.open([*HEAD, ("cookie", "a=1; b=2"), ("cookie", "c=3")])
        assert client.wait(number).body == b"a=1; b=2; c=3|2"


def test_names_that_are_not_usual(nginx: Nginx) -> None:
    nginx(
        "http2 on; location / { return 200 [$http_x_y]; }",
        servers=[
            "listen 127.0.0.1:%%PORT%%; server_name more; underscores_in_headers on;"
            "http2 on; location / { return 200 [$http_x_y]; }"
        ],
    )
    with nginx.http2() as client:
        plain = client.open([*HEAD, ("x_y", "1")])
        assert client.wait(plain).body == b"[]"
        more = client.open([*HEAD[:3], (":authority", "more"), ("x_y", "1")])
        assert client.wait(more).body == b"[1]"
    nginx.wait_for_log(r'client sent invalid header( line)?: "x_y" while reading client request')


def test_too_many_and_too_large_headers(nginx: Nginx) -> None:
    nginx("http2 on; max_headers 3; large_client_header_buffers 2 1k; location / { return 200; }")
    with nginx.http2() as client:
        client.exchange("""
            > GET /
            > X-A: 1
            > X-B: 2
            > X-C: 3
            > X-D: 4
            < 400

            > GET /
            > X-A: 1
            > Cookie: a
            > X-B: 2
            > X-C: 3
            < 200
            """)
        client.open([*HEAD, ("x", "+" * 1025)])
        goaway = client.wait_end()
        assert goaway is not None and goaway.code == frames.ENHANCE_YOUR_CALM
    with nginx.http2() as client:
        client.open([*HEAD, *[(f"x{n}", "+" * 500) for n in range(5)]])
        goaway = client.wait_end()
        assert goaway is not None and goaway.code == frames.ENHANCE_YOUR_CALM


def test_log(nginx: Nginx) -> None:
    nginx(
        'http2 on; access_log logs/access.log f; location / { return 200 "0123456789"; }'
        "location /gone { return 444; }",
        http="log_format f '$request|$status|$body_bytes_sent|$connection_requests|"
        "$request_length|$server_protocol|$http_host';",
    )
    with nginx.http2() as client:
        for _ in range(2):
            client.request("GET /")
        client.request("GET /gone")
    log = nginx.access_log(3)
    assert [line.split("|")[:4] for line in log] == [
        ["GET / HTTP/2.0", "200", "10", "1"],
        ["GET / HTTP/2.0", "200", "10", "2"],
        ["GET /gone HTTP/2.0", "444", "0", "3"],
    ]
    assert all(line.endswith("|HTTP/2.0|localhost") for line in log)


def test_redirects_and_error_pages(nginx: Nginx) -> None:
    nginx(
        """
        http2 on;
        location /redirect { return 301 /there; }
        location /dir/ { }
        location /missing { error_page 404 /page; return 404; }
        location /page { return 200 "$uri $status"; }
        location /named { error_page 404 = @named; return 404; }
        location @named { return 200 named; }
        """
    )
    port = nginx.port("")
    with nginx.http2() as client:
        client.exchange(f"""
            > GET /redirect
            < 301
            < location: http://localhost:{port}/there

            > GET /missing
            < 404
            <
            < /page 404

            > GET /named
            < 200
            <
            < named
            """)


def test_files_ranges_and_validators(nginx: Nginx) -> None:
    nginx("http2 on; root html;", files={"html/f.txt": "0123456789" * 10000})
    with nginx.http2() as client:
        whole = client.request("GET /f.txt").answer()
        assert whole and len(whole.body) == 100000
        etag, modified = whole.get("etag"), whole.get("last-modified")
        client.exchange(f"""
            > GET /f.txt
            > Range: bytes=2-4
            < 206
            < content-range: bytes 2-4/100000
            <
            < 234

            > GET /f.txt
            > If-None-Match: {etag}
            < 304
            < last-modified: {modified}
            <

            > GET /f.txt
            > Range: bytes=100001-
            < 416

            > HEAD /f.txt
            < 200
            < content-length: 100000
            <
            """)


def test_gzip(nginx: Nginx) -> None:
    nginx(
        "http2 on; gzip on; gzip_vary on; gzip_min_length 1; default_type text/html; root html;",
        files={"html/f": "0123456789" * 10000},
    )
    with nginx.http2() as client:
        answer = client.request("GET /f", "Accept-Encoding: gzip").answer()
        assert answer and answer.get("content-encoding") == "gzip"
        assert answer.get("vary") == "Accept-Encoding"
        assert gzip.decompress(answer.body) == b"0123456789" * 10000


def test_chunk_size(nginx: Nginx) -> None:
    nginx(
        "http2 on; root html; location /small { http2_chunk_size 1k; alias html/f; }"
        "location /big { http2_chunk_size 1m; alias html/f; }",
        files={"html/f": "0123456789" * 3000},
    )
    for path, most in (("/small", 1024), ("/big", 16384), ("/f", 8192)):
        with nginx.http2() as client:
            client.request(f"GET {path}")
            assert client.largest == most


def test_output_buffers(nginx: Nginx) -> None:
    """A frame has no more than a piece of the file."""
    nginx(
        "http2 on; http2_chunk_size 1m; sendfile off; output_buffers 2 1m; root html;",
        files={"html/f": "0123456789" * 10000},
    )
    with nginx.http2() as client:
        size = 1 << 20
        client.connection.update_settings(
            {SettingCodes.MAX_FRAME_SIZE: size, SettingCodes.INITIAL_WINDOW_SIZE: size}
        )
        client.connection.increment_flow_control_window(size)
        client.request("GET /f")
        assert client.largest == 100000


def curl_path() -> str:
    curl = shutil.which("curl")
    if curl is None or "HTTP2" not in subprocess.check_output([curl, "--version"], text=True):
        pytest.skip("curl with HTTP2 is not there")
    return curl


@contextmanager
def held(nginx: Nginx) -> Iterator[queue.SimpleQueue[Peer]]:
    """An upstream on %%PORT_back%% that leaves its connections to the test."""
    peers: queue.SimpleQueue[Peer] = queue.SimpleQueue()
    over = threading.Event()

    def keep(peer: Peer) -> None:
        peers.put(peer)
        over.wait(DEADLINE)

    nginx.backend("back", keep)
    try:
        yield peers
    finally:
        over.set()


# -- bodies ------------------------------------------------------------------------------------

BODIES = """
    http2 on;
    client_max_body_size 200k;
    location / { proxy_pass http://127.0.0.1:%%PORT_back%%; }
    location /unbuffered { proxy_request_buffering off; proxy_pass http://127.0.0.1:%%PORT_back%%; }
    """
BACK = """
    listen 127.0.0.1:%%PORT_back%%; client_max_body_size 0; client_body_buffer_size 300k;
    location / { proxy_pass http://127.0.0.1:%%PORT_back%%/read; }
    location /read { return 200 "$request_method $http_content_length $http_transfer_encoding"; }
    """


def test_bodies_reach_the_upstream(nginx: Nginx) -> None:
    nginx(BODIES, servers=[BACK])
    with nginx.http2() as client:
        assert client.request("POST /", body="x" * 5).body == b"POST 5 "
        number = client.open([*POST[:2], (":path", "/"), POST[3]], b"y" * 150000)
        assert client.wait(number).body == b"POST 150000 "


TRAILERS = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
    b"2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"
)


def test_trailers_of_an_upstream(nginx: Nginx) -> None:
    nginx(
        """
        http2 on;
        location / {
            proxy_http_version 1.1; proxy_pass_trailers on;
            proxy_set_header TE trailers; proxy_set_header Connection TE;
            proxy_pass http://127.0.0.1:%%PORT_script%%;
        }
        location /added { add_trailer X-Added "$request_uri"; return 200 body; }
        """,
    )
    nginx.backend("script", TRAILERS)
    with nginx.http2() as client:
        response = client.request("GET /")
        assert response.body == b"ok" and response.trailers == (("x-t", "1"),)
        added = client.request("GET /added")
        assert added.trailers == (("x-added", "/added"),)


def test_a_body_beyond_the_limit(nginx: Nginx) -> None:
    nginx(BODIES, servers=[BACK])
    with nginx.http2() as client:
        announced = client.request("POST /", "Content-Length: 300000")
        number = client.open(POST, b"x" * 300000)
        response = client.wait(number).answer()
        assert response and response.status == 413
        assert client.request("GET /").body == b"GET  "
        assert announced.answer() is not None


def test_unbuffered_bodies_wait_for_the_upstream(nginx: Nginx) -> None:
    """The window of the stream is opened as the upstream takes the body."""
    nginx(BODIES)
    with held(nginx) as peers, nginx.http2() as client:
        fields = [*POST[:2], (":path", "/unbuffered"), POST[3], ("content-length", "180000")]
        number = client.open(fields, end=False)
        client.send_body(number, b"x" * 1000, end=False)
        upstream = peers.get(timeout=DEADLINE).socket
        with upstream:
            upstream.settimeout(DEADLINE)
            seen = b""
            while not seen.endswith(b"x" * 1000):
                seen += upstream.recv(65536)
            assert b"content-length: 180000" in seen.lower()
            client.send_body(number, b"y" * 179000)
            total = 0
            while total < 179000:
                total += len(upstream.recv(65536))
            upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert client.wait(number).body == b"ok"


def test_an_upstream_that_wants_an_upgrade(nginx: Nginx) -> None:
    nginx("http2 on; location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }")
    nginx.backend(
        "b", b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"
    )
    with nginx.http2() as client:
        client.exchange("""
            > GET /
            < 426
            < !upgrade
            """)


def test_another_upstream_takes_what_is_left_of_a_body(nginx: Nginx) -> None:
    """The first one answers before it has the body; the reader of the rest is another."""
    nginx(
        """
        http2 on;
        location / {
            proxy_request_buffering off;
            proxy_intercept_errors on;
            error_page 502 = /other;
            proxy_pass http://127.0.0.1:%%PORT_back%%/refuse;
        }
        location /other { proxy_pass http://127.0.0.1:%%PORT_back%%/take; }
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_back%%; access_log logs/access.log;"
            "location /refuse { return 502; } location /take { return 200 ok; }"
        ],
    )
    with nginx.http2() as client:
        number = client.open(POST, b"one", end=False)
        nginx.access_log(1)  # that of the first upstream
        client.send_body(number, b"two")
        assert client.wait(number).body == b"ok"


def test_the_preread_window(nginx: Nginx) -> None:
    """A body that is not read yet may be so long, and no longer."""
    nginx("http2 on; http2_body_preread_size 10; location / { return 200; }")
    with nginx.http2() as client:
        while not client.acknowledged:
            client.receive()
        number = client.open(POST, end=False)
        assert client.connection.local_flow_control_window(number) <= 10


def test_a_stream_is_reset_while_its_body_is_read(nginx: Nginx) -> None:
    nginx(BODIES + "access_log logs/access.log;", servers=[BACK])
    with nginx.http2() as client:
        number = client.open(POST, b"abc", end=False)
        client.connection.reset_stream(number, frames.CANCEL)
        client.flush()
        assert client.request("GET /").body == b"GET  "
    assert '"POST / HTTP/2.0" 499 ' in "".join(nginx.access_log(2))
    nginx.wait_for_log("client canceled stream 1")


def test_a_stream_is_reset_while_the_upstream_thinks(nginx: Nginx) -> None:
    nginx(BODIES + "access_log logs/access.log;")
    with held(nginx) as peers, nginx.http2() as client:
        number = client.open(HEAD)
        upstream = peers.get(timeout=DEADLINE).socket
        with upstream:
            upstream.settimeout(DEADLINE)
            assert upstream.recv(65536)
            client.connection.reset_stream(number, frames.CANCEL)
            client.flush()
            assert upstream.recv(65536) == b""
    assert " 499 " in nginx.access_log(1)[0]


# -- windows -----------------------------------------------------------------------------------


def test_a_small_window_of_the_client(nginx: Nginx) -> None:
    nginx("http2 on; root html;", files={"html/f": "0123456789" * 20000})
    with nginx.http2() as client:
        client.widens = False
        number = client.open([*HEAD[:2], (":path", "/f"), HEAD[3]])
        response = client.wait_body(number, 65535)
        assert len(response.body) == 65535 and not response.ended
        other = client.open([(":method", "HEAD"), *HEAD[1:2], (":path", "/f"), HEAD[3]])
        assert client.wait(other).ended  # which is not held up
        client.connection.increment_flow_control_window(10000)
        client.connection.increment_flow_control_window(10000, number)
        client.flush()
        assert len(client.wait_body(number, 75535).body) == 75535
        client.connection.increment_flow_control_window(1 << 20)
        client.connection.increment_flow_control_window(1 << 20, number)
        client.flush()
        assert client.wait(number).body == b"0123456789" * 20000


def test_a_client_that_does_not_read_slows_the_upstream_down(nginx: Nginx) -> None:
    """More than windows and buffers is not read from the upstream."""
    nginx(
        "http2 on; proxy_buffering off; proxy_buffer_size 4k;"
        "location / { proxy_pass http://127.0.0.1:%%PORT_back%%; }"
    )
    with held(nginx) as peers, nginx.http2() as client:
        client.widens = False
        number = client.open(HEAD)
        upstream = peers.get(timeout=DEADLINE).socket
        with upstream:
            upstream.recv(65536)
            upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            client.wait_body(number, 0)
            upstream.settimeout(1)
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 100000000:
                    sent += upstream.send(b"x" * 65536)
            assert sent < 30000000
            assert len(client.wait_body(number, 65535).body) == 65535


def test_many_streams_take_turns(nginx: Nginx) -> None:
    nginx("http2 on; root html;", files={"html/f": "0123456789" * 5000})
    with nginx.http2() as client:
        numbers = [client.open([*HEAD[:2], (":path", "/f"), HEAD[3]]) for _ in range(50)]
        for number in numbers:
            assert client.wait(number).body == b"0123456789" * 5000


# -- the end of a connection -------------------------------------------------------------------


def test_keepalive_requests(nginx: Nginx) -> None:
    nginx("http2 on; keepalive_requests 2; location / { return 200 ok; }")
    with nginx.http2() as client:
        for _ in range(2):
            assert client.request("GET /").body == b"ok"
        goaway = client.wait_end()
        assert goaway is not None
        assert (goaway.code, goaway.last) == (frames.NO_ERROR, 3)


@pytest.mark.parametrize("setting", ["keepalive_timeout 0;", "keepalive_time 0;"])
def test_one_request(nginx: Nginx, setting: str) -> None:
    nginx(f"http2 on; {setting} location / {{ return 200 ok; }}")
    with nginx.http2() as client:
        assert client.request("GET /").body == b"ok"
        if setting == "keepalive_timeout 0;":
            assert client.wait_end() is not None


def test_idle_connections_are_closed(nginx: Nginx) -> None:
    nginx("http2 on; keepalive_timeout 500ms; location / { return 200 ok; }")
    with nginx.http2() as client:
        client.request("GET /")
        goaway = client.wait_end()
        assert goaway is not None and goaway.code == frames.NO_ERROR


def test_a_head_that_does_not_come_whole(nginx: Nginx) -> None:
    nginx("http2 on; client_header_timeout 200ms; access_log logs/access.log;")
    with nginx.connect() as conversation:
        block = write_block(HEAD)
        conversation.wire.send(
            frames.PREFACE + frames.settings([]) + frames.frame(frames.HEADERS, 1, 1, block[:3])
        )
        conversation.wire.until(frames.rst_stream(1, frames.PROTOCOL_ERROR))
    assert " 408 " in nginx.access_log(1)[0]


def test_a_body_that_does_not_come(nginx: Nginx) -> None:
    nginx(BODIES + "client_body_timeout 200ms; access_log logs/access.log;")
    with nginx.http2() as client:
        number = client.open(POST, b"abc", end=False)
        assert client.wait(number).reset == frames.PROTOCOL_ERROR
    assert " 408 " in nginx.access_log(1)[0]


def test_a_client_that_opens_no_window(nginx: Nginx) -> None:
    nginx(
        "http2 on; send_timeout 200ms; access_log logs/access.log; root html;",
        files={"html/f": "0123456789" * 20000},
    )
    with nginx.http2() as client:
        client.widens = False
        number = client.open([*HEAD[:2], (":path", "/f"), HEAD[3]])
        response = client.wait(number)
        assert len(response.body) == 65535 and response.reset == frames.PROTOCOL_ERROR
        assert client.request("HEAD /f").ended
    nginx.wait_for_log("client timed out")


def test_reload_lets_requests_end(nginx: Nginx) -> None:
    nginx(BODIES, main="worker_processes 1;")
    with held(nginx) as peers, nginx.http2() as client:
        number = client.open(HEAD)
        upstream = peers.get(timeout=DEADLINE).socket
        with upstream:
            upstream.recv(65536)
            nginx.send_signal(signal.SIGHUP)
            while client.goaway is None:
                assert client.receive()
            assert client.goaway.code == frames.NO_ERROR
            upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            assert client.wait(number).body == b"ok"
        client.wait_end()


@pytest.mark.parametrize("option", ["--http2-prior-knowledge", "--http1.1"])
def test_requests_that_outlast_the_shutdown_are_logged(nginx: Nginx, option: str) -> None:
    nginx(
        BODIES + "access_log logs/access.log;",
        main="worker_processes 1; worker_shutdown_timeout 100ms;",
    )
    with held(nginx) as peers:
        command = [curl_path(), "-s", option, f"http://127.0.0.1:{nginx.port('')}/"]
        with subprocess.Popen(command, env={**os.environ, "no_proxy": "*"}) as curl:
            peers.get(timeout=DEADLINE)
            nginx.stop(signal.SIGQUIT)
            assert curl.wait(DEADLINE) != 0
    (line,) = nginx.access_log(1)
    assert '"GET / HTTP/' in line and " 504 " not in line


# -- TLS ---------------------------------------------------------------------------------------


def connect_tls(nginx: Nginx, *protocols: str, name: str = "localhost") -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([*protocols])
    sock = socket.create_connection(("127.0.0.1", nginx.port("")), 10)
    return context.wrap_socket(sock, server_hostname=name)


TLS = """
    http2 on;
    ssl_certificate cert.pem;
    ssl_certificate_key cert.key;
    location / { return 200 "$http2 $scheme $ssl_alpn_protocol $server_protocol"; }
    """


def test_alpn(nginx: Nginx) -> None:
    files = {"cert.pem": LOCALHOST.pem, "cert.key": LOCALHOST.key_pem()}
    nginx(TLS, listen="127.0.0.1:%%PORT%% ssl", files=files)
    with connect_tls(nginx, "http/1.1", "h2") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        assert Http2Client(sock).request("GET /").body == b"h2 https h2 HTTP/2.0"
    with connect_tls(nginx, "http/1.1") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"


def test_alpn_of_servers_without_http2(nginx: Nginx) -> None:
    """The server that the client names decides."""
    files = {"cert.pem": LOCALHOST.pem, "cert.key": LOCALHOST.key_pem()}
    nginx(
        TLS.replace("http2 on;", "server_name speaks;"),
        http="ssl_certificate cert.pem; ssl_certificate_key cert.key;",
        listen="127.0.0.1:%%PORT%% ssl",
        files=files,
        servers=[
            "listen 127.0.0.1:%%PORT%% ssl; server_name two; http2 on;"
            'location / { return 200 "two $http2"; }'
        ],
    )
    with connect_tls(nginx, "h2", "http/1.1", name="speaks") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
    with connect_tls(nginx, "h2", "http/1.1", name="two") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        client = Http2Client(sock, "two")
        assert client.request("GET /", "Host: two").body == b"two h2"
        refused = client.request("GET /", "Host: speaks").answer()
        assert refused is not None and refused.status == 421


def test_the_proxy_protocol(nginx: Nginx) -> None:
    nginx(
        "http2 on; location / { return 200 $proxy_protocol_addr; }",
        listen="127.0.0.1:%%PORT%% proxy_protocol",
    )
    with nginx.connect() as conversation:
        conversation.wire.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 5678\r\n")
        client = Http2Client(conversation.wire.socket)
        assert client.request("GET /").body == b"192.0.2.1"


# -- what other modules do ----------------------------------------------------------------------


@pytest.mark.needs("auth-jwt")
def test_tokens(nginx: Nginx) -> None:
    nginx(
        f'http2 on; {KEYS} auth_jwt "A"; auth_jwt_phase access; root html;',
        files={**FILES, "html/a": "content"},
    )
    with nginx.http2() as client:
        client.exchange(f"""
            > GET /a
            < 401

            > GET /a
            > {bearer()}
            < 200
            <
            < content

            > GET /a
            > Authorization: Bearer {tampered(token())}
            < 401
            < www-authenticate: Bearer realm="A", error="invalid_token"
            """)


def test_subrequests(nginx: Nginx) -> None:
    nginx(
        """
        http2 on; ssi on; ssi_types *; root html;
        location /part { return 200 "$uri $server_protocol"; }
        location /asks { auth_request /allowed; }
        location /allowed { if ($http_x != 1) { return 403; } return 204; }
        """,
        files={"html/page": '[<!--#include virtual="/part" -->]', "html/asks": "granted"},
    )
    with nginx.http2() as client:
        client.exchange("""
            > GET /page
            < 200
            <
            < [/part HTTP/2.0]

            > GET /asks
            < 403

            > GET /asks
            > X: 1
            < 200
            <
            < granted
            """)


def test_limits(nginx: Nginx) -> None:
    """Each stream is a request, and counts as one."""
    nginx(
        "http2 on; location / { limit_req zone=r; empty_gif; }"
        "location /held { limit_conn c 1; proxy_pass http://127.0.0.1:%%PORT_back%%; }",
        http="limit_req_zone $server_port zone=r:1m rate=1r/m;"
        "limit_conn_zone $server_port zone=c:1m;",
    )
    with held(nginx) as peers, nginx.http2() as client:
        client.exchange("""
            > GET /
            < 200

            > GET /
            < 503
            """)
        first = client.open([*HEAD[:2], (":path", "/held"), HEAD[3]])
        peer = peers.get(timeout=DEADLINE)
        client.exchange("""
            > GET /held
            < 503
            """)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert client.wait(first).body == b"ok"


@pytest.mark.needs("http_stub_status_module")
def test_streams_are_counted_as_requests(nginx: Nginx) -> None:
    nginx(
        "http2 on; location /status { stub_status; }"
        "location / { proxy_pass http://127.0.0.1:%%PORT_back%%; }"
    )
    with held(nginx) as peers, nginx.http2() as client:
        for _ in range(3):
            client.open(HEAD)
            peers.get(timeout=DEADLINE)
        status = client.request("GET /status").body.decode().split()
        assert status[-6:] == ["Reading:", "0", "Writing:", "4", "Waiting:", "0"]


def test_early_hints(nginx: Nginx) -> None:
    nginx("http2 on; early_hints $http_x; location / { proxy_pass http://127.0.0.1:%%PORT_s%%; }")
    nginx.backend("s", TRAILERS.replace(b"Trailer: X-T\r\n", b""))
    with nginx.http2() as client:
        response = client.request("GET /", "X: 1")
        assert [hint.status for hint in response.interim] == [103]
        assert response.interim[0].get("link") == "</a>"


# -- real clients ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--http2-prior-knowledge", "--http1.1"])
def test_curl(nginx: Nginx, option: str) -> None:
    nginx(BODIES, servers=[BACK])
    command = [curl_path(), "-s", option, "-d", "x" * 100000, f"http://127.0.0.1:{nginx.port('')}/"]
    assert subprocess.check_output(command, env={**os.environ, "no_proxy": "*"}, timeout=20) == (
        b"POST 100000 "
    )


def test_nghttp(nginx: Nginx) -> None:
    nghttp = shutil.which("nghttp")
    if nghttp is None:
        pytest.skip("nghttp is not there")
    nginx(ECHO)
    url = f"http://localhost:{nginx.port('')}/a"
    command = [nghttp, "-m", "20", url]
    found = subprocess.check_output(command, timeout=20)
    assert found.count(b"GET /a HTTP/2.0 [h2c] localhost") == 20


def test_httpx(nginx: Nginx) -> None:
    httpx = pytest.importorskip("httpx")
    nginx(ECHO)
    with httpx.Client(http1=False, http2=True, trust_env=False) as client:
        for _ in range(3):
            response = client.get(f"http://localhost:{nginx.port('')}/a")
            assert (response.http_version, response.text) == (
                "HTTP/2",
                "GET /a HTTP/2.0 [h2c] localhost",
            )
