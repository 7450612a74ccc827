"""charset: told and converted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..nginx import Nginx

MAPS = """
    charset_map one two { 80 90; 58 59; e4 84; }
    charset_map one utf-8 { 80 E282AC; e4 C3A4; 41 C384; }
    """
TYPES = "types { text/html html; text/plain txt; image/png png; text/own own; }"


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Iterator[Nginx]:
    module_nginx(
        f"""
        {TYPES}
        charset utf-8;
        location /off/ {{ alias %%DIR%%/html/; charset off; }}
        location /types/ {{ alias %%DIR%%/html/; charset_types text/own; }}
        location /all/ {{ alias %%DIR%%/html/; charset_types *; }}
        location /variable/ {{ alias %%DIR%%/html/; charset $arg_c; source_charset $arg_s; }}
        location /same/ {{ alias %%DIR%%/html/; charset One; source_charset oNE; }}
        location /two/ {{ alias %%DIR%%/html/; charset two; source_charset one; }}
        location /one/ {{ alias %%DIR%%/html/; charset one; source_charset two; }}
        location /to/ {{ alias %%DIR%%/html/; charset utf-8; source_charset one; }}
        location /from/ {{ alias %%DIR%%/html/; charset one; source_charset utf-8; }}
        location /redirect {{ return 302 /x; }}
        location /moved {{ return 307 /x; }}
        location /up/ {{ proxy_pass http://127.0.0.1:%%PORT%%/two/; }}
        location /over/ {{ proxy_pass http://127.0.0.1:%%PORT%%/two/; charset one;
                           override_charset on; }}
        location /told {{ charset one; proxy_pass http://127.0.0.1:%%PORT_b%%/; }}
        """,
        http=MAPS,
        files={
            "html/a.html": b"\x80X\xe4A\xff",
            "html/a.txt": "text",
            "html/a.png": "image",
            "html/a.own": "own",
            "html/utf8.html": "\u20ac\xe4\xc4A\xdfx".encode() + b"\xff.\xc3",
            "html/long.html": "x\u20ac\xe4".encode() * 50_000,
        },
        servers=[
            "listen 127.0.0.1:%%PORT_b%%;"
            'add_header X-Accel-Charset $arg_c; location / { return 200 "X"; }'
        ],
    )
    yield module_nginx


def content_type(site: Nginx, uri: str) -> str | None:
    return site.request(f"GET {uri}").get("Content-Type")


def test_told(site: Nginx) -> None:
    assert content_type(site, "/a.html") == "text/html; charset=utf-8"
    assert content_type(site, "/a.txt") == "text/plain; charset=utf-8"
    assert content_type(site, "/a.png") == "image/png"
    assert content_type(site, "/a.own") == "text/own"
    assert content_type(site, "/off/a.html") == "text/html"
    assert content_type(site, "/types/a.own") == "text/own; charset=utf-8"
    assert content_type(site, "/types/a.html") == "text/html; charset=utf-8"
    assert content_type(site, "/types/a.txt") == "text/plain"
    assert content_type(site, "/all/a.png") == "image/png; charset=utf-8"
    assert content_type(site, "/same/a.html") == "text/html; charset=one"
    assert content_type(site, "/nothing") == "text/html; charset=utf-8"


def test_redirects_do_not_tell(site: Nginx) -> None:
    assert content_type(site, "/redirect") == "text/html"
    assert content_type(site, "/moved") == "text/html; charset=utf-8"


def test_converted(site: Nginx) -> None:
    for uri, name, body in (
        ("/two/a.html", "two", b"\x90Y\x84A?"),
        ("/one/a.html", "one", b"?X?A?"),
        ("/to/a.html", "utf-8", "\u20acX\xe4\xc4?".encode()),
        ("/from/utf8.html", "one", b"\x80\xe4AA&#223;x?."),
    ):
        answer = site.request(f"GET {uri}")
        assert answer.get("Content-Type") == f"text/html; charset={name}"
        assert answer.body == body
    assert site.request("GET /two/a.html").get("Content-Length") == "5"
    assert site.request("GET /to/a.html").get("Content-Length") is None
    assert site.request("GET /from/long.html").body == b"x\x80\xe4" * 50_000


def test_ranges_of_what_is_converted(site: Nginx) -> None:
    answer = site.request("GET /two/a.html", "Range: bytes=1-2")
    assert (answer.status, answer.body) == (206, b"Y\x84")
    assert site.request("GET /to/a.html", "Range: bytes=1-2").status == 200


def test_variables(site: Nginx) -> None:
    assert content_type(site, "/variable/a.html?c=x&s=X") == "text/html; charset=x"
    assert site.request("GET /variable/a.html?c=two&s=one").body == b"\x90Y\x84A?"
    answer = site.request("GET /variable/a.html?c=x&s=one")
    assert (answer.get("Content-Type"), answer.body) == ("text/html", b"\x80X\xe4A\xff")
    site.wait_for_log(r'\[error\] .* no "charset_map" between the charsets "one" and "x".*, client')


def test_of_upstreams(site: Nginx) -> None:
    answer = site.request("GET /up/a.html")
    assert (answer.get("Content-Type"), answer.body) == ("text/html; charset=two", b"\x90Y\x84A?")
    answer = site.request("GET /over/a.html")
    assert (answer.get("Content-Type"), answer.body) == ("text/html; charset=one", b"\x80X\xe4A?")


def test_x_accel_charset(site: Nginx) -> None:
    assert content_type(site, "/told?c=two") == "text/plain; charset=two"
    assert content_type(site, "/told") == "text/plain; charset=one"
    assert content_type(site, "/told?c=unknown") == "text/plain"
    site.wait_for_log(r'unknown charset "unknown" to override')


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("charset a; charset b;", '"charset" directive is duplicate'),
        ("source_charset a; source_charset b;", '"source_charset" directive is duplicate'),
        ("charset $nothing;", 'unknown "nothing" variable'),
        (
            "override_charset x;",
            'invalid value "x" in "override_charset" directive, it must be "on" or "off"',
        ),
        (
            "charset_map a A { }",
            '"charset_map" between the same charsets "a" and "A"',
        ),
        (
            "charset_map UTF-8 a { }",
            '"charset_map" with "utf-8" charset should be given in the second column',
        ),
        (
            "charset_map a b { } charset_map b a { }",
            'duplicate "charset_map" between "b" and "a"',
        ),
        ("charset_map a b { 80; }", "invalid parameters number"),
        ("charset_map a b { 100 80; }", 'invalid value "100"'),
        ("charset_map a b { 80 xx; }", 'invalid value "xx"'),
        ("charset_map a utf-8 { 80 E282AC80; }", 'invalid value "E282AC80"'),
        (
            "charset First; source_charset second;",
            'no "charset_map" between the charsets "second" and "First"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(message=message, http=directive)
