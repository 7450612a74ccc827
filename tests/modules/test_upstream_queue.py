"""Requests that wait for a server, and servers that recover slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from ..backend import Backend, Peer
from ..nginx import Nginx
from ..wire import DEADLINE

pytestmark = pytest.mark.pyngx_only('"queue" and "slow_start" are parts of NGINX Plus')

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def held(gate: threading.Event) -> Callable[[Peer], None]:
    """Responds once the gate is open."""

    def script(peer: Peer) -> None:
        peer.request()
        assert gate.wait(DEADLINE)
        peer.send(OK)

    return script


def queued(
    nginx: Nginx, gate: threading.Event, words: str, group: str = "", main: str = ""
) -> Backend:
    backend = nginx.backend("a", held(gate))
    nginx(
        'location / { proxy_pass http://u; add_header X-Waited "$upstream_queue_time" always; }',
        http=f"upstream u {{ {group} server 127.0.0.1:%%PORT_a%% max_conns=1; queue {words}; }}",
        main=main,
    )
    return backend


@pytest.mark.parametrize("group", ["", "zone u 64k;", "least_conn;"])
def test_requests_wait(nginx: Nginx, group: str) -> None:
    gate = threading.Event()
    backend = queued(nginx, gate, "2", group)
    with nginx.connect() as one, nginx.connect() as two, nginx.connect() as three:
        one.wire.send(GET)
        backend.wait_until_asked()
        two.wire.send(GET)
        three.wire.send(GET)
        assert two.wire.silent(0.5) and three.wire.silent(0.5)  # which is what they wait
        gate.set()
        first, *others = [conversation.wire.answer("GET") for conversation in (one, two, three)]
    assert first is not None and (first.status, first.get("X-Waited")) == (200, "-")
    for answer in others:
        assert answer is not None and answer.status == 200
        assert float(answer.get("X-Waited") or 0) >= 0.1
    assert "no live upstreams" not in nginx.error_log()


def test_a_full_queue(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = queued(nginx, gate, "1")
    with nginx.connect() as one, nginx.connect() as two:
        one.wire.send(GET)
        backend.wait_until_asked()
        two.wire.send(GET)
        assert two.wire.silent(0.1)
        assert nginx.request("GET /").status == 502
        gate.set()
        answer = two.wire.answer("GET")
    assert answer is not None and answer.status == 200


def test_not_for_ever(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = queued(nginx, gate, "1 timeout=200ms")
    with nginx.connect() as one:
        one.wire.send(GET)
        backend.wait_until_asked()
        answer = nginx.request("GET /")
        assert answer.status == 502 and float(answer.get("X-Waited") or 0) >= 0.2
        gate.set()
    nginx.wait_for_log("no live upstreams")


def test_a_client_that_goes_leaves_the_queue(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = queued(nginx, gate, "1")
    with nginx.connect() as one:
        one.wire.send(GET)
        backend.wait_until_asked()
        with nginx.connect() as two:
            two.wire.send(GET)
            assert two.wire.silent(0.1)
        nginx.wait_for_log("client prematurely closed|client closed")
        with nginx.connect() as three:
            three.wire.send(GET)
            assert three.wire.silent(0.1)
            gate.set()
            answer = three.wire.answer("GET")
            assert answer is not None and answer.status == 200


def test_servers_that_are_free_in_another_worker(nginx: Nginx) -> None:
    gate = threading.Event()
    backend = queued(nginx, gate, "50", "zone u 64k;", "worker_processes 4;")
    answers = list[int]()

    def ask() -> None:
        answers.append(nginx.request("GET /").status)

    clients = [threading.Thread(target=ask) for _ in range(12)]
    for client in clients:
        client.start()
    backend.wait_until_asked()
    gate.set()
    for client in clients:
        client.join(20)
    assert answers == [200] * 12


@pytest.mark.parametrize(
    "words, error",
    [
        ("0", 'invalid value "0" in "queue" directive'),
        ("many", 'invalid value "many" in "queue" directive'),
        ("1 timeout=0", 'invalid parameter "timeout=0"'),
        ("1 timeout=x", 'invalid parameter "timeout=x"'),
        ("1 time=1s", 'invalid parameter "time=1s"'),
        ("1; queue 2", '"queue" directive is duplicate'),
    ],
)
def test_queue_is_rejected(nginx: Nginx, words: str, error: str) -> None:
    nginx.rejects(http=f"upstream u {{ server 127.0.0.1:1; queue {words}; }}", message=error)


def test_the_method_stands_first(nginx: Nginx) -> None:
    told = nginx.accepts(http="upstream u { server 127.0.0.1:1; queue 1; least_conn; }")
    assert "load balancing method redefined" in told


# -- slow_start ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["", "zone u 64k;"])
def test_slow_start(nginx: Nginx, zone: str) -> None:
    """A server that has recovered gets next to nothing at first."""
    is_up = threading.Event()

    def failing(peer: Peer) -> None:
        peer.request()
        if is_up.is_set():
            peer.send(OK.replace(b"ok", b"aa"))

    nginx.backend("a", failing)
    nginx.backend("b", OK)
    nginx(
        "location / { proxy_pass http://u; }",
        http=f"""
        upstream u {{
            {zone}
            server 127.0.0.1:%%PORT_a%% fail_timeout=1s slow_start=1h;
            server 127.0.0.1:%%PORT_b%%;
        }}
        """,
    )
    assert nginx.request("GET /").text == "ok"
    is_up.set()
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /").text != "aa":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [nginx.request("GET /").text for _ in range(10)] == ["ok"] * 10


@pytest.mark.parametrize("method", ["ip_hash", "hash $uri", "hash $uri consistent", "random"])
def test_methods_without_slow_start(nginx: Nginx, method: str) -> None:
    nginx.rejects(
        http=f"upstream u {{ {method}; server 127.0.0.1:1 slow_start=1s; }}",
        message='balancing method does not support parameter "slow_start=1s"',
    )
    nginx.accepts(http=f"upstream u {{ server 127.0.0.1:1 slow_start=1s; {method}; }}")
