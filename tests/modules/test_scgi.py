"""scgi_pass: what an application is told, and what the client gets of its answer."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable

import pytest

from ..backend import Backend, Peer
from ..nginx import Nginx

Environ = list[tuple[str, str]]
Application = Callable[[Peer, Environ], None]
PASS = "location / { scgi_pass 127.0.0.1:%%PORT_b%%; }"
TEXT = b"Content-Type: text/plain\r\n\r\nhello"


def environ(peer: Peer) -> Environ:
    """The parameters of the next request; their netstring has to be well-formed."""
    length = int(peer.until(b":")[:-1])
    peer.on_head()
    words = peer.exactly(length).decode("latin-1").split("\0")
    assert peer.exactly(1) == b"," and words.pop() == ""
    return [*zip(words[::2], words[1::2], strict=True)]


def scgi(application: bytes | Application) -> Callable[[Peer], None]:
    """A script of an application that answers one request, and closes."""

    def script(peer: Peer) -> None:
        found = environ(peer)
        if isinstance(application, bytes):
            peer.send(application)
        else:
            application(peer, found)

    return script


def start(nginx: Nginx, *applications: bytes | Application, name: str = "b") -> Backend:
    return nginx.backend(name, *map(scgi, applications))


def tell(peer: Peer, found: Environ) -> None:
    """Answers with the parameters, and the body if there is one."""
    body = peer.exactly(int(found[0][1]))
    lines = [f"{name}={value}" for name, value in found]
    if body:
        lines.append(body.decode("latin-1"))
    peer.send(TEXT.partition(b"hello")[0] + "\n".join(lines).encode("latin-1"))


def told(nginx: Nginx, *head: str, body: str = "") -> list[str]:
    """The parameters of a request, but for those of the fields that all tests send."""
    answer = nginx.request(*head, body=body)
    assert answer.status == 200
    lines = answer.body.decode("latin-1").split("\n")
    return [line for line in lines if not re.match("HTTP_(HOST|CONNECTION)=", line)]


# What the application is told.


def test_request_without_parameters(nginx: Nginx) -> None:
    backend = start(nginx, TEXT)
    nginx(PASS)
    raw = b"GET /a?b HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\nConnection: close\r\n\r\n"
    assert nginx.raw(raw).endswith(b"hello\r\n0\r\n\r\n")
    text = "CONTENT_LENGTH|0|HTTP_HOST|x|HTTP_USER_AGENT|me|HTTP_CONNECTION|close|"
    text = text.replace("|", "\0")
    assert backend.connections(1) == [f"{len(text)}:{text},"]


def test_parameters(nginx: Nginx) -> None:
    start(nginx, tell)
    nginx("""
        location / {
            scgi_param SCGI 1;
            scgi_param REQUEST_URI $request_uri;
            scgi_param EMPTY "";
            scgi_param EMPTY_TOO $arg_none;
            scgi_param LEFT_OUT $arg_none if_not_empty;
            scgi_param GIVEN $arg_given if_not_empty;
            scgi_param TWICE 1;
            scgi_param TWICE 2;
            scgi_pass 127.0.0.1:%%PORT_b%%;
        }
        """)
    assert told(nginx, "GET /x?given=yes") == [
        "CONTENT_LENGTH=0",
        "SCGI=1",
        "REQUEST_URI=/x?given=yes",
        "EMPTY=",
        "EMPTY_TOO=",
        "GIVEN=yes",
        "TWICE=1",
        "TWICE=2",
    ]


def test_fields_of_the_client(nginx: Nginx) -> None:
    """Repeated ones are joined, and those that a parameter names are not passed."""
    start(nginx, tell)
    nginx(
        """
        location / {
            scgi_param HTTP_X_SET $http_x_set!;
            scgi_param HTTP_X_HIDDEN "";
            scgi_param http_x_lower passed;
            scgi_param HTTP_X-DASH passed;
            scgi_pass 127.0.0.1:%%PORT_b%%;
        }
        location /none { scgi_pass_request_headers off; scgi_pass 127.0.0.1:%%PORT_b%%; }
        """
    )
    fields = [
        *(
            "X-Set: client",
            "X-Hidden: secret",
            "X-Lower: 1",
            "X-Dash: 2",
            "X-Twice: a",
            "Cookie: a=1",
        ),
        *("x-twice: b", "Cookie: b=2", "Proxy: evil"),
    ]
    assert told(nginx, "GET /", *fields) == [
        "CONTENT_LENGTH=0",
        "HTTP_X_SET=client!",
        "http_x_lower=passed",
        "HTTP_X-DASH=passed",
        "HTTP_X_LOWER=1",
        "HTTP_X_DASH=2",
        "HTTP_X_TWICE=a, b",
        "HTTP_COOKIE=a=1; b=2",
        "HTTP_PROXY=evil",
    ]
    answer = nginx.request("GET /none", *fields)
    assert answer.body == b"CONTENT_LENGTH=0\nHTTP_HOST=localhost"


@pytest.mark.nginx_differs("it sends the parameter twice")
def test_no_field_doubles_a_parameter(nginx: Nginx) -> None:
    start(nginx, tell)
    nginx("underscores_in_headers on;" + PASS)
    assert "HTTP_X_USER=real, other" in told(nginx, "GET /", "X-User: real", "X_User: other")


def test_host_parameter(nginx: Nginx) -> None:
    start(nginx, tell)
    nginx(PASS + "location /own { scgi_param HTTP_HOST own; scgi_pass 127.0.0.1:%%PORT_b%%; }")
    for head, host in {
        ("GET /", "Host: a.b:81"): "a.b:81",
        ("GET /", "Host: A.b"): "a.b",
        ("GET http://c/ HTTP/1.1", "Host: a"): "c",
        ("GET /own", "Host: a"): "own",
    }.items():
        lines = nginx.request(*head).body.decode().split("\n")
        assert [line for line in lines if line.startswith("HTTP_HOST")] == [f"HTTP_HOST={host}"]


def test_inheritance(nginx: Nginx) -> None:
    """Parameters of outer levels count if and only if there are none on the own one."""
    start(nginx, tell)
    nginx(
        """
        scgi_param A server;
        location / { scgi_pass 127.0.0.1:%%PORT_b%%;
            location /own { scgi_param B own; scgi_pass 127.0.0.1:%%PORT_b%%; }
            location /if { if ($args) { scgi_param B if; } scgi_pass 127.0.0.1:%%PORT_b%%; }
        }
        """.replace("scgi_param B if;", "set $x 1;"),
        http="scgi_param A http; scgi_param C http;",
    )
    assert told(nginx, "GET /") == ["CONTENT_LENGTH=0", "A=server"]
    assert told(nginx, "GET /own") == ["CONTENT_LENGTH=0", "B=own"]
    assert told(nginx, "GET /if?x") == ["CONTENT_LENGTH=0", "A=server"]


@pytest.mark.nginx_differs("it lets the value write parameters of its own")
def test_nul_in_a_parameter(nginx: Nginx) -> None:
    start(nginx, tell)
    nginx(
        "location / { scgi_param A $x; scgi_pass 127.0.0.1:%%PORT_b%%; }",
        http='map $args $x { default ok; nul "a\0REMOTE_USER\0admin"; }',
    )
    assert told(nginx, "GET /") == ["CONTENT_LENGTH=0", "A=ok"]
    assert nginx.request("GET /?nul").status == 500
    nginx.wait_for_log(r"\[error\] .*NUL in a parameter for upstream")


# The body of a request.


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_request_body(nginx: Nginx, buffering: str) -> None:
    start(nginx, tell)
    nginx(
        f"scgi_request_buffering {buffering}; client_max_body_size 9m;" + PASS,
        http="client_body_buffer_size 8k;",
    )
    for body in ("12345", "x" * 100_000):
        lines = told(nginx, "POST /", body=body)
        assert lines[0] == f"CONTENT_LENGTH={len(body)}" and lines[-1] == body


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_chunked_request_body(nginx: Nginx, buffering: str) -> None:
    """An application needs to know the length: such a body is always buffered."""
    start(nginx, tell)
    nginx(f"scgi_request_buffering {buffering};" + PASS)
    with nginx.connect() as client:
        client.wire.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"3\r\nabc\r\n"
        )
        client.wire.send(b"2\r\nde\r\n0\r\n\r\n")
        answer = client.wire.answer()
    assert answer and b"CONTENT_LENGTH=5\n" in answer.body and answer.body.endswith(b"abcde")


def test_unbuffered_request_body(nginx: Nginx) -> None:
    """It is passed on as it comes."""
    arrived, beginning = threading.Event(), []

    def application(peer: Peer, found: Environ) -> None:
        beginning.append(peer.exactly(3))
        arrived.set()
        peer.send(TEXT + peer.exactly(2))

    start(nginx, application)
    nginx("scgi_request_buffering off;" + PASS)
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nabc")
        assert arrived.wait(5) and beginning == [b"abc"]
        client.wire.send(b"de")
        answer = client.wire.answer()
    assert answer and answer.body == b"hellode"


def test_request_body_that_is_not_passed(nginx: Nginx) -> None:
    backend = start(nginx, TEXT)
    nginx("scgi_pass_request_body off;" + PASS)
    nginx.exchange("""
        > POST /
        >
        > body
        < 200
        <
        < hello
        """)
    assert backend.connections(1)[0].endswith(",")


def test_permission_of_an_application(nginx: Nginx) -> None:
    """auth_request to SCGI, of a request with a body: the application waits for none of it."""

    def decide(peer: Peer, found: Environ) -> None:
        peer.send(b"Status: 204\r\nX-User: %b\r\n\r\n" % dict(found)["TOKEN"].encode())

    start(nginx, decide)
    nginx("""
        location / { auth_request /_auth; auth_request_set $user $upstream_http_x_user;
                     add_header X-User $user; try_files /none =404; error_page 404 =200 /done; }
        location /done { return 200 "user=$user"; }
        location = /_auth { internal; scgi_param TOKEN $http_x_token;
                            scgi_pass_request_body off; scgi_pass 127.0.0.1:%%PORT_b%%; }
        """)
    nginx.exchange("""
        > POST /
        > X-Token: me
        >
        > body
        < 200
        <
        < user=me
        """)


# What the client gets.


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        (TEXT, "200 OK", b"hello"),
        (b"Content-Type: a/b\n\nhello", "200 OK", b"hello"),
        (b"\r\nhello", "200 OK", b"hello"),
        (b"Status: 404\r\n\r\nno", "404 Not Found", b"no"),
        (b"Status: 404 Gone Fishing\r\n\r\nno", "404 Gone Fishing", b"no"),
        (b"HTTP/1.1 201 Made\r\nX: y\r\n\r\nhello", "201 Made", b"hello"),
        (b"HTTP/1.0 403\r\nStatus: 200\r\n\r\nno", "403", b"no"),
        (b"Location: /x\r\n\r\nbody", "302 Moved Temporarily", b"body"),
        (b"Location: /x\r\nStatus: 201\r\n\r\nbody", "201 Created", b"body"),
        (b"Status: 200\r\nStatus: 404\r\n\r\nhello", "200 OK", b"hello"),
        (b"Content-Length: 5\r\n\r\nhello", "200 OK", b"hello"),
        (b"Content-Length: 5\r\n\r\nhello, that is too much", "200 OK", b"hello"),
        (b"Content-Length: 0\r\n\r\n", "200 OK", b""),
        (b"Status: 204\r\nContent-Length: 5\r\n\r\n", "204 No Content", b""),
        (b"Status: 304\r\n\r\n", "304 Not Modified", b""),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "200 OK", b"1\r\na\r\n"),
    ],
)
def test_answers(nginx: Nginx, sent: bytes, status: str, body: bytes) -> None:
    start(nginx, sent)
    nginx(PASS)
    answer = nginx.request("GET /")
    assert f"{answer.status} {answer.reason}".strip() == status
    assert answer.body == body
    assert not answer.get("Status")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "upstream prematurely closed connection"),
        (b"Content-Type: a/b\r\n", "upstream prematurely closed connection"),
        (b"Status: 20\r\n\r\n", 'upstream sent invalid status "20"'),
        (b"Status: abc\r\n\r\n", 'upstream sent invalid status "abc"'),
        (b"X\x01: y\r\n\r\n", r'upstream sent invalid header: "X\\x01..."'),
        (b"Content-Length: x\r\n\r\n", 'upstream sent invalid "Content-Length" header'),
        (
            b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            "upstream sent duplicate header line",
        ),
        (b"X: " + b"y" * 5000 + b"\r\n\r\n", "upstream sent too big header"),
    ],
)
def test_bad_answers(nginx: Nginx, sent: bytes, text: str) -> None:
    start(nginx, sent)
    nginx(PASS)
    assert nginx.request("GET /").status == 502
    nginx.wait_for_log(rf'\[error\] .*{text}.* upstream: "scgi://127\.0\.0\.1:\d+", host')


@pytest.mark.nginx_differs("it sends them on, and the client waits for an answer")
@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints", "000"])
def test_interim_status(nginx: Nginx, status: str) -> None:
    start(nginx, b"Status: %b\r\n\r\nbody" % status.encode(), b"HTTP/1.1 100 Continue\r\n\r\nbody")
    nginx(PASS)
    for _ in range(2):
        assert nginx.request("GET /").status == 502
    nginx.wait_for_log(f'upstream sent invalid status "{status}"')


def test_an_answer_that_breaks_off(nginx: Nginx) -> None:
    start(nginx, b"Content-Length: 9\r\n\r\nhello")
    nginx(PASS)
    raw = nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 9\r\n" in raw and not raw.endswith(b"0\r\n\r\n")
    nginx.wait_for_log("upstream prematurely closed connection")


def test_fields_of_the_answer(nginx: Nginx) -> None:
    start(
        nginx,
        b"Server: app\r\nDate: then\r\nX-Accel-Expires: 1\r\nX-A: a\r\nX-B: b\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nStatus: 200\r\nLast-Modified: x\r\n\r\nhello",
        b"Content-Type: a/b\r\n\r\nhello",
    )
    nginx("scgi_hide_header X-A; scgi_pass_header Status;" + PASS)
    nginx.exchange("""
        > GET /
        < 200
        < Server: app
        < Date: then
        < X-B: b
        < Status: 200
        < Last-Modified: x
        < !X-A
        < !X-Accel-Expires
        """)
    answer = nginx.request("GET /")
    assert (answer.get("Server") or "").startswith("nginx/") and answer.get("Date")


def test_head(nginx: Nginx) -> None:
    """Whether an application answers HEAD with a body or not, the client gets none."""
    start(nginx, TEXT, b"Content-Length: 5\r\n\r\n", b"Content-Length: 5\r\n\r\nhello")
    nginx(PASS)
    for length in ("!Content-Length", "Content-Length: 5", "Content-Length: 5"):
        nginx.exchange(f"> HEAD /\n< 200\n< {length}")


def test_a_long_answer(nginx: Nginx) -> None:
    data = bytes(range(256)) * 8192

    def application(peer: Peer, found: Environ) -> None:
        peer.send(b"Content-Type: a/b\r\n\r\n")
        for at in range(0, len(data), 100_000):
            peer.send(data[at : at + 100_000])

    start(nginx, application)
    nginx("location /off { scgi_buffering off; scgi_pass 127.0.0.1:%%PORT_b%%; }" + PASS)
    for uri in ("/", "/off"):
        answer = nginx.request(f"GET {uri}")
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()


def test_internal_redirects(nginx: Nginx) -> None:
    start(nginx, b"X-Accel-Redirect: /inside\r\nContent-Type: a/b\r\nX-A: a\r\n\r\n")
    nginx(PASS + "location /inside { internal; return 200 inside; }")
    nginx.exchange("""
        > GET /
        < 200
        < Content-Type: a/b
        < !X-A
        <
        < inside
        """)


def test_intercepted_errors(nginx: Nginx) -> None:
    start(nginx, b"Status: 404\r\n\r\nno")
    nginx(
        "error_page 404 /page; location /page { return 200 page; }"
        "location /on { scgi_intercept_errors on; scgi_pass 127.0.0.1:%%PORT_b%%; }" + PASS
    )
    nginx.exchange("> GET /\n< 404\n<\n< no\n\n> GET /on\n< 404\n<\n< page")


def test_ranges(nginx: Nginx) -> None:
    start(nginx, b"Content-Length: 5\r\n\r\nhello")
    nginx("scgi_force_ranges on;" + PASS)
    nginx.exchange("> GET /\n> Range: bytes=1-2\n< 206\n<\n< el")


def test_upgrade(nginx: Nginx) -> None:
    def application(peer: Peer, found: Environ) -> None:
        peer.send(b"Status: 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
        peer.send(peer.until(b"\n").upper())

    start(nginx, application)
    nginx(PASS)
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello\n"
        )
        answer = client.wire.answer()
        assert answer and answer.status == 101 and answer.get("Upgrade") == "x"
        assert client.wire.until(b"\n") == b"HELLO\n"


# Where requests go.


def test_servers(nginx: Nginx) -> None:
    """Groups, variables and the next server; an application's connection is never kept."""
    backend = start(nginx, TEXT)
    nginx(
        """
        location / { scgi_pass u; add_header X-Status $upstream_status; }
        location /variable { scgi_pass $arg_to; }
        location /slash/ { scgi_pass u; }
        location /named/ { scgi_pass $arg_to; }
        location /if { if ($arg_x) { scgi_pass u; } return 404; }
        location /port { scgi_pass $arg_to; }
        """.replace("return 404;", ""),
        http="""
            upstream u {
                server 127.0.0.1:%%PORT_closed%% max_fails=0; server 127.0.0.1:%%PORT_b%% backup;
                keepalive 8;
            }
            """,
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-Status: 502, 200
        <
        < hello

        > GET /variable?to=127.0.0.1:%%PORT_b%%
        < 200

        > GET /variable?to=u
        < 200

        > GET /if?x=1
        < 200

        > GET /slash
        < 301

        > GET /named?to=u
        < 200
        < X-Status: 502, 200

        > GET /port?to=127.0.0.1
        < 500

        > GET /port?to=
        < 500
        """)
    assert len(backend.connections(5)) == 5
    nginx.wait_for_log(r'\[error\] .*no port in upstream "127\.0\.0\.1"')
    nginx.wait_for_log(r'\[error\] .*no host in upstream ""')


@pytest.mark.parametrize(
    ("next_upstream", "sent", "status"),
    [
        ("", b"Status: 500\r\n\r\n", 500),
        ("http_500", b"Status: 500\r\n\r\n", 200),
        ("http_404", b"Status: 404\r\n\r\n", 200),
        ("http_503 updating", b"Status: 503\r\n\r\n", 200),
        ("", b"bad\x01\r\n\r\n", 502),
        ("invalid_header", b"bad\x01\r\n\r\n", 200),
        ("", b"", 200),
        ("off", b"", 502),
        ("error off", b"", 502),
    ],
)
def test_next_upstream(nginx: Nginx, next_upstream: str, sent: bytes, status: int) -> None:
    start(nginx, sent, name="a")
    start(nginx, TEXT)
    directive = f"scgi_next_upstream {next_upstream};" if next_upstream else ""
    nginx(
        directive + "location / { scgi_pass u; }",
        http="upstream u { server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%% backup; }",
    )
    assert nginx.request("GET /").status == status


def test_bind(nginx: Nginx) -> None:
    found: list[str] = []

    def application(peer: Peer, environ: Environ) -> None:
        found.append(peer.socket.getpeername()[0])
        peer.send(TEXT)

    start(nginx, application)
    nginx("scgi_bind 127.0.0.2;" + PASS)
    assert nginx.request("GET /").status == 200
    assert found == ["127.0.0.2"]


def test_the_last_one_counts(nginx: Nginx) -> None:
    """Of the directives of a block that pass requests on, and in an "if" its own."""
    start(nginx, b"\r\nscgi")
    nginx.backend("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp")
    http, scgi = "proxy_pass http://127.0.0.1:%%PORT_http%%;", "scgi_pass 127.0.0.1:%%PORT_b%%;"
    nginx(f"""
        location /http {{ {scgi} {http} }}
        location /scgi {{ {http} {scgi} }}
        location /if-http {{ if ($arg_x) {{ {http} }} {scgi} }}
        location /if-scgi {{ {http} if ($arg_x) {{ {scgi} }} }}
        location /if-none {{ {http} if ($arg_x) {{ set $x 1; }} }}
        """)
    for uri, body in {
        "/http": b"http",
        "/scgi": b"scgi",
        "/if-http": b"scgi",
        "/if-http?x=1": b"http",
        "/if-scgi": b"http",
        "/if-scgi?x=1": b"scgi",
        "/if-none?x=1": b"http",
    }.items():
        assert nginx.request(f"GET {uri}").body == body, uri


# The cache.

CACHE = "scgi_cache_path %%DIR%%/cache keys_zone=z:1m;"
CACHED = """
    scgi_cache z; scgi_cache_key $uri; scgi_cache_valid 200 404 1m;
    add_header X-Cache $upstream_cache_status always;
"""


def test_cache(nginx: Nginx) -> None:
    sent = b"Content-Type: a/b\r\nX-A: a\r\n\r\nhello"
    backend = start(nginx, sent, b"Status: 404 Gone\r\n\r\nno", b"HTTP/1.1 200 Fine\r\n\r\nfine")
    nginx(CACHED + PASS, http=CACHE)
    for uri, line, body in (
        ("/a", "200 OK", b"hello"),
        ("/b", "404 Gone", b"no"),
        ("/c", "200 Fine", b"fine"),
    ):
        for cached in ("MISS", "HIT", "HIT"):
            answer = nginx.request(f"GET {uri}")
            assert f"{answer.status} {answer.reason}" == line
            assert (answer.get("X-Cache"), answer.body) == (cached, body)
    assert len(backend.connections(3)) == 3 == backend.accepted
    file = nginx.read(f"cache/{hashlib.md5(b'/a').hexdigest()}")
    assert file.endswith("\nKEY: /a\n" + sent.decode())


def test_parameters_with_a_cache(nginx: Nginx) -> None:
    """Conditions and ranges of one client are not asked for all; a parameter brings them back."""
    start(nginx, tell)
    nginx(
        CACHED
        + PASS
        + """
        location /off { scgi_cache off; scgi_pass 127.0.0.1:%%PORT_b%%; }
        location /own { scgi_param HTTP_RANGE $http_range; scgi_pass 127.0.0.1:%%PORT_b%%; }
        """,
        http=CACHE,
    )
    fields = ["If-None-Match: a", "If-Modified-Since: b", "If-Range: c", "X-A: d"]
    assert told(nginx, "GET /", *fields) == ["CONTENT_LENGTH=0", "HTTP_X_A=d"]
    assert told(nginx, "GET /own", *fields, "Range: bytes=x")[1:] == [
        "HTTP_RANGE=bytes=x",
        "HTTP_X_A=d",
    ]
    assert len(told(nginx, "GET /off", *fields)) == 5


def test_revalidation(nginx: Nginx) -> None:
    asked: list[dict[str, str]] = []

    def application(peer: Peer, found: Environ) -> None:
        asked.append(dict(found))
        new = "HTTP_IF_NONE_MATCH" not in asked[-1]
        head = b'ETag: "e"\r\nX-Accel-Expires: @1\r\n'
        peer.send(head + b"\r\nhello" if new else b"Status: 304\r\n" + head + b"\r\n")

    start(nginx, application)
    nginx(
        "scgi_cache_revalidate on; scgi_ignore_headers X-Accel-Expires;"
        + CACHED.replace("404 1m", "304 1s")
        + PASS,
        http=CACHE,
    )
    nginx.exchange("> GET /\n< 200\n< X-Cache: MISS\n<\n< hello")
    seen = ""
    while seen != "REVALIDATED":
        answer = nginx.request("GET /")
        seen = answer.get("X-Cache") or ""
        assert seen in ("HIT", "REVALIDATED") and answer.body == b"hello"
    assert asked[-1]["HTTP_IF_NONE_MATCH"] == '"e"'


def test_head_with_a_cache(nginx: Nginx) -> None:
    """An application that sends no body to HEAD leaves nothing for GET."""
    start(nginx, b"Content-Length: 5\r\n\r\n", b"Content-Length: 5\r\n\r\nhello")
    nginx(CACHED + PASS, http=CACHE)
    nginx.exchange("""
        > HEAD /
        < 200
        < Content-Length: 5
        < X-Cache: MISS

        > GET /
        < 200
        < X-Cache: MISS
        <
        < hello

        > GET /
        < 200
        < X-Cache: HIT
        <
        < hello
        """)


def test_an_unfinished_answer_is_not_kept(nginx: Nginx) -> None:
    start(nginx, b"Content-Length: 9\r\n\r\nhello", b"Content-Length: 5\r\n\r\nhello")
    nginx(CACHED + PASS, http=CACHE)
    nginx.raw(b"GET / HTTP/1.0\r\n\r\n")
    nginx.exchange("> GET /\n< 200\n< X-Cache: MISS\n<\n< hello")


def test_stale_answers(nginx: Nginx) -> None:
    start(nginx, b"Cache-Control: max-age=1\r\n\r\nhello", b"Status: 503\r\n\r\nno")
    nginx("scgi_cache_use_stale http_503;" + CACHED + PASS, http=CACHE)
    seen = "MISS"
    while seen != "STALE":
        answer = nginx.request("GET /")
        seen = answer.get("X-Cache") or ""
        assert (answer.status, answer.body) == (200, b"hello")


def test_a_cache_without_a_key(nginx: Nginx) -> None:
    text = nginx.accepts("scgi_cache z; scgi_cache_valid 1m;" + PASS, http=CACHE)
    assert 'no "scgi_cache_key" for "scgi_cache"' in text


@pytest.mark.nginx_differs("all requests get what one of them was answered")
def test_a_cache_without_a_key_keeps_nothing(nginx: Nginx) -> None:
    start(nginx, b"\r\nfirst", b"\r\nsecond")
    nginx("scgi_cache z; scgi_cache_valid 1m;" + PASS, http=CACHE)
    nginx.exchange("> GET /a\n< 200\n<\n< first\n\n> GET /b\n< 200\n<\n< second")


def test_zones_belong_to_one_protocol(nginx: Nginx) -> None:
    nginx.rejects(
        "proxy_cache z;" + PASS,
        'the shared memory zone "z" is already declared for a different use',
        http=CACHE,
    )


# Configuration.


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("scgi_pass a:1;", '"scgi_pass" directive is not allowed here'),
        ("location / { scgi_pass a:1 b; }", 'invalid number of arguments in "scgi_pass" directive'),
        (
            "location / { scgi_pass 127.0.0.1:1; scgi_pass 127.0.0.1:2; }",
            '"scgi_pass" directive is duplicate',
        ),
        ("location / { scgi_pass 127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("location / { scgi_pass 127.0.0.1:1/x; }", 'invalid host in upstream "127.0.0.1:1/x"'),
        ("location / { scgi_pass :1; }", 'no host in upstream ":1"'),
        ("location / { scgi_pass $none; }", 'unknown "none" variable'),
        ("scgi_param A;", 'invalid number of arguments in "scgi_param" directive'),
        ("scgi_param A b if_empty;", 'invalid parameter "if_empty"'),
        ('scgi_param A b "";', 'invalid parameter ""'),
        ("scgi_param A $none;", 'unknown "none" variable'),
        ("scgi_buffers 1 4k;", 'there must be at least 2 "scgi_buffers"'),
        ("scgi_next_upstream http_502;", 'invalid value "http_502"'),
        ("scgi_cache_use_stale non;", 'invalid value "non"'),
        ("scgi_cache none;", '"scgi_cache" zone "none" is unknown'),
        ("scgi_buffering maybe;", re.compile('invalid value "maybe" in "scgi_buffering".*')),
        ("scgi_temp_path a 1 2 3 4;", re.compile("invalid number of arguments.*")),
        ("scgi_cache_path a keys_zone=a:1m;", '"scgi_cache_path" directive is not allowed here'),
        ("location / { limit_except GET { scgi_pass a:1; } }", re.compile(".*is not allowed here")),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str | re.Pattern[str]) -> None:
    nginx.rejects(snippet, message)


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts(
        """
        scgi_bind off; scgi_buffer_size 8k; scgi_buffering on; scgi_buffers 4 8k;
        scgi_busy_buffers_size 16k; scgi_cache off; scgi_cache_background_update on;
        scgi_cache_bypass $arg_x; scgi_cache_key $uri; scgi_cache_lock on;
        scgi_cache_lock_age 1s; scgi_cache_lock_timeout 1s; scgi_cache_max_range_offset 1m;
        scgi_cache_methods POST; scgi_cache_min_uses 2; scgi_cache_revalidate on;
        scgi_cache_use_stale updating error timeout non_idempotent; scgi_cache_valid any 1m;
        scgi_connect_timeout 1s; scgi_force_ranges on; scgi_hide_header X; scgi_pass_header X;
        scgi_ignore_client_abort on; scgi_ignore_headers Expires; scgi_intercept_errors on;
        scgi_limit_rate 1k; scgi_max_temp_file_size 0; scgi_next_upstream error http_429;
        scgi_next_upstream_timeout 1s; scgi_next_upstream_tries 2; scgi_no_cache $arg_x;
        scgi_param A b; scgi_pass_request_body off; scgi_pass_request_headers off;
        scgi_read_timeout 1s; scgi_request_buffering off; scgi_send_timeout 1s;
        scgi_socket_keepalive on; scgi_socket_rcvbuf 8k; scgi_socket_sndbuf 8k;
        scgi_temp_file_write_size 16k; scgi_temp_path temp 1 2;
        """
    )
