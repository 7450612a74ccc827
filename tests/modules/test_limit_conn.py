"""limit_conn: how many requests may be processed at one time."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..backend import Backend, Peer
from ..nginx import Nginx
from ..wire import DEADLINE

ZONES = """
    limit_conn_zone $arg_key zone=one:1m;
    limit_conn_zone $arg_other zone=other:1m;
    log_format status "$uri $status $limit_conn_status";
    """
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Slow:
    """An upstream that answers when it is told to."""

    def __init__(self, nginx: Nginx) -> None:
        self.go_on = threading.Event()
        self.asked = threading.Semaphore(0)
        self.backend: Backend = nginx.backend("slow", self._answer)

    def _answer(self, peer: Peer) -> None:
        peer.request()
        self.asked.release()
        self.go_on.wait(DEADLINE)
        peer.send(OK)


@pytest.fixture
def slow(nginx: Nginx) -> Iterator[Slow]:
    upstream = Slow(nginx)
    yield upstream
    upstream.go_on.set()


@contextmanager
def busy(nginx: Nginx, slow: Slow, uri: str) -> Iterator[None]:
    """A request that is being processed."""
    with nginx.connect() as connection:
        connection.wire.send(f"GET {uri} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert slow.asked.acquire(timeout=DEADLINE)
        yield


SERVER = """
    location / { limit_conn one 2; proxy_pass http://127.0.0.1:%%PORT_slow%%; }
    location /quick { limit_conn one 2; return 204; }
    location /here { limit_conn one 2; }
    location /free { }
    location /more { limit_conn one 3; }
    location /both { limit_conn one 3; limit_conn other 1; }
    """


def test_refused(nginx: Nginx, slow: Slow) -> None:
    nginx(SERVER, http=ZONES)
    with busy(nginx, slow, "/?key=a"):
        assert nginx.request("GET /here?key=a").status == 404
        with busy(nginx, slow, "/?key=a"):
            assert nginx.request("GET /here?key=a").status == 503
            assert nginx.request("GET /more?key=a").status == 404
            assert nginx.request("GET /here?key=b").status == 404
            assert nginx.request("GET /here").status == 404
            assert nginx.request("GET /free?key=a").status == 404
    nginx.wait_for_log(
        r'\[error\] .* limiting connections by zone "one", client: 127\.0\.0\.1, server: '
    )


def test_the_end_of_a_request_makes_room(nginx: Nginx, slow: Slow) -> None:
    nginx("location / { limit_conn one 1; proxy_pass http://127.0.0.1:%%PORT_slow%%; }", http=ZONES)
    with nginx.connect() as connection:
        connection.wire.send(b"GET /?key=a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.asked.acquire(timeout=DEADLINE)
        assert nginx.request("GET /?key=a").status == 503
        slow.go_on.set()
        answer = connection.wire.answer()
        assert answer is not None and answer.status == 200
        assert nginx.request("GET /?key=a").status == 200


def test_a_client_that_goes_makes_room(nginx: Nginx, slow: Slow) -> None:
    nginx("location / { limit_conn one 1; proxy_pass http://127.0.0.1:%%PORT_slow%%; }", http=ZONES)
    with busy(nginx, slow, "/?key=a"):
        assert nginx.request("GET /?key=a").status == 503
    nginx.wait_for_log("client prematurely closed connection")
    slow.go_on.set()
    assert nginx.request("GET /?key=a").status == 200


def test_refused_by_one_counted_by_none(nginx: Nginx, slow: Slow) -> None:
    nginx(
        """
        location / { limit_conn one 3; limit_conn other 1;
                     proxy_pass http://127.0.0.1:%%PORT_slow%%; }
        location /one { limit_conn one 2; }
        """,
        http=ZONES,
    )
    with busy(nginx, slow, "/?key=a&other=b"):
        for _ in range(3):
            assert nginx.request("GET /?key=a&other=b").status == 503
        assert nginx.request("GET /one?key=a").status == 404


def test_status_level_and_dry_run(nginx: Nginx, slow: Slow) -> None:
    nginx(
        """
        access_log logs/limits.log status;
        location / { limit_conn one 1; proxy_pass http://127.0.0.1:%%PORT_slow%%; }
        location /status { limit_conn one 1; limit_conn_status 429; limit_conn_log_level info; }
        location /dry { limit_conn one 1; limit_conn_dry_run on; }
        location /none { }
        """,
        http=ZONES,
    )
    with busy(nginx, slow, "/?key=a"):
        assert nginx.request("GET /status?key=a").status == 429
        assert nginx.request("GET /dry?key=a").status == 404
        assert nginx.request("GET /none").status == 404
        assert nginx.request("GET /dry?key=b").status == 404
        nginx.wait_for_log(r'\[info\] .* limiting connections by zone "one"')
        nginx.wait_for_log(r'\[error\] .* limiting connections, dry run, by zone "one"')
        assert nginx.access_log(4, "limits.log") == [
            "/status 429 REJECTED",
            "/dry 404 REJECTED_DRY_RUN",
            "/none 404 -",
            "/dry 404 PASSED",
        ]


def test_workers_share_a_zone(nginx: Nginx, slow: Slow) -> None:
    nginx(SERVER, http=ZONES, main="worker_processes 3;")
    with busy(nginx, slow, "/?key=a"), busy(nginx, slow, "/?key=a"):
        found = [nginx.request("GET /here?key=a").status for _ in range(9)]
    assert found == [503] * 9


@pytest.mark.nginx_differs("what a worker that was killed had counted stays counted")
@pytest.mark.trouble("a worker is killed")
def test_a_killed_worker_leaves_nothing(nginx: Nginx, slow: Slow) -> None:
    nginx("location / { limit_conn one 1; proxy_pass http://127.0.0.1:%%PORT_slow%%; }", http=ZONES)
    children = Path(f"/proc/{nginx.pid()}/task/{nginx.pid()}/children")
    with busy(nginx, slow, "/?key=a"):
        (worker,) = map(int, children.read_text().split())
        os.kill(worker, signal.SIGKILL)
        nginx.wait_for_log(r"exited on signal 9")
        slow.go_on.set()
        nginx.wait_for_log(r"start worker process \d+", 2)
        assert nginx.request("GET /?key=a").status == 200


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("limit_conn_zone $arg_a zone=a;", 'invalid zone size "zone=a"'),
        ("limit_conn_zone $arg_a zone=a:1k;", 'zone "zone=a:1k" is too small'),
        ("limit_conn_zone $arg_a x=a:1m;", 'invalid parameter "x=a:1m"'),
        ("limit_conn_zone $arg_a zone=:1m;", '"limit_conn_zone" must have "zone" parameter'),
        (
            "limit_conn_zone $arg_b zone=one:1m;",
            'limit_conn_zone "one" is already bound to key "$arg_key"',
        ),
        (
            "limit_req_zone $arg_b zone=one:1m rate=1r/s;",
            'the shared memory zone "one" is already declared for a different use',
        ),
        ("limit_conn one x;", 'invalid number of connections "x"'),
        ("limit_conn one 0;", 'invalid number of connections "0"'),
        ("limit_conn one 65536;", "connection limit must be less 65536"),
        ("limit_conn one 1; limit_conn one 2;", '"limit_conn" directive is duplicate'),
        ("limit_conn missing 1;", 'zero size shared memory zone "missing"'),
        ("limit_conn_status 600;", "value must be between 400 and 599"),
        ("limit_conn_log_level crit;", 'invalid value "crit"'),
        (
            "limit_conn_dry_run x;",
            'invalid value "x" in "limit_conn_dry_run" directive, it must be "on" or "off"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(message=message, http=f"{ZONES}\n{directive}")
