"""scgi_pass, uwsgi_pass and fastcgi_pass: what they have in common, under their own prefixes."""

from __future__ import annotations

import hashlib
import os
import re
import threading

import pytest

from ..applications import PROTOCOLS, Call, Site, echo
from ..nginx import Nginx
from ..wire import DEADLINE

PASSES = "cgi_pass 127.0.0.1:%%PORT_b%%;"
PASS = "location / { cgi_pass 127.0.0.1:%%PORT_b%%; }"
WITH_LENGTH = f"cgi_param CONTENT_LENGTH $content_length if_not_empty; {PASS}"
TEXT = b"Content-Type: text/plain\r\n\r\nhello"
STATUS_LINE_IS_READ = "by SCGI and uwsgi"


@pytest.fixture(params=PROTOCOLS)
def site(request: pytest.FixtureRequest, nginx: Nginx) -> Site:
    """A server, and one of the protocols."""
    return Site(nginx, request.param)


def parameters(site: Site, *head: str, body: str = "") -> list[str]:
    """Those of a request, but for its length and the fields that all tests send."""
    answer = site.nginx.request(*head, body=body)
    assert answer.status == 200
    lines = answer.body.decode("latin-1").split("\n")
    return [line for line in lines if not re.match("CONTENT_LENGTH=|HTTP_(HOST|CONNECTION)=", line)]


# What the application is told.


def test_parameters(site: Site) -> None:
    site.application(echo)
    site("""
        location / {
            cgi_param SCGI 1;
            cgi_param REQUEST_URI $request_uri;
            cgi_param EMPTY "";
            cgi_param EMPTY_TOO $arg_none;
            cgi_param LEFT_OUT $arg_none if_not_empty;
            cgi_param GIVEN $arg_given if_not_empty;
            cgi_param TWICE 1;
            cgi_param TWICE 2;
            cgi_pass 127.0.0.1:%%PORT_b%%;
        }
        """)
    assert parameters(site, "GET /x?given=yes") == [
        "SCGI=1",
        "REQUEST_URI=/x?given=yes",
        "EMPTY=",
        "EMPTY_TOO=",
        "GIVEN=yes",
        "TWICE=1",
        "TWICE=2",
    ]


