"""What becomes of the URI of the request line before a location is looked for."""

from __future__ import annotations

import pytest

from ..nginx import Nginx


@pytest.fixture(scope="module")
def uris(module_nginx: Nginx) -> Nginx:
    module_nginx(
        'return 200 "$uri|$args";',
        http="server { listen 127.0.0.1:%%PORT_s%%; merge_slashes off; return 200 $uri; }",
    )
    return module_nginx


def requested(nginx: Nginx, target: str, port: str = "") -> bytes:
    """The answer to this target, in latin-1, or its status."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head, _, body = nginx.raw(request.encode("latin-1"), port).partition(b"\r\n\r\n")
    return body if b" 200 " in head.split(b"\r\n")[0] + b" " else head.split(b" ")[1]


@pytest.mark.parametrize(
    "target, uri",
    [
        ("/", b"/|"),
        ("/a/b", b"/a/b|"),
        ("/a//b", b"/a/b|"),
        ("//a///b//", b"/a/b/|"),
        ("/a/./b", b"/a/b|"),
        ("/a/b/.", b"/a/b/|"),
        ("/a/../b", b"/b|"),
        ("/a/b/../../c", b"/c|"),
        ("/a/b/..", b"/a/|"),
        ("/a//../b", b"/b|"),
        ("/a/%2e%2e/b", b"/b|"),
        ("/a/.%2E/b", b"/b|"),
        ("/a/..b", b"/a/..b|"),
        ("/a/...", b"/a/...|"),
        ("/a%2Fb", b"/a/b|"),
        ("/a%2f..%2fb", b"/b|"),
        ("/%41%62", b"/Ab|"),
        ("/a%20b", b"/a b|"),
        ("/a+b", b"/a+b|"),
        ("/a%3Fb?c", b"/a?b|c"),
        ("/a%25b", b"/a%b|"),
        ("/a%2541", b"/a%41|"),
        ("/%C3%A9", b"/\xc3\xa9|"),
        ("/\xe9", b"/\xe9|"),
        ("/a?b=%20&c=../..", b"/a|b=%20&c=../.."),
        ("/a?", b"/a|"),
        ("/a??b", b"/a|?b"),
        ("/a?b?c", b"/a|b?c"),
        ("/a?b=c#d", b"/a|b=c"),
        ("/a#b?c", b"/a|"),
        ("/a;b=c", b"/a;b=c|"),
        ('/"<>\\^`{|}', b'/"<>\\^`{|}|'),
        ("http://localhost/a/../b?c", b"/b|c"),
        ("http://localhost", b"/|"),
        ("http://localhost?a=b", b"/|a=b"),
        ("HTTP://LOCALHOST:80/x", b"/x|"),
        ("https://localhost/x", b"/x|"),
        ("/a%0Ab", b"/a\nb|"),
        ("/..", b"400"),
        ("/../a", b"400"),
        ("/a/../../b", b"400"),
        ("/%2e%2e/a", b"400"),
        ("/a%", b"400"),
        ("/a%4", b"400"),
        ("/a%zz", b"400"),
        ("/a%00b", b"400"),
        ("/a\x00b", b"400"),
        ("/a\x7fb", b"400"),
        ("/a\tb", b"400"),
        ("a/b", b"400"),
        ("*", b"400"),
        ("?a", b"400"),
        ("ftp:/x", b"400"),
        ("http:///x", b"400"),
        ("http://a b/x", b"400"),
    ],
)
def test_normalised(uris: Nginx, target: str, uri: bytes) -> None:
    assert requested(uris, target) == uri


@pytest.mark.parametrize(
    "target, uri",
    [
        ("/a//b", b"/a//b"),
        ("//a///b//", b"//a///b//"),
        ("/a//../b", b"/a/b"),
        ("/a/.//b", b"/a//b"),
        ("/a%2F%2Fb", b"/a//b"),
    ],
)
def test_slashes_are_kept(uris: Nginx, target: str, uri: bytes) -> None:
    assert requested(uris, target, "s") == uri


def test_request_uri_is_as_sent(nginx: Nginx) -> None:
    nginx("return 200 $request_uri;")
    nginx.exchange("""
        > GET /a//b/../%41?x=%20#frag
        < 200
        <
        < /a//b/../%41?x=%20#frag

        > GET http://localhost/a/../b?c
        < 200
        <
        < /a/../b?c
        """)
