"""add_before_body and add_after_body: the responses of subrequests around a response."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.needs("http_addition_module")
TEXTS = """
    location /before { return 200 before-; }
    location /after { return 200 -after; }
    location /none { return 204; }
    """


def test_around_the_body(nginx: Nginx) -> None:
    nginx.write("html/a.html", "text")
    nginx(f"""
        add_before_body /before; add_after_body /after;
        location / {{ }}
        location /returned {{ default_type text/html; return 200 returned; }}
        location /empty {{ default_type text/html; add_before_body /none; return 200 x; }}
        location /plain {{ default_type text/plain; return 200 plain; }}
        location /created {{ default_type text/html; return 201 created; }}
        location /off {{ add_before_body ""; default_type text/html; return 200 off; }}
        {TEXTS}
        """)
    nginx.exchange("""
        > GET /a.html
        < 200
        < !Content-Length
        < !Accept-Ranges
        <
        < before-text-after

        > GET /returned
        < 200
        <
        < before-returned-after

        > GET /empty
        < 200
        <
        < x-after

        > GET /plain
        < 200
        <
        < plain

        > GET /created
        < 201
        <
        < created

        > GET /off
        < 200
        <
        < off-after

        > HEAD /a.html
        < 200
        < !Content-Length
        """)
    assert (nginx.request("GET /a.html").get("ETag") or "").startswith('W/"')


def test_connections_stay_open(nginx: Nginx) -> None:
    nginx("location / { default_type text/html; add_after_body /after; return 200 x; }" + TEXTS)
    with nginx.connect() as connection:
        for _ in range(3):
            connection.exchange("> GET /\n< 200\n<\n< x-after")


def test_types(nginx: Nginx) -> None:
    nginx(f"""
        location / {{ default_type x/y; add_before_body /before; addition_types x/y;
                      return 200 x; }}
        {TEXTS}
        """)
    nginx.exchange("> GET /\n< 200\n<\n< before-x")


def test_errors_and_upstreams(nginx: Nginx) -> None:
    """An error page becomes a part of the body; what comes late is in its place."""
    main = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nmain"
    nginx.backend("main", main)
    nginx.backend("slow", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    nginx("""
        location / { add_before_body /slow; add_after_body /404;
                     proxy_pass http://127.0.0.1:%%PORT_main%%; }
        location /slow { proxy_pass http://127.0.0.1:%%PORT_slow%%; }
        location /404 { error_page 404 /sorry; return 404; }
        location /sorry { return 200 sorry; }
        """)
    nginx.exchange("> GET /\n< 200\n<\n< slowmainsorry")


@pytest.mark.needs("http_gunzip_module")
def test_with_gzip_and_sub_filter(nginx: Nginx) -> None:
    nginx(
        """
        location / { default_type text/html; add_before_body /before; add_after_body /after;
                     gzip on; gzip_min_length 0; sub_filter x y; return 200 xx; }
        location /in/ { gunzip on; proxy_set_header Accept-Encoding gzip;
                        proxy_http_version 1.1; proxy_pass http://127.0.0.1:%%PORT%%/; }
        """
        + TEXTS
    )
    nginx.exchange("""
        > GET /in/
        < 200
        <
        < before-yx-after

        > GET /
        > Accept-Encoding: gzip
        < 200
        < Content-Encoding: gzip
        """)


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize("body", ["", "some"])
def test_what_there_is_of_a_response_that_is_cut(nginx: Nginx, buffering: str, body: str) -> None:
    """The client gets it, though little is held back otherwise, and nothing after it."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n"
    nginx.backend("main", f"{head}{body}".encode())
    nginx(
        f"""
        location / {{ add_after_body /after; proxy_buffering {buffering};
                      proxy_pass http://127.0.0.1:%%PORT_main%%; }}
        """
        + TEXTS
    )
    answer = nginx.raw(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(f"\r\n\r\n{body}".encode())
    nginx.wait_for_log("upstream prematurely closed connection")