def test_fields_of_the_client(site: Site) -> None:
    """Repeated ones are joined, and those that a parameter names are not passed."""
    site.application(echo)
    site(
        """
        location / {
            cgi_param HTTP_X_SET $http_x_set!;
            cgi_param HTTP_X_HIDDEN "";
            cgi_param http_x_lower passed;
            cgi_param HTTP_X-DASH passed;
            cgi_pass 127.0.0.1:%%PORT_b%%;
        }
        location /none { cgi_pass_request_headers off; cgi_pass 127.0.0.1:%%PORT_b%%; }
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
    assert parameters(site, "GET /", *fields) == [
        "HTTP_X_SET=client!",
        "http_x_lower=passed",
        "HTTP_X-DASH=passed",
        "HTTP_X_LOWER=1",
        "HTTP_X_DASH=2",
        "HTTP_X_TWICE=a, b",
        "HTTP_COOKIE=a=1; b=2",
        "HTTP_PROXY=evil",
    ]
    answer = site.nginx.request("GET /none", *fields)
    assert answer.body.removeprefix(b"CONTENT_LENGTH=0\n") == b"HTTP_HOST=localhost"


@pytest.mark.nginx_differs("it sends the parameter twice")
def test_no_field_doubles_a_parameter(site: Site) -> None:
    site.application(echo)
    site("underscores_in_headers on;" + PASS)
    assert "HTTP_X_USER=real, other" in parameters(site, "GET /", "X-User: real", "X_User: other")


def test_host_parameter(site: Site) -> None:
    site.application(echo)
    site(PASS + "location /own { cgi_param HTTP_HOST own; cgi_pass 127.0.0.1:%%PORT_b%%; }")
    for head, host in {
        ("GET /", "Host: a.b:81"): "a.b:81",
        ("GET /", "Host: A.b"): "a.b",
        ("GET http://c/ HTTP/1.1", "Host: a"): "c",
        ("GET /own", "Host: a"): "own",
    }.items():
        lines = site.nginx.request(*head).body.decode().split("\n")
        assert [line for line in lines if line.startswith("HTTP_HOST")] == [f"HTTP_HOST={host}"]


def test_inheritance(site: Site) -> None:
    """Parameters of outer levels count if and only if there are none on the own one."""
    site.application(echo)
    site(
        """
        cgi_param A server;
        location / { cgi_pass 127.0.0.1:%%PORT_b%%;
            location /own { cgi_param B own; cgi_pass 127.0.0.1:%%PORT_b%%; }
            location /if { if ($args) { cgi_param B if; } cgi_pass 127.0.0.1:%%PORT_b%%; }
        }
        """.replace("cgi_param B if;", "set $x 1;"),
        http="cgi_param A http; cgi_param C http;",
    )
    assert parameters(site, "GET /") == ["A=server"]
    assert parameters(site, "GET /own") == ["B=own"]
    assert parameters(site, "GET /if?x") == ["A=server"]


# The body of a request.


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_request_body(site: Site, buffering: str) -> None:
    site.application(echo)
    site(
        f"cgi_request_buffering {buffering}; client_max_body_size 9m;" + WITH_LENGTH,
        http="client_body_buffer_size 8k;",
    )
    for body in ("12345", "x" * 100_000):
        assert parameters(site, "POST /", body=body)[-1] == body


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_chunked_request_body(site: Site, buffering: str) -> None:
    """SCGI and uwsgi need to know the length: they always buffer such a body."""
    site.application(echo)
    site(f"cgi_request_buffering {buffering};" + WITH_LENGTH)
    with site.nginx.connect() as client:
        client.wire.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"3\r\nabc\r\n"
        )
        client.wire.send(b"2\r\nde\r\n0\r\n\r\n")
        answer = client.wire.answer()
    assert answer and answer.body.endswith(b"\nabcde")
    if site.protocol != "fastcgi" or buffering == "on":
        assert b"CONTENT_LENGTH=5\n" in answer.body


def test_unbuffered_request_body(site: Site) -> None:
    """It is passed on as it comes."""
    arrived, beginning = threading.Event(), []

    def application(call: Call) -> None:
        beginning.append(call.body(3))
        arrived.set()
        call.send(TEXT + call.body(2))

    site.application(application)
    site("cgi_request_buffering off;" + PASS)
    with site.nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nabc")
        assert arrived.wait(DEADLINE) and beginning == [b"abc"]
        client.wire.send(b"de")
        answer = client.wire.answer()
    assert answer and answer.body == b"hellode"


def test_request_body_that_is_not_passed(site: Site) -> None:
    calls: list[Call] = []

    def application(call: Call) -> None:
        calls.append(call)
        if site.protocol == "fastcgi":
            assert call.body() == b""
        call.send(TEXT)

    backend = site.application(application)
    site("cgi_pass_request_body off;" + PASS)
    site.nginx.exchange("""
        > POST /
        >
        > body
        < 200
        <
        < hello
        """)
    assert "body" not in backend.connections(1)[0] and len(calls) == 1


def test_permission_of_an_application(site: Site) -> None:
    """auth_request to SCGI, of a request with a body: the application waits for none of it."""

    def decide(call: Call) -> None:
        call.send(b"Status: 204\r\nX-User: %b\r\n\r\n" % call["TOKEN"].encode())

    site.application(decide)
    site("""
        location / { auth_request /_auth; auth_request_set $user $upstream_http_x_user;
                     add_header X-User $user; try_files /none =404; error_page 404 =200 /done; }
        location /done { return 200 "user=$user"; }
        location = /_auth { internal; cgi_param TOKEN $http_x_token;
                            cgi_pass_request_body off; cgi_pass 127.0.0.1:%%PORT_b%%; }
        """)
    site.nginx.exchange("""
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
        (b"HTTP/1.1 201 Made\r\nX: y\r\n\r\nhello", STATUS_LINE_IS_READ, b"hello"),
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
def test_answers(site: Site, sent: bytes, status: str, body: bytes) -> None:
    site.application(sent)
    site(PASS)
    if status == STATUS_LINE_IS_READ:
        status = "200 OK" if site.protocol == "fastcgi" else "201 Made"
    answer = site.nginx.request("GET /")
    assert f"{answer.status} {answer.reason}".strip() == status
    assert answer.body == body
    assert bool(answer.get("Status")) is (site.protocol == "uwsgi" and b"Status" in sent)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "upstream prematurely closed connection"),
        (b"Content-Type: a/b\r\n", "upstream prematurely closed (connection|FastCGI stdout)"),
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
def test_bad_answers(site: Site, sent: bytes, text: str) -> None:
    site.application(sent)
    site(PASS)
    assert site.nginx.request("GET /").status == 502
    site.nginx.wait_for_log(
        rf'\[error\] .*{text}.* upstream: "{site.protocol}://127\.0\.0\.1:\d+", host'
    )


