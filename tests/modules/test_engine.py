"""What a request meets between its head and its end: phases, error pages, bodies, connections."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

UPSTREAM = "location / { proxy_pass http://127.0.0.1:%%PORT_b%%; }"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# Statuses and error pages.


@pytest.mark.parametrize("status", [200, 203, 306, 417, 599, 999])
def test_status_line(nginx: Nginx, status: int) -> None:
    """A status without a reason phrase keeps its blank."""
    nginx(f'location / {{ return {status} "x"; }}')
    reason = b"OK" if status == 200 else b""
    assert nginx.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 %d %b\r\n" % (status, reason))


def test_empty_text_is_none(nginx: Nginx) -> None:
    nginx('location /404 { return 404 ""; } location /200 { return 200 ""; }')
    nginx.exchange("""
        > GET /404
        < 404
        <~ 404 Not Found

        > GET /200
        < 200
        < Content-Length: 0
        """)


def test_status_in_its_own_text(nginx: Nginx) -> None:
    nginx('location / { return 403 "$status"; }')
    nginx.exchange("""
        > GET /
        < 403
        <
        < 403
        """)


BAD_HEADS = {
    400: b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    414: b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 2000),
    494: b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n" % (b"x" * 2000),
}


@pytest.mark.parametrize("code", BAD_HEADS)
def test_error_page_of_a_bad_head(nginx: Nginx, code: int) -> None:
    """The default server's error pages serve requests that name no server yet."""
    nginx(f"""
        large_client_header_buffers 2 1k;
        error_page {code} /page;
        location /page {{ return 200 "page $status $uri $request_method\n"; }}
        """)
    answer = nginx.raw(BAD_HEADS[code])
    told = 400 if code == 494 else code
    assert answer.startswith(b"HTTP/1.1 %d " % told)
    assert answer.endswith(b"\r\n\r\npage %d /page GET\n" % told)


def test_error_page_answers_with_another_code(nginx: Nginx) -> None:
    nginx("""
        location /same { error_page 404 /page; return 404; }
        location /other { error_page 404 =410 /page; return 404; }
        location /its { error_page 404 = /page; return 404; }
        location /named { error_page 404 = @named; return 404; }
        location /away { error_page 404 =301 http://127.0.0.1/x; return 404; }
        location /moved { error_page 404 http://127.0.0.1/x; return 404; }
        location /page { return 202 "page"; }
        location @named { return 203 "named"; }
        """)
    nginx.exchange("""
        > GET /same
        < 404
        <
        < page

        > GET /other
        < 410
        <
        < page

        > GET /its
        < 202
        <
        < page

        > GET /named
        < 203
        <
        < named

        > GET /away
        < 301
        < Location: http://127.0.0.1/x

        > GET /moved
        < 302
        < Location: http://127.0.0.1/x
        """)


def test_method_after_an_error_page(nginx: Nginx) -> None:
    nginx("""
        error_page 404 = /page;
        location /page { return 200 $request_method; }
        location / { return 404; }
        """)
    nginx.exchange("""
        > POST /
        < 200
        <
        < GET

        > HEAD /
        < 200
        < Content-Length: 4
        """)


# Server names.


def test_server_names(nginx: Nginx) -> None:
    name = 'return 200 "$server_name";'
    nginx(
        f"server_name first; {name}",
        servers=[
            f"listen 127.0.0.1:%%PORT%%; server_name .dot.test; {name}",
            f"listen 127.0.0.1:%%PORT%%; server_name *.head.test a.head.test; {name}",
            f"listen 127.0.0.1:%%PORT%%; server_name tail.*; {name}",
            f"listen 127.0.0.1:%%PORT%%; server_name ~^re(?<n>\\d)\\.test$; {name}",
        ],
    )
    for host, server in {
        "none": "first",
        "dot.test": "dot.test",
        "a.b.dot.test": "dot.test",
        "head.test": "first",
        "a.head.test": "*.head.test",
        "b.c.head.test": "*.head.test",
        "tail.any.test": "tail.*",
        "RE1.test": "~^re(?<n>\\d)\\.test$",
        "rex.test": "first",
    }.items():
        assert nginx.request("GET /", f"Host: {host}").text == server, host


