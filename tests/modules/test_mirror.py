"""mirror: requests are repeated elsewhere, and the answers ignored."""

from __future__ import annotations

import queue
import threading

import pytest

from ..backend import Peer
from ..nginx import Nginx
from ..wire import DEADLINE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmirror"
LOCATIONS = """
    location / { mirror /mirror; proxy_pass http://127.0.0.1:%%PORT_main%%; }
    location /headless { mirror /mirror; mirror_request_body off;
                         proxy_pass http://127.0.0.1:%%PORT_main%%; }
    location /two { mirror /mirror?a=b; mirror /mirror; return 204; }
    location /off { mirror off; proxy_pass http://127.0.0.1:%%PORT_main%%; }
    location /static { mirror /mirror; }
    location = /mirror { internal; proxy_pass http://127.0.0.1:%%PORT_mirror%%$request_uri; }
    """
MAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmain"


def test_method_arguments_and_body_are_repeated(nginx: Nginx) -> None:
    main, mirror = nginx.backend("main", MAIN), nginx.backend("mirror", OK)
    nginx(LOCATIONS)
    nginx.exchange("""
        > PUT /x?y=z
        > X-Field: value
        >
        > body
        < 200
        <
        < main
        """)
    for backend in (main, mirror):
        (request,) = backend.connections(1)
        assert request.startswith("PUT /x?y=z HTTP/1.")
        assert "X-Field: value\r\n" in request
        assert "Content-Length: 4\r\n" in request
        assert request.endswith("\r\n\r\nbody")


def test_long_bodies(nginx: Nginx) -> None:
    main, mirror = nginx.backend("main", MAIN), nginx.backend("mirror", OK)
    nginx(LOCATIONS, http="client_body_buffer_size 1k;")
    body = "x" * 100_000
    assert nginx.request("POST /", body=body).text == "main"
    for backend in (main, mirror):
        (request,) = backend.connections(1)
        assert request.endswith("\r\n\r\n" + body)


def test_off(nginx: Nginx) -> None:
    nginx.backend("main", MAIN)
    mirror = nginx.backend("mirror", OK)
    nginx(LOCATIONS)
    nginx.exchange("> GET /off\n< 200\n<\n< main")
    nginx.exchange("> GET /static\n< 404")
    mirror.connections(1)
    assert mirror.accepted == 1


def test_errors_of_the_mirror_are_ignored(nginx: Nginx) -> None:
    nginx.backend("main", MAIN)
    nginx(LOCATIONS)
    nginx.exchange("> GET /\n< 200\n<\n< main")
    nginx.wait_for_log(r'connect\(\) failed .* subrequest: "/mirror", upstream: "http://127')


def test_the_answer_does_not_wait(nginx: Nginx) -> None:
    """But the connection does, as its next request cannot begin before."""
    nginx.backend("main", MAIN)
    go_on, order = threading.Event(), list[str]()

    def slow(peer: Peer) -> None:
        peer.request()
        go_on.wait(DEADLINE)
        order.append("mirrored")
        peer.send(OK)

    nginx.backend("mirror", slow)
    nginx(LOCATIONS)
    with nginx.connect() as connection:
        connection.exchange("> GET /\n< 200\n<\n< main")
        order.append("answered")
        go_on.set()
        connection.exchange("> GET /off\n< 200\n<\n< main")
    assert order == ["answered", "mirrored"]


def test_goes_on_when_the_client_is_gone(nginx: Nginx) -> None:
    nginx.backend("main", MAIN)
    begun, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        peer.request()
        begun.set()
        go_on.wait(DEADLINE)
        peer.send(OK)

    nginx.backend("mirror", slow)
    nginx(
        f"access_log logs/sub.log status; log_subrequest on; {LOCATIONS}",
        http="log_format status $uri:$status:$upstream_status;",
    )
    with nginx.connect() as connection:
        connection.exchange("> GET /\n< 200\n<\n< main")
        assert begun.wait(DEADLINE)
    go_on.set()
    lines = nginx.access_log(2, "sub.log")
    assert "/mirror:200:200" in lines
    assert any(line.startswith("/:200:200") for line in lines)


def test_ends_with_a_client_that_leaves_before_the_answer(nginx: Nginx) -> None:
    ended = queue.Queue[bytes]()

    def silent(peer: Peer) -> None:
        peer.request()
        ended.put(peer.socket.recv(1))

    backends = [nginx.backend(name, silent) for name in ("main", "mirror")]
    nginx(LOCATIONS)
    with nginx.connect() as connection:
        connection.wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        for backend in backends:
            backend.wait_until_asked()
    assert [ended.get(timeout=DEADLINE) for _ in range(2)] == [b"", b""]


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("mirror off; mirror /a;", '"mirror" directive is duplicate')
    nginx.rejects("mirror /a; mirror off;", '"mirror" directive is duplicate')
    nginx.rejects(
        "mirror_request_body maybe;",
        'invalid value "maybe" in "mirror_request_body" directive, it must be "on" or "off"',
    )


def test_no_body_is_announced_where_there_is_none(nginx: Nginx) -> None:
    main, mirror = nginx.backend("main", MAIN), nginx.backend("mirror", OK)
    nginx(LOCATIONS)
    assert nginx.request("GET /").status == 200
    for backend in (main, mirror):
        assert "Content-Length" not in backend.connections(1)[0]


@pytest.mark.nginx_differs("it closes the client's connection")
def test_upgrade_of_a_copy(nginx: Nginx) -> None:
    """The copy's tunnel leads nowhere; the request itself is answered."""
    mirror = nginx.backend("mirror", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    nginx.backend("main", MAIN)
    nginx(LOCATIONS)
    nginx.exchange("""
        > GET /x
        > Upgrade: x
        < 200
        <
        < main
        """)
    nginx.wait_for_log("connection upgrade in subrequest")
    assert len(mirror.connections(1)) == 1  # closed
