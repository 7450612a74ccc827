"""sub_filter: strings of responses are replaced."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_sub_module")


def check(nginx: Nginx, directives: str, text: str, expected: str) -> None:
    nginx(f'location / {{ {directives} default_type text/html; return 200 "{text}"; }}')
    assert nginx.request("GET /?a=x&b=y").text == expected


@pytest.mark.parametrize(
    ("directives", "text", "expected"),
    [
        ("sub_filter b X;", "abcb", "aXcb"),
        ("sub_filter b X; sub_filter_once off;", "abcb", "aXcX"),
        ("sub_filter Bc X; sub_filter_once off;", "abCbc", "aXX"),
        ("sub_filter bc X; sub_filter b Y; sub_filter_once off;", "abcab", "aXab"),
        ("sub_filter b Y; sub_filter bc X; sub_filter_once off;", "abcab", "aYcaY"),
        ("sub_filter b X; sub_filter c Y;", "abcbc", "aXYbc"),
        ("sub_filter aab X;", "aaab", "aX"),
        ("sub_filter abcd X; sub_filter bc Y;", "abc", "abc"),
        ("sub_filter b '';", "abc", "ac"),
        ("sub_filter $arg_a $arg_b;", "wxyx", "wyyx"),
        ("sub_filter $arg_none Z; sub_filter x Q;", "wx", "wQ"),
        ("sub_filter x '$arg_b$uri';", "wx", "wy/"),
        ("sub_filter_types text/css; sub_filter b X;", "b", "X"),
        ("sub_filter b b;", "", ""),
    ],
)
def test_replaces(nginx: Nginx, directives: str, text: str, expected: str) -> None:
    check(nginx, directives, text, expected)


def test_other_types_are_left_alone(nginx: Nginx) -> None:
    nginx("""
        location /plain { sub_filter b X; return 200 b; }
        location /listed { sub_filter b X; sub_filter_types text/plain; return 200 b; }
        location /all { sub_filter b X; sub_filter_types *; default_type x/y; return 200 b; }
        """)
    nginx.exchange("""
        > GET /plain
        < 200
        < Content-Length: 1
        <
        < b

        > GET /listed
        < 200
        < !Content-Length
        <
        < X

        > GET /all
        < 200
        <
        < X
        """)


@pytest.mark.parametrize("pieces", [["ab", "cd", "ef"], ["abcde", "f"], ["a", "b", "c", "d", "ef"]])
def test_strings_in_several_pieces(nginx: Nginx, pieces: list[str]) -> None:
    """A string can begin in one piece of the upstream's response and end in another."""
    chunks = "".join(f"{len(piece):x}\r\n{piece}\r\n" for piece in pieces)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    nginx.backend("main", f"{head}{chunks}0\r\n\r\n".encode())
    nginx("""location / { sub_filter bcde X; sub_filter cx Y; proxy_buffering off;
                          proxy_http_version 1.1; proxy_pass http://127.0.0.1:%%PORT_main%%; }""")
    assert nginx.request("GET /").text == "aXf"


def test_validators(nginx: Nginx) -> None:
    nginx.write("html/a.html", "text")
    nginx("""
        location / { sub_filter z y; }
        location /kept/ { alias html/; sub_filter z y; sub_filter_last_modified on; }
        """)
    nginx.exchange("""
        > GET /a.html
        < 200
        < !ETag
        < !Last-Modified
        < !Content-Length
        <
        < text
        """)
    answer = nginx.request("GET /kept/a.html")
    assert (answer.get("ETag") or "").startswith('W/"') and answer.get("Last-Modified")
    nginx.exchange("> HEAD /a.html\n< 200\n< !Content-Length")


def test_inherited_if_the_level_has_none(nginx: Nginx) -> None:
    nginx(
        """
        default_type text/html;
        location /a { return 200 abc; }
        location /b { sub_filter b Y; return 200 abc; }
        """,
        http="sub_filter a X; sub_filter_once off;",
    )
    nginx.exchange("> GET /a\n< 200\n<\n< Xbc\n\n> GET /b\n< 200\n<\n< aYc")


@pytest.mark.needs("http_gunzip_module")
def test_with_gzip(nginx: Nginx) -> None:
    """What is compressed has been replaced already."""
    nginx(
        "location / { default_type text/html; sub_filter a b; gzip on; gzip_min_length 0;"
        " return 200 aaa; } location /in { gunzip on; proxy_pass http://127.0.0.1:%%PORT%%/; }"
    )
    answer = nginx.request("GET /in")
    assert answer.text == "baa"


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ('sub_filter "" x;', "empty search pattern"),
        ("sub_filter_types text/css text/css;", None),
        ("sub_filter a b; " * 256, "number of search patterns exceeds 255"),
    ],
)  # fmt: skip
def test_rejected(nginx: Nginx, snippet: str, message: str | None) -> None:
    if message is None:
        assert 'duplicate MIME type "text/css"' in nginx.accepts(snippet)
    else:
        nginx.rejects(snippet, message)