def test_server_names_rejected(nginx: Nginx) -> None:
    for name in ("*x", "*.", "."):
        nginx.rejects(f"server_name {name};", f'server name "{name}" is invalid', line=1)
    nginx.rejects("server_name ~;", 'empty regex in server name "~"', line=1)
    nginx.rejects(
        "server_name a..b; server_name x;",
        'invalid server name or wildcard "a..b" on 127.0.0.1:%%PORT%%',
        line=0,
        http="server { listen 127.0.0.1:%%PORT%%; server_name y; }",
    )


def test_server_names_warned_of(nginx: Nginx) -> None:
    told = nginx.accepts(
        "server_name a/b .same same;", http="server { listen 127.0.0.1:%%PORT%%; server_name x; }"
    )
    assert 'server name "a/b" has suspicious symbols in ' in told
    assert f'conflicting server name "same" on 127.0.0.1:{nginx.port()}, ignored\n' in told


# Browsers.


def test_keepalive_disable(nginx: Nginx) -> None:
    nginx("""
        keepalive_timeout 9;
        location / { return 200 x; }
        location /safari { keepalive_disable safari; return 200 x; }
        location /none { keepalive_disable none; return 200 x; }
        """)
    kept, closed = "keep-alive", "close"
    for method, path, agent, expected in (
        ("POST", "/", "MSIE 5.0", closed),
        ("GET", "/", "MSIE 5.0", kept),
        ("POST", "/", "MSIE 6.0", closed),
        ("POST", "/", "MSIE 6.0 SV1", kept),
        ("POST", "/", "MSIE 7.0", kept),
        ("POST", "/", "MSIE 5.0 Opera", kept),
        ("POST", "/none", "MSIE 5.0", kept),
        ("GET", "/safari", "Mac OS X Safari/1", closed),
        ("GET", "/safari", "Mac OS X Chrome/1 Safari/1", kept),
        ("GET", "/", "Mac OS X Safari/1", kept),
    ):
        with nginx.connect() as client:
            answer = client.request(f"{method} {path}", f"User-Agent: {agent}")
            assert answer and answer.get("Connection") == expected, (method, path, agent)


def test_padding(nginx: Nginx) -> None:
    nginx("return 404;")
    for agent, padded in (
        ("MSIE 8.0", True),
        ("Chrome/1", True),
        ("Opera MSIE 8.0", False),
        ("Gecko/1 Chrome/1", False),
        ("curl", False),
    ):
        text = nginx.request("GET /", f"User-Agent: {agent}").text
        assert ("a padding to disable" in text) == padded, agent


# The request body.


@pytest.mark.parametrize("path", ["/200", "/302", "/static", "/proxied", "/read"])
def test_continue(nginx: Nginx, path: str) -> None:
    """A client that asks is told to go on even if nobody wants the body."""
    nginx.backend("b", OK)
    nginx(
        """
        location /200 { return 200 "x"; }
        location /302 { return 302 "/"; }
        location /static { error_page 405 =200 $uri; }
        location /proxied { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location /read { mirror /nowhere; return 200 "x"; }
        """,
        files={"html/static": "x"},
    )
    method = "GET" if path == "/static" else "POST"
    for length in (0, 1):
        with nginx.connect() as client:
            client.wire.send(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Expect: 100-Continue\r\nContent-Length: {length}\r\n\r\n".encode()
            )
            assert client.wire.until(b"\r\n\r\n", 3) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.wire.send(b"x" * length)
            answer = client.wire.answer()
            status = 302 if path == "/302" else 200
            assert answer and (answer.status, answer.interim) == (status, ())


