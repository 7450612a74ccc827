"""The level "debug" of error_log, and debug_connection."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("--with-debug")


def debug_lines(nginx: Nginx, name: str = "debug.log") -> list[str]:
    """Those of that level, without time and process."""
    found = re.findall(r"\[debug\] \S+: (\*\d+ .*)", nginx.read(f"logs/{name}"))
    return [line.partition(" ")[2] for line in found]


def in_order(lines: list[str], *wanted: str) -> bool:
    rest = iter(lines)
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in wanted)


def test_a_request(nginx: Nginx) -> None:
    nginx("""
        error_log logs/debug.log debug;
        location /there { allow all; return 200 here; }
        location /other { return 204; }
        """)
    assert nginx.request("GET /there?a=1", "X-Own: value").status == 200
    nginx.request("GET /other")
    nginx.wait_for_log(r"http log handler", 2, name="debug.log")
    assert in_order(
        debug_lines(nginx),
        "http process request line",
        'http request line: "GET /there\\?a=1 HTTP/1.1"',
        'http uri: "/there"',
        'http args: "a=1"',
        "http process request header line",
        'http header: "X-Own: value"',
        "http header done",
        'using configuration "/there"',
        "rewrite phase: .*",
        "HTTP/1.1 200.*",
        'http finalize request: .*, "/there\\?a=1".*',
        "http log handler",
        'using configuration "/other"',
    )


def test_only_where_it_is_asked_for(nginx: Nginx) -> None:
    """Each request has its lines in the log of its location."""
    nginx("""
        error_log logs/error.log info;
        location /quiet { return 200; }
        location /loud { error_log logs/debug.log debug; return 200; }
        """)
    nginx.request("GET /quiet")
    nginx.request("GET /loud")
    nginx.wait_for_log("http log handler", name="debug.log")
    assert "[debug]" not in nginx.error_log()
    assert "/quiet" not in nginx.read("logs/debug.log")


@pytest.mark.pyngx_only("nginx calls modules by their numbers, and logs what clients send")
def test_modules_variables_and_upstreams(nginx: Nginx) -> None:
    nginx(
        """
        error_log logs/debug.log debug;
        location / {
            satisfy any; allow all; deny all;
            proxy_pass http://127.0.0.1:%%PORT_b%%; proxy_set_header X-Kind $kind;
        }
        location /never { deny all; }
        """,
        http="map $arg_a $kind { default none; 1 one; }",
        servers=["listen 127.0.0.1:%%PORT_b%%; error_log logs/error.log; return 201;"],
    )
    assert nginx.request("GET /?a=1").status == 201
    assert nginx.request("GET /never").status == 403
    nginx.wait_for_log("http log handler", 2, name="debug.log")
    assert in_order(
        debug_lines(nginx),
        "content phase: proxy",
        'script var: "kind" "one"',
        "content phase: proxy: -4",
        rf'http upstream: "127\.0\.0\.1:{nginx.port("b")}" status:201 connect:.* response:.*',
        'http finalize request: 201, "/\\?a=1"',
        "access phase: access",
        "access phase: access: 403",
        'http finalize request: 403, "/never\\?"',
    )


@pytest.mark.pyngx_only("nginx logs what clients send")
def test_secrets_are_not_logged(nginx: Nginx) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
    nginx(
        "error_log logs/debug.log debug; set $mine $arg_t;"
        'add_header Set-Cookie "s=hush"; return 200;'
    )
    nginx.request(
        f"GET /?t={token}&u=1",
        "Authorization: Basic aHVzaA==",
        "Cookie: s=hush",
        "Proxy-Authorization: hush",
        f"X-Forwarded-Token: {token}",
    )
    nginx.wait_for_log("http log handler", name="debug.log")
    log = nginx.read("logs/debug.log")
    assert "hush" not in log and "aHVzaA" not in log and "eyJ" not in log
    assert '"?t=***&u=1"' in log.replace("/?", "?") and 'script var: "mine" "***"' in log
    assert 'http header: "Authorization: ***"' in log


@pytest.mark.pyngx_only("nginx logs what clients send")
def test_copies_of_secrets_are_not_logged(nginx: Nginx) -> None:
    """Whatever variable has them, also those of a response and after a redirect."""
    nginx(
        """
        error_log logs/debug.log debug;
        set $a "<$http_authorization>"; set $b $cookie_sid; set $c $http_cookie;
        set $d $arg_password; set $e $opaque;
        add_header X-Copy "$a$d$f$once" always; add_header X-Plain plain always;
        location / {
            auth_request /ask; auth_request_set $f "<$upstream_http_x_session>";
            error_page 404 /gone; root %%DIR%%;
        }
        location /ask { proxy_pass http://127.0.0.1:%%PORT_b%%; }
        location = /gone { set $g "<$f>"; return 200 "$once$g"; }
        """,
        http="""
        map $http_x_auth_token $opaque { default "<$http_x_auth_token>"; }
        map $http_authorization $once { ~dTpqdW1ibGVk "u:jumbled"; default ""; }
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_b%%; error_log logs/error.log;"
            "add_header X-Session of-session; return 204;"
        ],
    )
    nginx.request(
        "GET /none?password=hunter%32&token=of-args&%73ecret=of-escaped&plain=shown",
        "Authorization: Basic dTpqdW1ibGVk",  # u:jumbled
        "Cookie: sid=of-cookie; other=of-other",
        "X-Auth-Token: of-token",
        "Referer: http://a/?secret=of-referer&b=seen",
    )
    nginx.wait_for_log("http log handler", name="debug.log")
    lines = debug_lines(nginx)
    assert not re.search(r"hunter|dTpq|jumbled|of-", "\n".join(lines))
    assert in_order(
        lines,
        'http args: "password=\\*{3}&token=\\*{3}&%73ecret=\\*{3}&plain=shown"',
        'http header: "Referer: http://a/\\?secret=\\*{3}&b=seen"',
        'script var: "a" "<\\*{3}>"',
        'script var: "e" "<\\*{3}>"',
        'http header out: "X-Plain: plain"',
        'script var: "g" "<<\\*{3}>>"',
    )


