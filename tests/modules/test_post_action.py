"""post_action: a request of one's own after the response."""

from __future__ import annotations

from ..nginx import Nginx

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"


def test_requested_after_the_response(nginx: Nginx) -> None:
    backend = nginx.backend("main", OK)
    nginx.write("html/a", "text")
    nginx("""
        location / { post_action /done; }
        location /off { post_action off; return 200 off; }
        location /named { post_action @done; return 200 named; }
        location = /done { internal; proxy_pass http://127.0.0.1:%%PORT_main%%/to$request_uri; }
        location @done { proxy_pass http://127.0.0.1:%%PORT_main%%; }
        """)
    nginx.exchange("""
        > GET /a?x=1
        < 200
        <
        < text

        > GET /off
        < 200
        <
        < off

        > GET /missing
        < 404

        > GET /named
        < 200
        <
        < named
        """)
    lines = [request.partition(" HTTP")[0] for request in backend.connections(3)]
    assert lines == ["GET /to/a?x=1", "GET /to/missing", "GET /named"]


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("post_action /a; post_action /b;", '"post_action" directive is duplicate')