@pytest.mark.nginx_differs("it sends them on, and the client waits for an answer")
@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints", "000"])
def test_interim_status(site: Site, status: str) -> None:
    site.application(b"Status: %b\r\n\r\nbody" % status.encode())
    site(PASS)
    assert site.nginx.request("GET /").status == 502
    site.nginx.wait_for_log(f'upstream sent invalid status "{status}"')


def test_an_answer_that_breaks_off(site: Site) -> None:
    site.application(b"Content-Length: 9\r\n\r\nhello")
    site(PASS)
    raw = site.nginx.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 9\r\n" in raw and not raw.endswith(b"0\r\n\r\n")
    site.nginx.wait_for_log("upstream prematurely closed (connection|FastCGI stdout)")


def test_fields_of_the_answer(site: Site) -> None:
    site.application(
        b"Server: app\r\nDate: then\r\nX-Accel-Expires: 1\r\nX-A: a\r\nX-B: b\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nStatus: 200\r\nLast-Modified: x\r\n\r\nhello",
        b"Content-Type: a/b\r\n\r\nhello",
    )
    site("cgi_hide_header X-A; cgi_pass_header Status;" + PASS)
    site.nginx.exchange("""
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
    answer = site.nginx.request("GET /")
    assert (answer.get("Server") or "").startswith("nginx/") and answer.get("Date")


def test_head(site: Site) -> None:
    """Whether an application answers HEAD with a body or not, the client gets none."""
    site.application(TEXT, b"Content-Length: 5\r\n\r\n", b"Content-Length: 5\r\n\r\nhello")
    site(PASS)
    for length in ("!Content-Length", "Content-Length: 5", "Content-Length: 5"):
        site.nginx.exchange(f"> HEAD /\n< 200\n< {length}")


def test_a_long_answer(site: Site) -> None:
    data = bytes(range(256)) * 8192

    def application(call: Call) -> None:
        call.send(b"Content-Type: a/b\r\n\r\n")
        for at in range(0, len(data), 100_000):
            call.send(data[at : at + 100_000])

    site.application(application)
    site("location /off { cgi_buffering off; cgi_pass 127.0.0.1:%%PORT_b%%; }" + PASS)
    for uri in ("/", "/off"):
        answer = site.nginx.request(f"GET {uri}")
        assert hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()


def test_internal_redirects(site: Site) -> None:
    site.application(b"X-Accel-Redirect: /inside\r\nContent-Type: a/b\r\nX-A: a\r\n\r\n")
    site(PASS + "location /inside { internal; return 200 inside; }")
    site.nginx.exchange("""
        > GET /
        < 200
        < Content-Type: a/b
        < !X-A
        <
        < inside
        """)


def test_intercepted_errors(site: Site) -> None:
    site.application(b"Status: 404\r\n\r\nno")
    site(
        "error_page 404 /page; location /page { return 200 page; }"
        "location /on { cgi_intercept_errors on; cgi_pass 127.0.0.1:%%PORT_b%%; }" + PASS
    )
    site.nginx.exchange("> GET /\n< 404\n<\n< no\n\n> GET /on\n< 404\n<\n< page")


def test_ranges(site: Site) -> None:
    site.application(b"Content-Length: 5\r\n\r\nhello")
    site("cgi_force_ranges on;" + PASS)
    site.nginx.exchange("> GET /\n> Range: bytes=1-2\n< 206\n<\n< el")


# Where requests go.


def test_servers(site: Site) -> None:
    """Groups, variables and the next server; an application's connection is never kept."""
    backend = site.application(TEXT)
    site(
        """
        location / { cgi_pass u; add_header X-Status $upstream_status; }
        location /variable { cgi_pass $arg_to; }
        location /slash/ { cgi_pass u; }
        location /named/ { cgi_pass $arg_to; }
        location /if { if ($arg_x) { cgi_pass u; } return 404; }
        location /port { cgi_pass $arg_to; }
        """.replace("return 404;", ""),
        http="""
            upstream u {
                server 127.0.0.1:%%PORT_closed%% max_fails=0; server 127.0.0.1:%%PORT_b%% backup;
                keepalive 8;
            }
            """,
    )
    site.nginx.exchange("""
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

        > GET /port?to=127.0.0.1
        < 500

        > GET /port?to=
        < 500
        """)
    assert len(backend.connections(4)) == 4
    adds_slash = site.protocol == "fastcgi"
    assert site.nginx.request("GET /named?to=u").status == (301 if adds_slash else 200)
    site.nginx.wait_for_log(r'\[error\] .*no port in upstream "127\.0\.0\.1"')
    site.nginx.wait_for_log(r'\[error\] .*no host in upstream ""')


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
def test_next_upstream(site: Site, next_upstream: str, sent: bytes, status: int) -> None:
    site.application(sent, name="a")
    site.application(TEXT)
    directive = f"cgi_next_upstream {next_upstream};" if next_upstream else ""
    site(
        directive + "location / { cgi_pass u; }",
        http="upstream u { server 127.0.0.1:%%PORT_a%%; server 127.0.0.1:%%PORT_b%% backup; }",
    )
    assert site.nginx.request("GET /").status == status


def test_bind(site: Site) -> None:
    addresses: list[str] = []

    def application(call: Call) -> None:
        addresses.append(call.peer.socket.getpeername()[0])
        call.send(TEXT)

    site.application(application)
    site(f"""
        location / {{ cgi_bind 127.0.0.2; {PASSES} }}
        location /args {{ cgi_bind $arg_a; {PASSES} }}
        location /off {{ cgi_bind off; {PASSES} }}
        """)
    targets = ("/", "/args?a=127.0.0.3", "/args", "/args?a=x", "/off")
    for target in targets:
        assert site.nginx.request(f"GET {target}").status == 200
    assert addresses == ["127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.1", "127.0.0.1"]
    assert 'invalid local address "x"' in site.nginx.error_log()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")
def test_bind_to_an_address_of_others(site: Site) -> None:
    addresses: list[str] = []

    def application(call: Call) -> None:
        addresses.append(call.peer.socket.getpeername()[0])
        call.send(TEXT)

    site.application(application)
    site(f"""
        location / {{ cgi_bind 127.0.0.2 transparent; {PASSES} }}
        location /args {{ cgi_bind $arg_a transparent; {PASSES} }}
        """)
    assert site.nginx.request("GET /").status == 200
    assert site.nginx.request("GET /args?a=127.0.0.3").status == 200
    assert addresses == ["127.0.0.2", "127.0.0.3"]


def test_bind_to_an_address_that_is_not_ours(site: Site) -> None:
    """It is not the server's fault, and no other one is tried."""
    site.application(b"\r\nx")
    site(
        "location / { cgi_bind 192.0.2.1; cgi_pass u; }",
        http="upstream u { server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_b%%; }",
    )
    assert site.nginx.request("GET /").status == 500
    assert site.nginx.error_log().count("bind(192.0.2.1) failed (99: ") == 1
    assert "temporarily disabled" not in site.nginx.error_log()


@pytest.mark.parametrize(
    "words, error",
    [
        ("x", 'invalid address "x"'),
        ("off transparent", 'invalid address "off"'),
        ("127.0.0.1 opaque", 'invalid parameter "opaque"'),
        ("$uri opaque", 'invalid parameter "opaque"'),
    ],
)
def test_bind_is_rejected(site: Site, words: str, error: str) -> None:
    site.rejects(f"cgi_bind {words};", error)


def test_the_last_one_counts(site: Site) -> None:
    """Of the directives of a block that pass requests on, and in an "if" its own."""
    site.application(b"\r\ncgi")
    site.nginx.backend("http", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhttp")
    http, cgi = "proxy_pass http://127.0.0.1:%%PORT_http%%;", "cgi_pass 127.0.0.1:%%PORT_b%%;"
    site(f"""
        location /http {{ {cgi} {http} }}
        location /cgi {{ {http} {cgi} }}
        location /if-http {{ if ($arg_x) {{ {http} }} {cgi} }}
        location /if-cgi {{ {http} if ($arg_x) {{ {cgi} }} }}
        location /if-none {{ {http} if ($arg_x) {{ set $x 1; }} }}
        """)
    for uri, body in {
        "/http": b"http",
        "/cgi": b"cgi",
        "/if-http": b"cgi",
        "/if-http?x=1": b"http",
        "/if-cgi": b"http",
        "/if-cgi?x=1": b"cgi",
        "/if-none?x=1": b"http",
    }.items():
        assert site.nginx.request(f"GET {uri}").body == body, uri


# The cache.

CACHE = "cgi_cache_path %%DIR%%/cache keys_zone=z:1m;"
CACHED = """
    cgi_cache z; cgi_cache_key $uri; cgi_cache_valid 200 404 1m;
    add_header X-Cache $upstream_cache_status always;
"""


def test_cache(site: Site) -> None:
    sent = b"Content-Type: a/b\r\nX-A: a\r\n\r\nhello"
    backend = site.application(sent, b"Status: 404 Gone\r\n\r\nno", b"Status: 200 Fine\r\n\r\nfine")
    site(CACHED + PASS, http=CACHE)
    for uri, line, body in (
        ("/a", "200 OK", b"hello"),
        ("/b", "404 Gone", b"no"),
        ("/c", "200 Fine", b"fine"),
    ):
        for cached in ("MISS", "HIT", "HIT"):
            answer = site.nginx.request(f"GET {uri}")
            assert f"{answer.status} {answer.reason}" == line
            assert (answer.get("X-Cache"), answer.body) == (cached, body)
    assert len(backend.connections(3)) == 3 == backend.accepted
    file = site.nginx.read(f"cache/{hashlib.md5(b'/a').hexdigest()}")
    record = r"\x01\x06\x00\x01[\x00-\xff]{4}" if site.protocol == "fastcgi" else ""
    assert re.search(rf"\nKEY: /a\n{record}{re.escape(sent.decode())}\Z", file)


def test_parameters_with_a_cache(site: Site) -> None:
    """Conditions and ranges of one client are not asked for all; a parameter brings them back."""
    site.application(echo)
    site(
        CACHED
        + PASS
        + """
        location /off { cgi_cache off; cgi_pass 127.0.0.1:%%PORT_b%%; }
        location /own { cgi_param HTTP_RANGE $http_range; cgi_pass 127.0.0.1:%%PORT_b%%; }
        """,
        http=CACHE,
    )
    fields = ["If-None-Match: a", "If-Modified-Since: b", "If-Range: c", "X-A: d"]
    assert parameters(site, "GET /", *fields) == ["HTTP_X_A=d"]
    assert parameters(site, "GET /own", *fields, "Range: bytes=x") == [
        "HTTP_RANGE=bytes=x",
        "HTTP_X_A=d",
    ]
    assert len(parameters(site, "GET /off", *fields)) == 4


def test_revalidation(site: Site) -> None:
    calls: list[dict[str, str]] = []

    def application(call: Call) -> None:
        calls.append(dict(call.environ))
        new = "HTTP_IF_NONE_MATCH" not in calls[-1]
        head = b'ETag: "e"\r\nX-Accel-Expires: @1\r\n'
        call.send(head + b"\r\nhello" if new else b"Status: 304\r\n" + head + b"\r\n")

    site.application(application)
    site(
        "cgi_cache_revalidate on; cgi_ignore_headers X-Accel-Expires;"
        + CACHED.replace("404 1m", "304 1s")
        + PASS,
        http=CACHE,
    )
    site.nginx.exchange("> GET /\n< 200\n< X-Cache: MISS\n<\n< hello")
    status = ""
    while status != "REVALIDATED":
        answer = site.nginx.request("GET /")
        status = answer.get("X-Cache") or ""
        assert status in ("HIT", "REVALIDATED") and answer.body == b"hello"
    assert calls[-1]["HTTP_IF_NONE_MATCH"] == '"e"'


@pytest.mark.parametrize(
    "site",
    [
        "scgi",
        "uwsgi",
        pytest.param("fastcgi", marks=pytest.mark.nginx_differs("it answers GET with no body")),
    ],
    indirect=True,
)
def test_head_with_a_cache(site: Site) -> None:
    """An application that sends no body to HEAD leaves nothing for GET."""
    site.application(b"Content-Length: 5\r\n\r\n", b"Content-Length: 5\r\n\r\nhello")
    site(CACHED + PASS, http=CACHE)
    site.nginx.exchange("""
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


def test_an_unfinished_answer_is_not_kept(site: Site) -> None:
    site.application(b"Content-Length: 9\r\n\r\nhello", b"Content-Length: 5\r\n\r\nhello")
    site(CACHED + PASS, http=CACHE)
    site.nginx.raw(b"GET / HTTP/1.0\r\n\r\n")
    site.nginx.exchange("> GET /\n< 200\n< X-Cache: MISS\n<\n< hello")


def test_stale_answers(site: Site) -> None:
    site.application(b"Cache-Control: max-age=1\r\n\r\nhello", b"Status: 503\r\n\r\nno")
    site("cgi_cache_use_stale http_503;" + CACHED + PASS, http=CACHE)
    status = "MISS"
    while status != "STALE":
        answer = site.nginx.request("GET /")
        status = answer.get("X-Cache") or ""
        assert (answer.status, answer.body) == (200, b"hello")


def test_a_cache_without_a_key(site: Site) -> None:
    text = site.accepts("cgi_cache z; cgi_cache_valid 1m;" + PASS, http=CACHE)
    assert site.named('no "cgi_cache_key" for "cgi_cache"') in text


@pytest.mark.nginx_differs("all requests get what one of them was answered")
def test_a_cache_without_a_key_keeps_nothing(site: Site) -> None:
    site.application(b"\r\nfirst", b"\r\nsecond")
    site("cgi_cache z; cgi_cache_valid 1m;" + PASS, http=CACHE)
    site.nginx.exchange("> GET /a\n< 200\n<\n< first\n\n> GET /b\n< 200\n<\n< second")


def test_zones_belong_to_one_protocol(site: Site) -> None:
    site.rejects(
        "proxy_cache z;" + PASS,
        'the shared memory zone "z" is already declared for a different use',
        http=CACHE,
    )


# Configuration.


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("cgi_pass a:1;", '"cgi_pass" directive is not allowed here'),
        ("location / { cgi_pass a:1 b; }", 'invalid number of arguments in "cgi_pass" directive'),
        (
            "location / { cgi_pass 127.0.0.1:1; cgi_pass 127.0.0.1:2; }",
            '"cgi_pass" directive is duplicate',
        ),
        ("location / { cgi_pass 127.0.0.1; }", 'no port in upstream "127.0.0.1"'),
        ("location / { cgi_pass 127.0.0.1:1/x; }", 'invalid host in upstream "127.0.0.1:1/x"'),
        ("location / { cgi_pass :1; }", 'no host in upstream ":1"'),
        ("location / { cgi_pass $none; }", 'unknown "none" variable'),
        ("cgi_param A;", 'invalid number of arguments in "cgi_param" directive'),
        ("cgi_param A b if_empty;", 'invalid parameter "if_empty"'),
        ('cgi_param A b "";', 'invalid parameter ""'),
        ("cgi_param A $none;", 'unknown "none" variable'),
        ("cgi_buffers 1 4k;", 'there must be at least 2 "cgi_buffers"'),
        ("cgi_next_upstream http_502;", 'invalid value "http_502"'),
        ("cgi_cache_use_stale non;", 'invalid value "non"'),
        ("cgi_cache none;", '"cgi_cache" zone "none" is unknown'),
        ("cgi_buffering maybe;", re.compile('invalid value "maybe" in "cgi_buffering".*')),
        ("cgi_temp_path a 1 2 3 4;", re.compile("invalid number of arguments.*")),
        ("cgi_cache_path a keys_zone=a:1m;", '"cgi_cache_path" directive is not allowed here'),
        ("location / { limit_except GET { cgi_pass a:1; } }", re.compile(".*is not allowed here")),
    ],
)
def test_rejected(site: Site, snippet: str, message: str | re.Pattern[str]) -> None:
    site.rejects(snippet, message)


def test_accepted(site: Site) -> None:
    site.accepts(
        """
        cgi_bind off; cgi_buffer_size 8k; cgi_buffering on; cgi_buffers 4 8k;
        cgi_busy_buffers_size 16k; cgi_cache off; cgi_cache_background_update on;
        cgi_cache_bypass $arg_x; cgi_cache_key $uri; cgi_cache_lock on;
        cgi_cache_lock_age 1s; cgi_cache_lock_timeout 1s; cgi_cache_max_range_offset 1m;
        cgi_cache_methods POST; cgi_cache_min_uses 2; cgi_cache_revalidate on;
        cgi_cache_use_stale updating error timeout non_idempotent; cgi_cache_valid any 1m;
        cgi_connect_timeout 1s; cgi_force_ranges on; cgi_hide_header X; cgi_pass_header X;
        cgi_ignore_client_abort on; cgi_ignore_headers Expires; cgi_intercept_errors on;
        cgi_limit_rate 1k; cgi_max_temp_file_size 0; cgi_next_upstream error http_429;
        cgi_next_upstream_timeout 1s; cgi_next_upstream_tries 2; cgi_no_cache $arg_x;
        cgi_param A b; cgi_pass_request_body off; cgi_pass_request_headers off;
        cgi_read_timeout 1s; cgi_request_buffering off; cgi_send_timeout 1s;
        cgi_socket_keepalive on; cgi_socket_rcvbuf 8k; cgi_socket_sndbuf 8k;
        cgi_temp_file_write_size 16k; cgi_temp_path temp 1 2;
        """
    )


@pytest.mark.parametrize("protocol", ["scgi", "uwsgi"])
def test_upgrade(nginx: Nginx, protocol: str) -> None:
    def application(call: Call) -> None:
        call.send(b"Status: 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
        call.send(call.peer.until(b"\n").upper())

    site = Site(nginx, protocol)
    site.application(application)
    site(PASS)
    with nginx.connect() as client:
        client.wire.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello\n"
        )
        answer = client.wire.answer()
        assert answer and answer.status == 101 and answer.get("Upgrade") == "x"
        assert client.wire.until(b"\n") == b"HELLO\n"
