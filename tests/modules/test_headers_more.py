"""more_set_headers and its relatives: headers of responses and of requests are changed."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("headers-more-nginx-module")


def test_sets_whatever_the_code(nginx: Nginx) -> None:
    nginx("""
        location / { more_set_headers "X-A: of $uri" 'x-b:  2' "Empty:" Other; return 404; }
        location /ok { add_header X-A 1; add_header X-A 2; more_set_headers "x-a: 3";
                       return 200 ok; }
        """)
    nginx.exchange("""
        > GET /no
        < 404
        < X-A: of /no
        < x-b: 2
        < !Empty
        < !Other

        > GET /ok
        < 200
        <
        < ok
        """)


def test_what_other_filters_add_later_is_there_too(nginx: Nginx) -> None:
    """add_header runs after it."""
    nginx('location / { add_header X-A 1; more_set_headers "X-A: 2"; return 200; }')
    answer = nginx.request("GET /")
    assert answer.all("X-A") == ["2", "1"]


def test_special_headers(nginx: Nginx) -> None:
    nginx.write("html/a.txt", "text")
    nginx("""
        location /type { more_set_headers "Content-Type: text/css; charset=utf-8";
                         return 200 x; }
        location /server { more_set_headers "Server: other"; return 200 x; }
        location /none { more_clear_headers Server Date; return 200 x; }
        location /moved { more_set_headers "Location: /else"; return 301 /there; }
        location = /a.txt { more_clear_headers Last-Modified ETag Accept-Ranges; }
        location = /b.txt { alias html/a.txt; more_set_headers "ETag: mine" "Last-Modified: then"; }
        """)
    nginx.exchange("""
        > GET /type
        < 200
        < Content-Type: text/css; charset=utf-8
        <
        < x

        > GET /server
        < 200
        < Server: other

        > GET /none
        < 200
        < !Server
        < !Date

        > GET /moved
        < 301
        < Location: http://localhost:%%PORT%%/else

        > GET /a.txt
        < 200
        < !Last-Modified
        < !ETag
        < !Accept-Ranges
        <
        < text

        > GET /b.txt
        < 200
        < ETag: mine
        < Last-Modified: then
        """)


def test_wildcards(nginx: Nginx) -> None:
    backend = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nX-Two: 2\r\nY: 3\r\nContent-Length: 0\r\n\r\n"
    nginx.backend("main", backend)
    nginx("""
        location / { proxy_pass http://127.0.0.1:%%PORT_main%%; more_clear_headers "x-*"; }
        location /set { proxy_pass http://127.0.0.1:%%PORT_main%%; more_set_headers "X-*: new"; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !X-One
        < !X-Two
        < Y: 3

        > GET /set
        < 200
        < X-One: new
        < !X-Two
        < Y: 3
        """)


def test_types_and_codes(nginx: Nginx) -> None:
    nginx("""
        location / {
            default_type text/css;
            more_set_headers -s "404 500" "X-Code: 1";
            more_set_headers -t "text/css text/html" "X-Type: 1";
            more_clear_headers -s 200 -t text/plain X-Type;
            return 200 x;
        }
        location /no { more_set_headers -s 404 "X-Code: 1"; return 404; }
        """)
    nginx.exchange("""
        > GET /
        < 200
        < !X-Code
        < X-Type: 1

        > GET /no
        < 404
        < X-Code: 1
        """)


def test_appends(nginx: Nginx) -> None:
    nginx("""location / { more_set_headers "X-A: 1"; more_set_headers -a "X-A: 2" "X-B: 3";
                          return 200; }""")
    answer = nginx.request("GET /")
    assert (answer.all("X-A"), answer.all("X-B")) == (["1", "2"], ["3"])


def test_outer_levels_come_first(nginx: Nginx) -> None:
    nginx(
        """more_set_headers "X-B: server" "X-C: server";
           location / { more_set_headers "X-C: location"; return 200; }""",
        http='more_set_headers "X-A: http" "X-B: http";',
    )
    nginx.exchange("""
        > GET /
        < 200
        < X-A: http
        < X-B: server
        < X-C: location
        """)


def test_if_in_location(nginx: Nginx) -> None:
    nginx("""location / { if ($arg_x) { more_set_headers "X-A: $arg_x"; } return 200; }""")
    nginx.exchange("> GET /?x=1\n< 200\n< X-A: 1\n\n> GET /\n< 200\n< !X-A")


# -- requests -------------------------------------------------------------------------------


def test_input_headers(nginx: Nginx) -> None:
    main = nginx.backend("main", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    nginx("""
        location / {
            more_set_input_headers "X-A: of $uri" "x-b: 2" -r;
            more_set_input_headers "X-C: 3" "Host: other.example";
            more_clear_input_headers "X-Z*" Cookie;
            proxy_set_header Host $host;
            proxy_pass http://127.0.0.1:%%PORT_main%%;
        }
        """)
    nginx.exchange("""
        > GET /
        > X-A: 1
        > X-A: 1
        > X-Z-One: 1
        > X-ZTwo: 2
        > Cookie: a=b
        < 200
        """)
    (request,) = main.connections(1)
    assert "X-A: of /\r\n" in request and request.count("X-A") == 1
    assert "x-b" not in request and "X-C: 3\r\n" in request
    assert "X-Z" not in request and "Cookie" not in request
    assert "Host: other.example\r\n" in request


@pytest.mark.nginx_differs('nginx remembers what $http_x_a was when "set" has read it')
def test_input_headers_as_variables_and_for_access(nginx: Nginx) -> None:
    """They are set at the end of the rewrite phase, before the access phase."""
    nginx("""
        location / {
            set $before $http_x_a;
            more_set_input_headers "X-A: 1" "Authorization: Basic dXNlcjpwYXNz";
            auth_basic realm; auth_basic_user_file users;
            try_files /none @out;
        }
        location @out { return 200 "$before|$http_x_a|$remote_user"; }
        """)
    nginx.write("users", "user:{PLAIN}pass\n")
    nginx.exchange("> GET /\n> X-A: 0\n< 200\n<\n< 0|1|user")


def test_input_types(nginx: Nginx) -> None:
    nginx("""
        location / {
            more_set_input_headers -t "text/css x/y" "X-A: 1";
            more_clear_input_headers -t x/y X-B;
            try_files /none @out;
        }
        location @out { return 200 "$http_x_a|$http_x_b"; }
        """)
    nginx.exchange("""
        > GET /
        > X-B: 2
        < 200
        <
        < |2

        > GET /
        > Content-Type: x/y
        > X-B: 2
        < 200
        <
        < 1|
        """)


@pytest.mark.nginx_differs("nginx closes the connection")
def test_wrong_host_is_an_error(nginx: Nginx) -> None:
    nginx('location / { more_set_input_headers "Host: a/b"; }')
    nginx.exchange("> GET /\n< 500")


@pytest.mark.nginx_differs('nginx reports these at level "error", without the place')
@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("more_set_headers -x a;", 'more_set_headers: invalid option name: "-x"'),
        ("more_set_headers a -t;", "more_set_headers: option -t takes an argument."),
        ("more_clear_headers -a b;", 'more_clear_headers: invalid option name: "-a"'),
        (
            'more_set_headers -s "40x" a;',
            'more_set_headers: invalid digit "x" found in the status code list "40x"',
        ),
        ('more_set_headers "  ";', "more_set_headers: no key found in the header argument:   "),
        ('more_set_headers "*: 1";', "more_set_headers: wildcard key too short: *: 1"),
        (
            'more_set_headers -a "Expires: 1";',
            'more_set_headers: can not append builtin headers "Expires"',
        ),
        ("more_set_input_headers -s 200 a;", 'more_set_input_headers: invalid option name: "-s"'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    """nginx reports these at level "error", without the place."""
    nginx.rejects(f"location / {{ {snippet} }}", message)


def test_subrequests_have_the_changed_headers(nginx: Nginx) -> None:
    """As variables and on their way to an upstream, like the request that they are made for."""
    nginx(
        """
        location /x {
            more_set_input_headers "X-Set: set"; more_clear_input_headers X-Gone;
            auth_request /auth;
            auth_request_set $seen $upstream_http_x_seen;
            add_header X-Seen $seen always;
        }
        location = /auth {
            proxy_set_header X-Var "$http_x_set, $http_x_gone";
            proxy_pass http://127.0.0.1:%%PORT%%/seen;
        }
        location = /seen {
            add_header X-Seen "$http_x_set $http_x_gone $http_x_var"; return 200;
        }
        """
    )
    nginx.exchange("""
        > GET /x
        > X-Set: sent
        > X-Gone: sent
        < 404
        < X-Seen: set  set,
    """)
