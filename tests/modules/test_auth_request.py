"""auth_request."""

from __future__ import annotations

import threading

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        location /ok        { auth_request /auth/200; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /204       { auth_request /auth/204; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location /401       { auth_request /auth/401; }
        location /403       { auth_request /auth/403; }
        location /404       { auth_request /auth/404; }
        location /302       { auth_request /auth/302; }
        location /500       { auth_request /auth/500; }
        location /dead      { auth_request /dead-auth; }
        location /off       { auth_request off; }
        location /local     { auth_request /local-auth; }
        location /uri       {
            auth_request /auth/uri?fixed=1;
            auth_request_set $seen $upstream_http_x_seen;
            add_header X-Seen $seen;
        }
        location /set       {
            auth_request /auth/set;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $code $upstream_status;
            auth_request_set $text "$upstream_http_x_user/$code";
            proxy_set_header X-User $user;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
            add_header X-Text $text;
        }
        location /page      { auth_request /auth/401; error_page 401 =302 /login?to=$uri; }
        location /login     { return 302 /login-form; }
        location /any       { satisfy any; auth_request /auth/403; allow all; }
        location /any-auth  { satisfy any; auth_request /auth/200; deny all; }
        location /any-none  { satisfy any; auth_request /auth/401; deny all; }
        location /all       { auth_request /auth/200; deny all; }
        location /body      {
            auth_request /body-auth;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /auth/ {
            internal;
            proxy_pass http://127.0.0.1:%%PORT_auth%%/;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-URI $request_uri;
        }
        location /body-auth { proxy_pass http://127.0.0.1:%%PORT_auth%%/length; }
        location = /local-auth { if ($arg_k = v) { return 204; } return 403; }
        location = /dead-auth { proxy_pass http://127.0.0.1:%%PORT_closed%%; }
        """,
        servers=[
            """
            listen 127.0.0.1:%%PORT_auth%%;
            location /200 { return 200 "body is ignored"; }
            location /204 { return 204; }
            location /401 { add_header WWW-Authenticate 'Basic realm="up"' always; return 401; }
            location /403 { return 403; }
            location /404 { return 404; }
            location /302 { return 302 /x; }
            location /500 { return 500; }
            location /uri {
                add_header X-Seen "$request_method $request_uri $http_x_original_uri";
                return 200;
            }
            location /set { add_header X-User joe; return 201; }
            location /length { return 200; }
            """,
            """
            listen 127.0.0.1:%%PORT_up%%;
            location / { return 200 "$request_method $request_uri $http_x_user $content_length"; }
            """,
        ],
        files=dict.fromkeys(
            ["html/off", "html/uri", "html/any", "html/any-auth", "html/any-none", "html/all"],
            "file",
        ),
    )
    return module_nginx


@pytest.mark.parametrize(
    "path, status",
    [
        ("/ok", 200),
        ("/204", 200),
        ("/401", 401),
        ("/403", 403),
        ("/404", 500),
        ("/302", 500),
        ("/500", 500),
        ("/dead", 500),
        ("/off", 200),
        ("/local", 403),
        ("/any", 200),
        ("/any-auth", 200),
        ("/any-none", 401),
        ("/all", 403),
        ("/auth/200", 404),
    ],
)
def test_status(site: Nginx, path: str, status: int) -> None:
    site.exchange(f"> GET {path}\n< {status}")


def test_subrequest_sees_the_arguments(site: Nginx) -> None:
    """A subrequest has no arguments of the main request unless they are written."""
    site.exchange("> GET /local?k=v\n< 403")


def test_challenge_is_passed_on(site: Nginx) -> None:
    site.exchange('> GET /401\n< 401\n< WWW-Authenticate: Basic realm="up"')
    site.exchange("> GET /403\n< 403\n< !WWW-Authenticate")


def test_unexpected_status_is_logged(site: Nginx) -> None:
    site.exchange("> GET /404\n< 500")
    site.wait_for_log(
        r"\[error\] .*auth request unexpected status: 404 while sending to client, "
        r"client: 127\.0\.0\.1, server: , "
        r'request: "GET /404 HTTP/1\.1", host: "localhost"'
    )


def test_subrequest(site: Nginx) -> None:
    """It is a GET of the URI as written: a question mark is no start of arguments."""
    site.exchange("""
        > GET /uri?a=b
        < 200
        < X-Seen: GET /uri%3Ffixed=1 /uri?a=b
        <
        < file

        > HEAD /uri
        < 200
        < X-Seen: GET /uri%3Ffixed=1 /uri
        """)


def test_set(site: Nginx) -> None:
    site.exchange("""
        > GET /set
        < 200
        < X-Text: joe/201
        <~ ^GET /set joe $
        """)


def test_body_still_reaches_the_upstream(site: Nginx) -> None:
    site.exchange("""
        > POST /ok
        >
        > 12345
        < 200
        <
        < POST /ok  5

        > POST /body
        > Transfer-Encoding: chunked
        >
        > 12345
        < 200
        <
        < POST /body  5
        """)


def test_keepalive(site: Nginx) -> None:
    with site.connect() as client:
        for _ in range(3):
            client.exchange("> GET /ok\n< 200\n\n> GET /403\n< 403")


def test_error_page(site: Nginx) -> None:
    site.exchange("""
        > GET /page
        < 302
        < Location: http://localhost:%%PORT%%/login-form
        """)


def test_cached_answer(nginx: Nginx) -> None:
    """The subrequest may be cached, under a key of the token."""
    backend = nginx.backend("auth", b"HTTP/1.1 204 No Content\r\n\r\n")
    nginx(
        """
        location / { auth_request /auth; }
        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:%%PORT_auth%%;
            proxy_cache auth;
            proxy_cache_key $http_authorization;
            proxy_cache_valid 204 1m;
        }
        """,
        http="proxy_cache_path cache keys_zone=auth:1m;",
        files={"html/f": "x"},
    )
    for token in ("a", "a", "b"):
        nginx.exchange(f"> GET /f\n> Authorization: {token}\n< 200")
    assert backend.accepted == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"\x15\x03\x03\x00\x02\x02\x0a",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"garbage",
        b"\r\n",
        b"<html>no</html>",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"http/1.1 401 no\r\n\r\n",
        b"HTTP/1.1 099 Less\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_verdict_admits_nobody(nginx: Nginx, answer: bytes) -> None:
    nginx.backend("auth", answer)
    nginx(
        """
        location / { auth_request /_auth; return 200 admitted; }
        location /file { auth_request /_auth; }
        location = /_auth { internal; proxy_pass http://127.0.0.1:%%PORT_auth%%; }
        """,
        files={"html/file": "admitted"},
    )
    assert nginx.request("GET /file").status == 500


def test_a_line_break_in_the_uri_admits_nobody(nginx: Nginx) -> None:
    """It would make another request of the one to the auth service."""
    nginx.backend("auth", b"no such request")
    nginx(
        """
        location ~ ^/tenant/(?<tenant>[^/]+)/ { auth_request /_auth; return 200 admitted; }
        location = /_auth { internal; proxy_pass http://127.0.0.1:%%PORT_auth%%/check/$tenant; }
        location ~ ^/file/(?<tenant2>[^/]+)/ { auth_request /_auth2; alias %%DIR%%/html/file; }
        location = /_auth2 { internal; proxy_pass http://127.0.0.1:%%PORT_auth%%/check/$tenant2; }
        """,
        files={"html/file": "admitted"},
    )
    assert nginx.request("GET /file/a%0A/").status == 500


def test_body_without_end(nginx: Nginx) -> None:
    """Only the head counts: nothing waits for the rest, and the connection is closed."""
    closed = threading.Event()

    def endless(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                peer.send(b" " * 4096)
        except OSError:
            closed.set()

    nginx.backend("auth", endless)
    nginx(
        """
        root html;
        location / { auth_request /_auth; }
        location = /_auth { internal; proxy_pass http://127.0.0.1:%%PORT_auth%%; }
        """,
        files={"html/a": "content"},
    )
    nginx.exchange("""
        > GET /a
        < 200
        """)
    assert closed.wait(DEADLINE)


@pytest.mark.nginx_differs("it closes the connection without an answer")
def test_a_verdict_that_is_kept_and_breaks_off_admits_nobody(nginx: Nginx) -> None:
    nginx.backend("auth", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    nginx(
        """
        location / { auth_request /_auth; return 200 admitted; }
        location /file { auth_request /_auth; }
        location = /_auth {
            internal; proxy_cache one; proxy_cache_key $uri; proxy_cache_valid 200 1m;
            proxy_pass http://127.0.0.1:%%PORT_auth%%;
        }
        """,
        files={"html/file": "admitted"},
        http="proxy_cache_path %%DIR%%/cache keys_zone=one:1m;",
    )
    assert nginx.request("GET /file").status == 500


FILTERS = {
    "ssi": "ssi on;",
    "sub": "sub_filter a b;",
    "charset": "charset utf-8;",
    "gzip": "gzip on; gzip_min_length 0;",
    "addition": "add_before_body /a; add_after_body /a;",
    "image": "image_filter size;",
    "xslt": "xslt_stylesheet %%DIR%%/html/a.xslt;",
}
MODULES = {"image": "image_filter", "xslt": "xslt", "addition": "addition", "sub": "sub"}
STYLE = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>'


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.needs(f"--with-http_{MODULES[name]}_module")
            if name in MODULES
            else (),
        )
        for name in FILTERS
    ],
)
def test_filters_of_the_verdict_have_no_say(nginx: Nginx, name: str) -> None:
    """Only the head counts, whatever would be made of the body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-User: joe\r\n"
    nginx.backend("auth", head + b"Content-Length: 5\r\n\r\nhello")
    nginx(
        f"""
        location / {{
            auth_request /_auth;
            auth_request_set $user $upstream_http_x_user; add_header X-User $user;
        }}
        location = /_auth {{
            {FILTERS[name]} proxy_pass http://127.0.0.1:%%PORT_auth%%;
        }}
        """,
        files={"html/a": "content", "html/a.xslt": STYLE},
    )
    nginx.exchange("""
        > GET /a
        < 200
        < X-User: joe
        """)


def test_a_verdict_without_a_head_admits_nobody(nginx: Nginx) -> None:
    nginx.backend("auth", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX: ")
    nginx(
        """
        location / { auth_request /_auth; }
        location = /_auth { ssi on; proxy_pass http://127.0.0.1:%%PORT_auth%%; }
        """,
        files={"html/a": "content"},
    )
    assert nginx.request("GET /a").status == 500


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes"


def test_upgrade_in_a_subrequest(nginx: Nginx) -> None:
    """Nobody is there whose connection could become a tunnel: it is no permission."""
    backend = nginx.backend("auth", UPGRADED)
    nginx(
        """
        location /files/ { auth_request /_auth; }
        location = /_auth { internal; proxy_pass http://127.0.0.1:%%PORT_auth%%; }
        """,
        files={"html/files/a": "admitted"},
    )
    answer = nginx.raw(
        b"GET /files/a HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: close\r\n\r\n"
    )
    assert answer[:12] in (b"", b"HTTP/1.1 500")  # nginx just closes
    nginx.wait_for_log("connection upgrade in subrequest")
    assert len(backend.connections(1)) == 1  # closed