@pytest.mark.parametrize(("clients", "seen"), [("127.0.0.0/8", True), ("10.0.0.1", False)])
def test_connections_of_some_clients(nginx: Nginx, clients: str, seen: bool) -> None:
    """All of their messages are logged, to each log."""
    nginx(
        """
        error_log logs/one.log alert; error_log logs/two.log alert;
        location / { return 200; }
        location /missing { }
        """,
        events=f"debug_connection {clients};",
    )
    nginx.request("GET /")
    nginx.request("GET /missing")
    nginx.request("GET /")
    if seen:
        nginx.wait_for_log("http log handler", 3, name="two.log")
    one, two = nginx.read("logs/one.log"), nginx.read("logs/two.log")
    assert ("[debug]" in one) is seen and ("[error]" in one) is seen
    assert one == two


def test_a_connection_outlasts_its_subrequests(nginx: Nginx) -> None:
    """What is logged of a subrequest does not end what is logged of the request."""
    nginx(
        """
        error_log logs/debug.log alert; log_subrequest on;
        location = /ask { return 204; }
        location = /page { auth_request /ask; }
        """,
        events="debug_connection 127.0.0.1;",
    )
    nginx.write("html/page", "page")
    nginx.request("GET /page")
    nginx.wait_for_log("http log handler", 2, name="debug.log")
    assert in_order(debug_lines(nginx), 'http subrequest "/ask\\?"', "HTTP/1.1 200.*")


@pytest.mark.parametrize(("clients", "seen"), [("unix:", True), ("127.0.0.1", False)])
def test_unix_sockets(nginx: Nginx, clients: str, seen: bool) -> None:
    nginx(
        "location / { proxy_pass http://unix:%%DIR%%/sock:/; error_log logs/front.log alert; }",
        servers=["listen unix:%%DIR%%/sock; error_log logs/unix.log alert; return 200;"],
        events=f"debug_connection {clients};",
    )
    assert nginx.request("GET /").status == 200
    assert ("[debug]" in nginx.read("logs/unix.log")) is seen
    assert ("[debug]" in nginx.read("logs/front.log")) is not seen


def test_stream(nginx: Nginx) -> None:
    nginx.stream("""
        error_log logs/debug.log debug;
        server { listen 127.0.0.1:%%PORT_a%%; allow all; return x; }
        """)
    assert nginx.raw(b"", "a") == b"x"
    nginx.wait_for_log("stream log handler", name="debug.log")
    assert in_order(
        debug_lines(nginx), "generic phase: .*", "finalize stream session: 200", ".*log.*"
    )


def test_subrequests_and_redirects(nginx: Nginx) -> None:
    nginx("""
        error_log logs/debug.log debug;
        location / { auth_request /ask; error_page 404 /gone; }
        location = /ask { return 204; }
        location = /gone { return 200; }
        """)
    nginx.request("GET /none")
    nginx.wait_for_log("http log handler", name="debug.log")
    assert in_order(
        debug_lines(nginx),
        'http subrequest "/ask\\?"',
        'using configuration ".*/ask"',
        'internal redirect: "/gone\\?"',
        'using configuration ".*/gone"',
    )


@pytest.mark.parametrize(
    ("client", "message"),
    [("no.such.host.invalid", 'host not found in debug_connection "no.such.host.invalid"')],
)
def test_rejected(nginx: Nginx, client: str, message: str) -> None:
    nginx.rejects("return 200;", message, events=f"debug_connection {client};")
