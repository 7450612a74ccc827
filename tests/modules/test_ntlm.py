"""Connections that belong to a client, once it has proven on them who it is."""

from __future__ import annotations

from contextlib import suppress

import pytest

from ..backend import Peer
from ..nginx import Conversation, Nginx

pytestmark = pytest.mark.pyngx_only('"ntlm" is a part of NGINX Plus')

NUMBERS = "abcdefgh"


class Servers:
    """Each connection has a letter, which is what requests on it get."""

    def __init__(self) -> None:
        self.connections = 0

    def __call__(self, peer: Peer) -> None:
        letter = NUMBERS[self.connections]
        self.connections += 1
        with suppress(AssertionError, TimeoutError):
            while True:
                head = peer.request()
                close = "Connection: close\r\n" if "/closed" in head else ""
                peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{close}\r\n{letter}".encode())


def ask(client: Conversation, *fields: str, target: str = "/") -> str:
    answer = client.request(f"GET {target}", *fields)
    assert answer is not None
    return answer.text


def served(nginx: Nginx, words: str = "") -> None:
    nginx.backend("one", Servers())
    nginx(
        "location / { proxy_pass http://u; } location /other { proxy_pass http://u; }",
        http=f"upstream u {{ {words} server 127.0.0.1:%%PORT_one%%; ntlm; }}",
    )


@pytest.mark.parametrize("scheme", ["NTLM", "negotiate"])
@pytest.mark.parametrize("words", ["", "zone u 64k;", "keepalive 0;"])
def test_a_connection_of_ones_own(nginx: Nginx, scheme: str, words: str) -> None:
    served(nginx, words)
    with nginx.connect() as first, nginx.connect() as second:
        own = ask(first, f"Authorization: {scheme} x")
        assert ask(first) == own
        other = ask(second, f"Authorization: {scheme} y")
        assert other != own
        assert [ask(first), ask(second), ask(first)] == [own, other, own]
        assert nginx.request("GET /").text not in (own, other)
    assert nginx.request("GET /").text not in (own, other)


def test_other_schemes_share(nginx: Nginx) -> None:
    served(nginx)
    texts = [nginx.request("GET /", f"Authorization: {scheme} x").text for scheme in ("Basic", "X")]
    assert texts == ["a", "a"]


def test_a_server_that_closes(nginx: Nginx) -> None:
    """The client gets another connection, and has to prove it again there."""
    served(nginx)
    with nginx.connect() as client:
        texts = [
            ask(client, f"Authorization: {field}", target=target)
            for target, field in (("/", "NTLM"), ("/closed", "B"), ("/", "B"), ("/", "NTLM"))
        ]
    assert texts == ["a", "a", "b", "b"]


def test_the_server_stays_the_same(nginx: Nginx) -> None:
    one, two = Servers(), Servers()
    two.connections = 4
    nginx.backend("one", one)
    nginx.backend("two", two)
    nginx(
        "location / { proxy_pass http://u; }",
        http="upstream u { server 127.0.0.1:%%PORT_one%%; server 127.0.0.1:%%PORT_two%%; ntlm; }",
    )
    with nginx.connect() as client:
        texts = [ask(client, f"Authorization: {x}") for x in ("NTLM x", "NTLM y", "B", "B")]
    assert texts == ["a"] * 4


def test_rejected(nginx: Nginx) -> None:
    one = "server 127.0.0.1:1;"
    nginx.rejects(
        http=f"upstream u {{ {one} ntlm; ntlm; }}", message='"ntlm" directive is duplicate'
    )
    assert "redefined" in nginx.accepts(http=f"upstream u {{ {one} ntlm; least_conn; }}")
