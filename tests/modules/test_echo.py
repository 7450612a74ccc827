"""echo and its relatives: locations that answer with text and with subrequests."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("nginx needs openresty/echo-nginx-module")
SUBS = """
    location /sub { echo "sub $uri $args $echo_request_method $request_method"; }
    location /var { set $x own; echo -n "[$x]"; }
    location /body { echo_request_body; echo .; }
    location /slow { echo_sleep 0.05; echo slow; }
    """


def answer(nginx: Nginx, commands: str, uri: str = "GET /?a=1", body: str = "") -> str:
    nginx(f"location / {{ {commands} }} {SUBS}")
    return nginx.request(uri, body=body).text


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("echo hello;", "hello\n"),
        ("echo a b; echo c;", "a b\nc\n"),
        ("echo;", "\n"),
        ("echo '' x;", " x\n"),
        ("echo -n a; echo -n b;", "ab"),
        ("echo -- -n;", "-n\n"),
        ("echo - a;", "- a\n"),
        ("echo a -n;", "a -n\n"),
        ("echo $arg_a$uri;", "1/\n"),
        ("echo_duplicate 3 ab;", "ababab"),
        ("echo_duplicate 1_0 a;", "a" * 10),
        ("echo_duplicate 0 a; echo b;", "b\n"),
        ("echo a; echo_flush; echo b;", "a\nb\n"),
        ("echo a; echo_sleep 0.01; echo_blocking_sleep 0; echo b;", "a\nb\n"),
        ("echo_location /sub?x=1; echo end;", "sub /sub x=1 GET GET\nend\n"),
        ("echo_location /sub y; echo end;", "sub /sub y GET GET\nend\n"),
        ("echo_location_async /slow; echo_location_async /sub; echo end;",
         "slow\nsub /sub  GET GET\nend\n"),
        ("set $x mine; echo_location /var; echo $x;", "[own]mine\n"),
        ("echo_subrequest POST /sub -q z -b text;", "sub /sub z POST GET\n"),
        ("echo_subrequest POST /body -b text;", "text.\n"),
        ("echo_subrequest_async PUT /sub; echo -n .;", "sub /sub  PUT GET\n."),
        ("echo_exec /sub q;", "sub /sub q GET GET\n"),
        ("echo_exec /sub?q;", "sub /sub q GET GET\n"),
        ("echo_foreach_split , 'a,,b,c'; echo -n [$echo_it]; echo_end; echo .;", "[a][b][c].\n"),
        ("echo_foreach_split , ''; echo x; echo_end; echo .;", ".\n"),
        ("echo $echo_incr $echo_incr; echo $echo_incr;", "1 2\n3\n"),
        ("echo '$echo_cacheable_request_uri $echo_request_uri';", "/ /\n"),
        ("echo -n $echo_client_request_method;", "GET"),
        ("echo_reset_timer; echo -n $echo_timer_elapsed;", "0.000"),
    ],
)  # fmt: skip
def test_commands(nginx: Nginx, commands: str, expected: str) -> None:
    assert answer(nginx, commands) == expected


def test_named_locations(nginx: Nginx) -> None:
    nginx("location / { echo_exec @named; } location @named { echo -n named; }")
    nginx.exchange("> GET /\n< 200\n<\n< named")


def test_request_bodies(nginx: Nginx) -> None:
    nginx("""
        location / { echo_read_request_body; echo_request_body; echo "|$echo_request_body"; }
        location /unread { echo_request_body; echo .; }
        """)
    assert nginx.request("POST /", body="text").text == "text|text\n"
    assert nginx.request("POST /unread", body="text").text == ".\n"


def test_status_type_and_length(nginx: Nginx) -> None:
    nginx("""
        location / { default_type text/css; echo_status 404; echo -n a; }
        location /in { echo -n a; if ($arg_x) { echo -n b; } }
        """)
    nginx.exchange("""
        > GET /
        < 404
        < Content-Type: text/css
        < !Content-Length
        <
        < a

        > HEAD /
        < 404

        > GET /in?x=1
        < 200
        <
        < b
        """)


def test_headers_of_the_client(nginx: Nginx) -> None:
    nginx('location / { echo -n "$echo_client_request_headers"; }')
    head = "GET /?a HTTP/1.0\r\nHost: h\r\nX-One: 1\r\n\r\n"
    assert nginx.raw(head.encode()).partition(b"\r\n\r\n")[2] == head.encode()


def test_around_other_responses(nginx: Nginx) -> None:
    nginx("""
        location / { echo_before_body "before $uri"; echo_before_body -n 2;
                     echo_after_body -n after; default_type text/plain; return 200 "[x]"; }
        location /in/ { echo_after_body -n after; proxy_pass http://127.0.0.1:%%PORT%%/in2; }
        location /in2 { echo in; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !Content-Length
        <
        < before /
        < 2[x]after

        > GET /in/
        < 200
        <
        < in
        < after
        """)


@pytest.mark.parametrize(
    ("commands", "status", "message"),
    [
        ("echo_sleep x;", 400, 'invalid sleep duration "x"'),
        ("echo_duplicate x a;", 500, 'invalid size specified: "x"'),
        (f"echo_duplicate {'9' * 99} a;", 500, "invalid size specified: "),
    ],
)
def test_errors(nginx: Nginx, commands: str, status: int, message: str) -> None:
    nginx(f"location / {{ {commands} }}")
    nginx.exchange(f"> GET /\n< {status}")
    assert message in nginx.error_log()
