"""scgi_pass: what is SCGI's own."""

from __future__ import annotations

import pytest

from ..applications import Site, echo
from ..nginx import Nginx

PASS = "location / { scgi_pass 127.0.0.1:%%PORT_b%%; }"
TEXT = b"Content-Type: text/plain\r\n\r\nhello"


def test_request_without_parameters(nginx: Nginx) -> None:
    backend = Site(nginx, "scgi").application(TEXT)
    nginx(PASS)
    raw = b"GET /a?b HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\nConnection: close\r\n\r\n"
    assert nginx.raw(raw).endswith(b"hello\r\n0\r\n\r\n")
    text = "CONTENT_LENGTH|0|HTTP_HOST|x|HTTP_USER_AGENT|me|HTTP_CONNECTION|close|"
    text = text.replace("|", "\0")
    assert backend.connections(1) == [f"{len(text)}:{text},"]


@pytest.mark.nginx_differs("it lets the value write parameters of its own")
def test_nul_in_a_parameter(nginx: Nginx) -> None:
    Site(nginx, "scgi").application(echo)
    nginx(
        "location / { scgi_param A $x; scgi_pass 127.0.0.1:%%PORT_b%%; }",
        http='map $args $x { default ok; nul "a\0REMOTE_USER\0admin"; }',
    )
    assert nginx.request("GET /").body.startswith(b"CONTENT_LENGTH=0\nA=ok\n")
    assert nginx.request("GET /?nul").status == 500
    nginx.wait_for_log(r"\[error\] .*NUL in a parameter for upstream")
