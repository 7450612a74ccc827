"""fastcgi_pass: what is FastCGI's own."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

from pyngx_jwt.cache import CacheKey, key_line, new_header, pack

from ..applications import STDERR, STDOUT, Call, Site, end_request, record
from ..backend import Backend, Peer, Script
from ..nginx import Nginx
from ..wire import DEADLINE

PASS = "location / { fastcgi_pass 127.0.0.1:%%PORT_b%%; }"
HEAD = b"Content-Type: text/plain\r\n\r\n"
TEXT = HEAD + b"hello"
OUT = record(STDOUT, TEXT)
END = record(STDOUT) + end_request()
CUT = pytest.mark.nginx_differs("1.31.3 cuts the length of the name")
KEEPING = "upstream u { server 127.0.0.1:%%PORT_b%%; keepalive 4; }"
KEPT = "location / { fastcgi_keep_conn on; fastcgi_pass u; }"


def answers(*sent: bytes) -> Script:
    """A script that answers so many requests on one connection, each with these very bytes, and
    then closes."""

    def script(peer: Peer) -> None:
        for data in sent:
            call = Call(peer, "fastcgi")
            call.read_head()
            call.body()
            peer.send(data)

    return script


def start(nginx: Nginx, *sent: bytes, name: str = "b") -> Backend:
    """A server that answers one request a connection."""
    return nginx.backend(name, *map(answers, sent))


# Requests.


def test_request(nginx: Nginx) -> None:
    backend = start(nginx, OUT + END)
    nginx("location / { fastcgi_param A bc; fastcgi_pass_request_headers off;" + PASS[12:])
    assert nginx.raw(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n").endswith(b"hello")
    begin = b"\1\1\0\1\0\x08\0\0" + b"\0\1\0\0\0\0\0\0"
    params = b"\1\2Abc" + b"\x09\1HTTP_HOSTx"
    sent = begin + record(4, params, -len(params) % 8) + record(4) + record(5)
    assert backend.connections(1) == [sent.decode("latin-1")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (127, 127),
        (1, 128),
        (1, 5000),
        pytest.param(128, 0, marks=CUT),
        pytest.param(3000, 0, marks=CUT),
    ],
)
def test_long_parameters(nginx: Nginx, name: int, value: int) -> None:
    calls: list[Call] = []

    def application(call: Call) -> None:
        calls.append(call)
        call.send(TEXT)

    Site(nginx, "fastcgi").application(application)
    nginx(
        f"location / {{ fastcgi_param {'N' * name} $arg_v; fastcgi_pass 127.0.0.1:%%PORT_b%%; }}"
        "large_client_header_buffers 4 16k;"
    )
    assert nginx.request(f"GET /?v={'v' * value}").status == 200
    assert calls[0]["N" * name] == "v" * value


@pytest.mark.trouble("nginx has an [alert] for it")
def test_parameters_that_are_too_many(nginx: Nginx) -> None:
    start(nginx, OUT + END)
    nginx("large_client_header_buffers 8 64k;" + PASS)
    assert nginx.request("GET /", f"X: {'x' * 60000}", f"Y: {'y' * 5000}").status == 200
    assert nginx.request("GET /", f"X: {'x' * 60000}", f"Y: {'y' * 6000}").status == 500
    nginx.wait_for_log(r"fastcgi request record is too big: \d+")


@pytest.mark.parametrize(
    "settings",
    [
        "client_body_buffer_size 1m;",
        "client_body_buffer_size 8k;",
        "client_body_in_file_only on;",
        "fastcgi_request_buffering off;",
    ],
)
def test_records_of_a_body(nginx: Nginx, settings: str) -> None:
    """None has more than 32 KiB, and one without any ends the body."""
    calls: list[Call] = []
    body = "0123456789" * 7000

    def application(call: Call) -> None:
        calls.append(call)
        assert call.body() == body.encode()
        call.send(TEXT)

    Site(nginx, "fastcgi").application(application)
    nginx(settings + PASS)
    assert nginx.request("POST /", body=body).status == 200
    assert max(calls[0].body_sizes) <= 32768


def test_chunked_body_is_passed_on_as_it_comes(nginx: Nginx) -> None:
    arrived = threading.Event()

    def application(call: Call) -> None:
        assert call.body(3) == b"abc"
        arrived.set()
        call.send(TEXT + call.body(2) + call.body())

    Site(nginx, "fastcgi").application(application)
    nginx("fastcgi_request_buffering off;" + PASS)
    with nginx.connect() as client:
        client.wire.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        assert arrived.wait(DEADLINE)
        client.wire.send(b"2\r\nde\r\n0\r\n\r\n")
        answer = client.wire.answer()
    assert answer and answer.body == b"hellode"


# Responses.

STDOUT_CLOSED = "upstream prematurely closed FastCGI stdout"


def cuts(text: bytes) -> list[tuple[bytes, ...]]:
    """The text in two records, cut at each place, and in one for each byte."""
    pairs: list[tuple[bytes, ...]] = [(text[:at], text[at:]) for at in range(1, len(text))]
    return [*pairs, tuple(text[at : at + 1] for at in range(len(text)))]


@pytest.mark.parametrize("pieces", cuts(b"Status: 404 No\r\nX-A: b\nX-B: c\r\n\r\nhello"), ids=len)
@pytest.mark.parametrize("padding", [0, 1, 255])
def test_head_in_several_records(nginx: Nginx, pieces: tuple[bytes, ...], padding: int) -> None:
    start(nginx, b"".join(record(STDOUT, piece, padding) for piece in pieces) + END)
    nginx("fastcgi_buffer_size 32k; fastcgi_buffers 8 32k;" + PASS)
    nginx.exchange("> GET /\n< 404\n< X-A: b\n< X-B: c\n<\n< hello")


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_a_response_byte_by_byte(nginx: Nginx, buffering: str) -> None:
    sent = (
        record(STDERR, b"one\n", 3) + record(STDOUT, TEXT, 2) + record(STDERR, b"two")
        + record(STDOUT, b"more", 255) + record(STDERR) + record(STDOUT) + end_request(9)
    )  # fmt: skip

    def script(peer: Peer) -> None:
        call = Call(peer, "fastcgi")
        call.read_head()
        for at in range(len(sent)):
            peer.send(sent[at : at + 1])

    nginx.backend("b", script)
    nginx(f"fastcgi_buffering {buffering};" + PASS)
    nginx.exchange("> GET /\n< 200\n<\n< hellomore")


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize(
    "sent",
    [
        record(STDOUT, HEAD) + record(STDOUT, b"hel") + record(STDOUT, b"lo") + END,
        record(STDOUT, HEAD + b"hello", 3) + record(STDOUT, b"", 7) + end_request(5),
        record(STDOUT, b"Content-Length: 5\r\n" + HEAD + b"hel") + record(STDOUT, b"lo") + END,
        record(STDOUT, b"Content-Length: 5\r\n" + TEXT + b", that is too much") + END,
        record(STDOUT, b"Content-Length: 5\r\n" + TEXT) + record(STDOUT, b"too much") + END,
        record(STDERR) + OUT + record(STDERR, b"x") + END,
        OUT + end_request(),
        OUT,
    ],
)
def test_bodies(nginx: Nginx, sent: bytes, buffering: str) -> None:
    start(nginx, sent)
    nginx(f"fastcgi_buffering {buffering};" + PASS)
    nginx.exchange("> GET /\n< 200\n<\n< hello")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"\2", "upstream sent unsupported FastCGI protocol version: 2"),
        (b"\1\1", "upstream sent invalid FastCGI record type: 1"),
        (b"\1\6\1", "upstream sent unexpected FastCGI request id high byte: 1"),
        (
            record(STDOUT, TEXT, request=2),
            "upstream sent unexpected FastCGI request id low byte: 2",
        ),
        (END, STDOUT_CLOSED),
        (end_request(), "upstream sent unexpected FastCGI record: 3"),
        (record(STDOUT, b"Content-Type: a/b\r\n") + END, STDOUT_CLOSED),
        (record(STDOUT, b"X: y\r\n") + end_request(), "upstream sent unexpected FastCGI record: 3"),
        (record(STDOUT, b"X: y\r\n"), "upstream prematurely closed connection"),
        (record(STDOUT, b"X: y\r\n")[:-1], "upstream prematurely closed connection"),
        (record(STDERR, b"Fatal"), "upstream prematurely closed connection"),
        (b"\1\6\0", "upstream prematurely closed connection"),
    ],
)
def test_no_response(nginx: Nginx, sent: bytes, text: str) -> None:
    start(nginx, sent)
    nginx(PASS)
    assert nginx.request("GET /").status == 502
    nginx.wait_for_log(
        rf"\[error\] .*{text} while reading response header from upstream, client.*"
        r' upstream: "fastcgi://127\.0\.0\.1:\d+", host'
    )


BROKEN = record(STDOUT, b"Content-Length: 9\r\n" + TEXT)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (BROKEN + END, "upstream prematurely closed FastCGI stdout"),
        (BROKEN + end_request(), "upstream prematurely closed FastCGI request"),
        (OUT + b"\1\x0c", "upstream sent invalid FastCGI record type: 12"),
        (OUT + b"\0", "upstream sent unsupported FastCGI protocol version: 0"),
        pytest.param(
            BROKEN,
            "upstream prematurely closed connection",
            marks=pytest.mark.nginx_differs("it ends the response as if it were complete"),
        ),
    ],
)
def test_a_body_that_breaks_off(nginx: Nginx, sent: bytes, text: str) -> None:
    """The client can see it: the connection is closed before the end."""
    start(nginx, sent)
    nginx(PASS)
    raw = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw == b"" or not raw.endswith(b"0\r\n\r\n")
    nginx.wait_for_log(rf"\[error\] .*{text} while reading upstream, client")


# The error stream.


def test_stderr_is_logged(nginx: Nginx) -> None:
    start(nginx, record(STDERR, b"a warning. \r\n") + OUT + record(STDERR, b"...") + END)
    nginx(PASS)
    nginx.exchange("> GET /\n< 200\n<\n< hello")
    nginx.wait_for_log(
        r'\[error\] .*FastCGI sent in stderr: "a warning" while reading response header from '
        "upstream, client: "
    )
    nginx.wait_for_log(r'\[error\] .*FastCGI sent in stderr: "\." while reading ')


@pytest.mark.nginx_differs("the rest of it takes room in the buffer")
def test_a_long_stderr(nginx: Nginx) -> None:
    """However much of it comes first, the head has its whole buffer."""
    warnings = record(STDERR, b"Warning: " * 7000) * 20
    start(nginx, warnings + record(STDOUT, b"X: " + b"y" * 3500 + b"\r\n" + TEXT) + END)
    nginx(PASS)
    assert nginx.request("GET /").body == b"hello"


@pytest.mark.parametrize(
    ("stderr", "after", "status"),
    [
        (b"PHP Fatal error: x", b"", 200),
        (b"PHP Warning: x", b"", 404),
        (b"Oops", b"", 200),
        (b"", b"PHP Fatal error: x", 404),
    ],
)
def test_catch_stderr(nginx: Nginx, stderr: bytes, after: bytes, status: int) -> None:
    """What comes behind the head is too late."""
    first = record(STDERR, stderr) + record(STDOUT, b"Status: 404\r\n\r\nno")
    start(nginx, first + record(STDERR, after) + END, name="a")
    start(nginx, OUT + END)
    nginx(
        """
        fastcgi_catch_stderr "PHP Fatal error"; fastcgi_catch_stderr Oops;
        fastcgi_next_upstream invalid_header;
        location / { fastcgi_pass u; }
        """,
        http="upstream u { server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%% backup; }",
    )
    assert nginx.request("GET /").status == status


# Connections.


@pytest.mark.parametrize(
    "sent",
    [
        OUT + END,
        OUT + record(STDOUT, b"", 3) + end_request(200),
        record(STDOUT, b"Content-Length: 5\r\n" + TEXT) + END,
        OUT + end_request(),
    ],
)
@pytest.mark.parametrize("buffering", ["on", "off"])
def test_connections_are_kept(nginx: Nginx, sent: bytes, buffering: str) -> None:
    backend = nginx.backend("b", answers(sent, sent, sent))
    nginx(f"fastcgi_buffering {buffering};" + KEPT, http=KEEPING)
    for _ in range(3):
        assert nginx.request("GET /").status == 200
    assert len(backend.connections(1)) == backend.accepted == 1


@pytest.mark.nginx_differs("it closes them")
@pytest.mark.parametrize("status", [204, 304])
def test_connections_are_kept_without_a_body(nginx: Nginx, status: int) -> None:
    backend = nginx.backend(
        "b", answers(*2 * [record(STDOUT, b"Status: %d\r\n\r\n" % status) + END])
    )
    nginx(KEPT, http=KEEPING)
    for _ in range(2):
        assert nginx.request("GET /").status == status
    assert len(backend.connections(1)) == backend.accepted == 1


@pytest.mark.nginx_differs("it closes them")
def test_heads_keep_connections(nginx: Nginx) -> None:
    sent = record(STDOUT, b"Content-Length: 5\r\n\r\n") + END
    backend = nginx.backend("b", answers(sent, OUT + END))
    nginx(KEPT, http=KEEPING)
    nginx.exchange("> HEAD /\n< 200\n< Content-Length: 5\n\n> GET /\n< 200\n<\n< hello")
    assert len(backend.connections(1)) == backend.accepted == 1


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ("", OUT + END),
        ("fastcgi_keep_conn on;", OUT + END + b"\1"),
        ("fastcgi_keep_conn on;", OUT + END + OUT),
        ("fastcgi_keep_conn on;", record(STDOUT, b"Content-Length: 2\r\n" + TEXT) + END),
    ],
)
def test_connections_that_are_not_kept(nginx: Nginx, settings: str, sent: bytes) -> None:
    backend = start(nginx, sent)
    nginx(f"location / {{ {settings} fastcgi_pass u; }}", http=KEEPING)
    for _ in range(2):
        assert nginx.request("GET /").status == 200
    assert len(backend.connections(2)) == 2


def test_a_kept_connection_that_ends_too_early(nginx: Nginx) -> None:
    """The end of the connection is not that of the request."""
    start(nginx, OUT + record(STDOUT))
    nginx(KEPT, http=KEEPING)
    raw = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not raw.endswith(b"0\r\n\r\n")
    nginx.wait_for_log(r"\[error\] .*upstream prematurely closed connection while reading upstream")


# The cache.


@pytest.mark.parametrize(
    "head",
    [
        record(STDOUT, HEAD + b"hello")[: 8 + len(HEAD)],
        record(STDERR, b"warning", 3) + record(STDOUT, HEAD[:9], 5) + record(STDOUT, HEAD[9:]),
        record(STDOUT, HEAD),
    ],
    ids=["nginx", "nginx with more", "pyngx"],
)
def test_files_of_the_cache(nginx: Nginx, head: bytes) -> None:
    """The head is in records, those in which it came or one of its own; the body is not."""
    key = CacheKey.of("/a")
    header = new_header(key, key.header_start + len(head), valid_sec=int(time.time()) + 3600)
    assert header is not None
    path = Path(nginx.prefix) / "cache" / key.md5.hex()
    path.parent.mkdir()
    path.write_bytes(pack(header) + key_line(key) + head + b"hello")
    nginx(
        "fastcgi_cache z; fastcgi_cache_key $uri; add_header X-C $upstream_cache_status;" + PASS,
        http="fastcgi_cache_path %%DIR%%/cache keys_zone=z:1m;",
    )
    nginx.exchange("> GET /a\n< 200\n< X-C: HIT\n< Content-Type: text/plain\n<\n< hello")


def test_a_cached_head_in_several_records(nginx: Nginx) -> None:
    head = b"Status: 404 No\r\nX-A: b\r\n\r\n"
    start(nginx, b"".join(record(STDOUT, bytes((x,)), 2) for x in head + b"hello") + END)
    nginx(
        "fastcgi_cache z; fastcgi_cache_key $uri; fastcgi_cache_valid any 1m;"
        "add_header X-C $upstream_cache_status always;" + PASS,
        http="fastcgi_cache_path %%DIR%%/cache keys_zone=z:1m;",
    )
    for status in ("MISS", "HIT"):
        nginx.exchange(f"> GET /a\n< 404\n< X-C: {status}\n< X-A: b\n<\n< hello")


# The name of a script, and what is behind it.


def test_variables(nginx: Nginx) -> None:
    nginx(r"""
        location / { return 200 "$fastcgi_script_name|$fastcgi_path_info"; }
        location /index/ { fastcgi_index i.php; return 200 "$fastcgi_script_name"; }
        location /split/ {
            fastcgi_index i.php;
            fastcgi_split_path_info ^(.+\.php|/split/)(/?.*)$;
            return 200 "$fastcgi_script_name|$fastcgi_path_info";
            location /split/own/ {
                fastcgi_split_path_info ^(/split)/own(.*)$;
                return 200 "$fastcgi_script_name|$fastcgi_path_info|$1";
            }
        }
        """)
    for uri, body in {
        "/": b"/|",
        "/a/": b"/a/|",
        "/index/a": b"/index/a",
        "/index/a/": b"/index/a/i.php",
        "/split/a.php": b"/split/a.php|",
        "/split/a.php/b%20c?d": b"/split/a.php|/b c",
        "/split/": b"/split/i.php|",
        "/split/none": b"/split/i.php|none",
        "/split/own/x": b"/split|/x|",
    }.items():
        assert nginx.request(f"GET {uri}").body == body, uri


def test_php_front_controller(nginx: Nginx) -> None:
    """The parameters that PHP-FPM finds its script by."""
    calls: list[Call] = []

    def application(call: Call) -> None:
        calls.append(call)
        call.send(TEXT)

    Site(nginx, "fastcgi").application(application)
    nginx(
        r"""
        root html;
        location / { try_files $uri /index.php?$query_string; }
        location ~ \.php$ {
            fastcgi_split_path_info ^(.+\.php)(/.*)$;
            fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_URI $request_uri;
            fastcgi_pass 127.0.0.1:%%PORT_b%%;
        }
        """,
        files={"html/file": "static", "html/index.php": "source"},
    )
    nginx.exchange("> GET /file\n< 200\n<\n< static\n\n> GET /a/b?c=d\n< 200\n<\n< hello")
    assert calls[0]["SCRIPT_FILENAME"].endswith("/html/index.php")
    assert (calls[0]["QUERY_STRING"], calls[0]["REQUEST_URI"]) == ("c=d", "/a/b?c=d")


# Configuration.


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("fastcgi_split_path_info ^(.+)$;", 'pattern "^(.+)$" must have 2 captures'),
        ("fastcgi_split_path_info ^(;", re.compile(r"pcre2?_compile\(\) failed: .*")),
        (
            "fastcgi_split_path_info a b;",
            'invalid number of arguments in "fastcgi_split_path_info" directive',
        ),
        (
            "fastcgi_catch_stderr;",
            'invalid number of arguments in "fastcgi_catch_stderr" directive',
        ),
        ("fastcgi_keep_conn maybe;", re.compile('invalid value "maybe" in "fastcgi_keep_conn".*')),
        ("fastcgi_index a; fastcgi_index b;", '"fastcgi_index" directive is duplicate'),
        ("location / { fastcgi_pass fastcgi://127.0.0.1:1; }", re.compile("invalid host .*")),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects(snippet, message)


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts("fastcgi_send_lowat 0; fastcgi_index i; fastcgi_keep_conn off;")