@pytest.mark.parametrize(
    "path, status", [("/403", 403), ("/page", 403), ("/away", 302), ("/204", 204), ("/413", 413)]
)
def test_refusals_come_without_continue(nginx: Nginx, path: str, status: int) -> None:
    nginx("""
        client_max_body_size 8;
        location /403 { return 403; }
        location /page { error_page 403 /x; return 403; }
        location /away { error_page 403 http://x/; return 403; }
        location /204 { error_page 403 =204 /x; return 403; }
        location /413 { return 200; }
        location /x { return 200 page; }
        """)
    length = 9 if path == "/413" else 1
    answer = nginx.raw(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{'x' * length}".encode()
    )
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_bad_chunks_that_nobody_wants(nginx: Nginx) -> None:
    nginx("return 200 x;")
    answer = nginx.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\ntoo long\r\n0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_body_at_hand_is_not_streamed(nginx: Nginx) -> None:
    """A small body that came with the head is known as with buffering."""
    nginx.backend("b", OK)
    nginx(f'proxy_request_buffering off; add_header X-Body "$request_body"; {UPSTREAM}')
    nginx.exchange("""
        > POST /
        > Transfer-Encoding: chunked
        >
        > hello
        < 200
        < X-Body: hello
        """)


@pytest.mark.parametrize("coding", ["Content-Length: 6", "Transfer-Encoding: chunked"])
def test_streamed_body_leaves_with_the_head(nginx: Nginx, coding: str) -> None:
    chunked = coding.endswith("chunked")
    parts = [b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"] if chunked else [b"one", b"two"]

    first = threading.Event()

    def script(peer: Peer) -> None:
        head = peer.until(parts[0])
        first.set()
        assert coding.encode() in head
        assert peer.exactly(len(parts[1])) == parts[1]
        peer.send(OK)

    nginx.backend("b", script)
    nginx(f"proxy_request_buffering off; {UPSTREAM}")
    with nginx.connect() as client:
        client.wire.send(f"POST / HTTP/1.1\r\nHost: x\r\n{coding}\r\n\r\n".encode() + parts[0])
        assert first.wait(DEADLINE)
        client.wire.send(parts[1])
        answer = client.wire.answer()
        assert answer and answer.text == "ok"


def test_streaming_ends_with_the_client(nginx: Nginx) -> None:
    """A client that leaves in the middle of its body takes the upstream's connection along."""

    def script(peer: Peer) -> None:
        peer.until(b"one")
        assert peer.closed()

    backend = nginx.backend("b", script)
    nginx(f"access_log logs/access.log; proxy_request_buffering off; {UPSTREAM}")
    with nginx.connect() as client:
        client.wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\none")
        while not backend.accepted:
            assert client.wire.silent(0.02)
        client.wire.close()
    backend.connections(1)
    assert nginx.access_log(1)[0].split('" ')[1].startswith(("400 ", "499 "))


# Responses of upstreams.


def test_fields_of_an_upstream_that_count_once(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 200 OK\r\nExpires: a\r\nExpires: b\r\nX: a\r\nX: b\r\nContent-Type: a/a\r\n"
        b"Content-Type: b/b\r\nContent-Length: 2\r\n\r\nok",
    )
    nginx(UPSTREAM)
    nginx.exchange("""
        > GET /
        < 200
        < Expires: a
        < X: a
        < X: b
        < Content-Type: a/a
        """)
    nginx.wait_for_log(
        r'\[warn\].*upstream sent duplicate header line: "Expires: b", '
        r'previous value: "Expires: a", ignored while reading response header from upstream'
    )


def test_date_and_server_of_an_upstream(nginx: Nginx) -> None:
    """Where the upstream's are passed, an upstream without them leaves none."""
    nginx.backend("b", OK)
    nginx(f"""
        proxy_pass_header Server; proxy_pass_header Date;
        {UPSTREAM}
        location /hidden {{ proxy_pass http://127.0.0.1:%%PORT_b%%; proxy_pass_header X; }}
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !Server
        < !Date

        > GET /hidden
        < 200
        < Server: *
        < Date: *
        """)


def test_accel_redirect_keeps_fields(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 404 Not Found\r\nX-Accel-Redirect: /file?a=b\r\nContent-Type: a/b\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Disposition: x\r\nCache-Control: y\r\n"
        b"Expires: z\r\nAccept-Ranges: parrots\r\nX-Other: none\r\nETag: none\r\n"
        b"Content-Length: 0\r\n\r\n",
    )
    nginx("""
        location / { proxy_pass http://127.0.0.1:%%PORT_b%%; proxy_hide_header Set-Cookie; }
        location /file { internal; return 200 "$request_method $uri $args"; }
        """)
    nginx.exchange("""
        > POST /
        < 200
        < Content-Type: a/b
        < Set-Cookie: a=1
        < Set-Cookie: b=2
        < Content-Disposition: x
        < Cache-Control: y
        < Expires: z
        < Accept-Ranges: parrots
        < !X-Other
        < !ETag
        <
        < GET /file a=b
        """)


def test_limit_rate_of_an_upstream_goes_with_the_redirect(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /rate\r\nX-Accel-Limit-Rate: 4096\r\n"
        b"Content-Length: 0\r\n\r\n",
    )
    nginx(f'{UPSTREAM} location /rate {{ return 200 "$limit_rate"; }}')
    nginx.exchange("""
        > GET /
        < 200
        <
        < 4096
        """)


def test_upstreams_before_and_after_a_redirect(nginx: Nginx) -> None:
    nginx.backend(
        "b",
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /after\r\nConnection: close\r\n\r\n",
        OK,
    )
    nginx(
        """
        proxy_next_upstream error http_503;
        location / { proxy_pass http://u; }
        location /after { proxy_pass http://u; add_header X-Status $upstream_status; }
        """,
        http="""
            upstream u {
                server 127.0.0.1:%%PORT_b%% max_fails=0;
                server 127.0.0.1:%%PORT_b%% max_fails=0;
            }""",
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-Status: 503, 200 : 200
        """)


def test_name_without_resolver_but_with_a_twin(nginx: Nginx) -> None:
    """A name in variables is known if some proxy_pass names it as it stands."""
    nginx.backend("b", OK)
    nginx("""
        location / { proxy_pass http://localhost:%%PORT_b%%; }
        location /var { proxy_pass http://$arg_to; }
        """)
    nginx.exchange("""
        > GET /var?to=localhost:%%PORT_b%%
        < 200
        <
        < ok

        > GET /var?to=localhost:1
        < 502
        """)


def test_upstream_may_not_have_a_port(nginx: Nginx) -> None:
    nginx.rejects(
        "location / { proxy_pass http://u:81; }",
        'upstream "u" may not have port 81',
        line=1,
        http="upstream u { server 127.0.0.1:1; }",
    )


def test_proxy_bind_with_a_port(nginx: Nginx) -> None:
    nginx(
        """
        location / { proxy_bind 127.0.0.2:$arg_p; proxy_pass http://127.0.0.1:%%PORT%%/told; }
        location /none { proxy_bind $arg_none; proxy_pass http://127.0.0.1:%%PORT%%/told; }
        location /bad { proxy_bind x; proxy_pass http://127.0.0.1:%%PORT%%/told; }
        location /told { return 200 $remote_addr:$remote_port; }
        """.replace("proxy_bind x;", "proxy_bind $uri;")
    )
    nginx.exchange("""
        > GET /?p=%%PORT_local%%
        < 200
        <
        < 127.0.0.2:%%PORT_local%%

        > GET /none
        < 200
        <~ ^127.0.0.1:

        > GET /bad
        < 200
        <~ ^127.0.0.1:
        """)
    nginx.wait_for_log(r'\[error\].*invalid local address "/bad"')
    nginx.rejects("proxy_bind x;", 'invalid address "x"', line=1)
    nginx.accepts("proxy_bind [::1]:80;")


# Cookies of upstreams.


COOKIES = """
    proxy_cookie_domain www.example.org .example.com;
    proxy_cookie_domain .$server_name.test en.$server_name.org;
    proxy_cookie_domain ~^(.+)\\.com$ $1.org;
    proxy_cookie_path /path/ /new/;
    proxy_cookie_path ~^/regex/(.+)$ /$1;
    proxy_cookie_path ~*^/caseless/(?<rest>.+)$ /$rest;
    proxy_cookie_flags a secure httponly samesite=none;
    proxy_cookie_flags d nosecure nohttponly nosamesite;
    proxy_cookie_flags s samesite=strict samesite=lax $arg_flag;
    proxy_cookie_flags ~BAR httponly unknown;
"""


@pytest.mark.parametrize(
    "sent, told",
    [
        ("v=path=; Domain=www.Example.org", "v=path=; Domain=example.com"),
        ("v=1; Domain=.www.example.org;Path=/", "v=1; Domain=.example.com; Path=/"),
        ("v=1; Domain=.Name.test", "v=1; Domain=.en.name.org"),
        ("v=1; domain=www.example.COM", "v=1; domain=www.example.org"),
        ("v=1;  Path = /path/x ;;Secure;", "v=1; Path=/new/x; ; Secure; "),
        ("v=1; Path=/regex/x", "v=1; Path=/x"),
        ("v=1; Path=/CASELESS/x", "v=1; Path=/x"),
        ("v=1;Path=/other", "v=1;Path=/other"),
        ("domain=www.example.org", "domain=www.example.org"),
        ("a=1", "a=1; Secure; HttpOnly; SameSite=None"),
        ("A=1;secure;SameSite=Lax", "A=1; secure; SameSite=None; HttpOnly"),
        ("a=1;SAMESITE=none", "a=1; SAMESITE=none; Secure; HttpOnly"),
        ("d=1;secure;httponly;samesite=x;Path=/", "d=1; Path=/"),
        ("s=1", "s=1; SameSite=Strict"),
        ("foobarbaz=1", "foobarbaz=1; HttpOnly"),
        ("a", "a"),
    ],
)
def test_cookie(nginx: Nginx, sent: str, told: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nSet-Cookie: {sent}\r\nContent-Length: 2\r\n\r\nok"
    nginx.backend("b", answer.encode())
    nginx(f"server_name name; {COOKIES} {UPSTREAM}")
    assert nginx.request("GET /").get("Set-Cookie") == told


def test_cookie_rules_rejected(nginx: Nginx) -> None:
    for name in ("proxy_cookie_domain", "proxy_cookie_path", "proxy_cookie_flags"):
        nginx.rejects(f"{name} x;", 'invalid parameter "x"', line=1)
        nginx.rejects(f"{name} off; {name} a b;", f'"{name}" directive is duplicate', line=1)
        nginx.rejects(f"{name} a b; {name} off;", f'"{name}" directive is duplicate', line=1)


# Rates.


def test_proxy_limit_rate(nginx: Nginx) -> None:
    """Even a response that came at once goes on no faster."""
    nginx.backend("b", b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000)
    nginx(f"proxy_limit_rate 10000; {UPSTREAM}")
    start = time.monotonic()
    assert len(nginx.request("GET /").body) == 30000
    assert time.monotonic() - start > 0.9


def test_limit_rate_after(nginx: Nginx) -> None:
    nginx(
        "location / { limit_rate 1000; limit_rate_after 20k; }",
        files={"html/x": "x" * 15000},
    )
    with nginx.connect() as client:
        answer = client.request("GET /x")
        assert answer and len(answer.body) == 15000


# The end of the server.


def test_quit_lets_new_connections_ask(nginx: Nginx) -> None:
    """On quit only connections that idle between requests are closed."""
    nginx("keepalive_timeout 9; return 200 x;")
    with nginx.connect() as idle, nginx.connect() as new, nginx.connect() as begun:
        assert idle.request("GET /") and begun.request("GET /")
        begun.wire.send(b"GET / HTTP/1.1\r\n")
        assert new.wire.silent(0.1)
        nginx.send_signal(signal.SIGQUIT)
        assert idle.wire.closed()
        for client, rest in ((new, b"GET / HTTP/1.1\r\n"), (begun, b"")):
            assert client.wire.silent(0.05)
            client.wire.send(rest + b"Host: x\r\n\r\n")
            answer = client.wire.answer()
            assert answer and answer.get("Connection") == "close"
            assert client.wire.closed()


# Logs.


def test_stderr_of_a_location(nginx: Nginx) -> None:
    nginx("location / { error_log stderr; }")
    nginx.request("GET /none")
    assert "[error]" in nginx.read("logs/stderr")


# Expressions that give up.


LONG = "/x" * 1500  # more than the stack of a compiled expression holds


@pytest.mark.parametrize(
    "expression",
    [
        "^/admin(/[^/]*)*$",
        "^/admin(?:/[^/]*)*$",
        "/admin(.|\\n)*$",
        "^/([a-z0-9]|-|/)+/x$",
    ],
)
def test_a_long_uri_does_not_leave_its_location(nginx: Nginx, expression: str) -> None:
    nginx(f"""
        location / {{ return 200 public; }}
        location ~ "{expression}" {{ return 403; }}
        """)
    for uri in ("/admin/x", f"/admin{LONG}"):
        assert nginx.request(f"GET {uri}").status == 403


@pytest.mark.parametrize(
    "server",
    [
        'location ~ "^/(x+x+)+y$" { return 403; } location / { return 200 public; }',
        'if ($uri ~ "^/(x+x+)+y$") { return 403; } return 200 public;',
        'rewrite "^/(x+x+)+y$" /private last; location / { return 200 public; }',
    ],
)
@pytest.mark.trouble("pcre2_match() failed is an alert")
def test_an_expression_that_gives_up_lets_nobody_in(nginx: Nginx, server: str) -> None:
    """Whether it matches is not known: the request ends."""
    nginx(server, http='map $uri $guarded { "~^/(x+x+)+y$" 1; default 0; }')
    assert nginx.request(f"GET /{'x' * 7000}y!").status == 500
    nginx.wait_for_log(r"\[alert\] .*pcre2?_(?:match|exec)\(\) failed")


@pytest.mark.nginx_differs("it takes the default of the map")
@pytest.mark.trouble("pcre2_match() failed is an alert")
def test_a_map_that_gives_up_lets_nobody_in(nginx: Nginx) -> None:
    nginx(
        "if ($guarded) { return 403; } return 200 public;",
        http='map $uri $guarded { "~^/(x+x+)+y$" 1; default 0; }',
    )
    assert nginx.request(f"GET /{'x' * 7000}y!").status == 500


@pytest.mark.trouble("pcre2_match() failed is an alert")
def test_a_server_name_that_gives_up_lets_nobody_in(nginx: Nginx) -> None:
    host = "x" * 3000 + "!"
    nginx(
        "server_name open; return 200 public;",
        servers=[
            'listen 127.0.0.1:%%PORT%%; server_name "~^(x+x+)+(?<y>y)$"; return 403;',
        ],
    )
    got = nginx.raw(f"GET / HTTP/1.1\r\nHost: {'x' * 3000}y-\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 500 ") or not got, host


@pytest.mark.trouble("pcre2_match() failed is an alert")
def test_an_expression_that_gives_up_hides_nothing_from_the_log(nginx: Nginx) -> None:
    nginx(
        "access_log logs/access.log guarded; return 204;",
        http="""
            map $uri $guarded { "~^/(x+x+)+y$" 1; default 0; }
            log_format guarded "$status $guarded";
            """,
    )
    assert nginx.request(f"GET /{'x' * 7000}y!").status == 204
    assert nginx.access_log(1) == ["204 0"]
