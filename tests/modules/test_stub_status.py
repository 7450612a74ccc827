"""stub_status: how many connections and requests there are."""

from __future__ import annotations

import re
import time

import pytest

from ..nginx import Nginx
from ..wire import DEADLINE

pytestmark = pytest.mark.needs("http_stub_status_module")

SERVER = """
    location = /status { stub_status; }
    location /words { default_type text/plain; return 200 "$connections_active $connections_reading
$connections_writing $connections_waiting"; }
    location / { limit_rate 10; }
    """
NUMBERS = re.compile(
    r"Active connections: (\d+) \nserver accepts handled requests\n (\d+) (\d+) (\d+) \n"
    r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) \n"
)


def counts(nginx: Nginx) -> list[int]:
    """Active, accepted, handled, requests, reading, writing, waiting."""
    answer = nginx.request("GET /status")
    assert answer.get("Content-Type") == "text/plain"
    found = NUMBERS.fullmatch(answer.text)
    assert found, answer.text
    return [int(number) for number in found.groups()]


def test_counts(nginx: Nginx) -> None:
    nginx(SERVER)
    first = counts(nginx)[1]  # the start is noticed by connecting
    assert counts(nginx) == [1, first + 1, first + 1, 2, 0, 1, 0]
    nginx.raw(
        b"GET /words HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /words HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert counts(nginx)[1:4] == [first + 3, first + 3, 5]


def test_states(nginx: Nginx) -> None:
    nginx(SERVER)
    with nginx.connect() as client:
        time.sleep(0.05)
        assert counts(nginx)[4:] == [0, 1, 1]
        client.wire.send(b"GET /missing HTTP/1.0\r\n")
        time.sleep(0.05)
        assert counts(nginx)[4:] == [1, 1, 0]
        client.wire.send(b"\r\n")
        client.wire.until(b"\r\n\r\n")  # the page itself takes its time
        assert counts(nginx)[4:] == [0, 2, 0]
        assert nginx.request("GET /words").text == "2 0\n2 0"


def test_methods(nginx: Nginx) -> None:
    nginx(SERVER)
    nginx.exchange("> HEAD /status\n< 200\n< Content-Type: text/plain\n<\n\n> POST /status\n< 405")


def test_all_workers_count(nginx: Nginx) -> None:
    nginx(SERVER, main="worker_processes 3;")
    for _ in range(20):
        nginx.request("GET /words")
    deadline = time.monotonic() + DEADLINE
    while (last := counts(nginx))[0] != 1 or last[3] < 21:
        assert time.monotonic() < deadline, last
        time.sleep(1.1)  # what other workers do is known with a delay


def test_a_reload_goes_on_counting(nginx: Nginx) -> None:
    nginx(SERVER)
    for _ in range(3):
        before = counts(nginx)
    nginx.reload(SERVER)
    after = counts(nginx)
    assert after[3] == before[3] + 1


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts("stub_status; location /a { stub_status on; }")
