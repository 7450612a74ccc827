"""Sessions in NGINX Plus' session_log: one line for all requests of a client."""

from __future__ import annotations

import re
import time

import pytest

from tests.nginx import Nginx

from ..wire import DEADLINE

pytestmark = pytest.mark.pyngx_only("a module of NGINX Plus")

FORMAT = 'session_log_format f "$request_uri [$body_bytes_sent] $http_x|$session_log_id";'
ZONE = "session_log_zone %%DIR%%/sessions.log zone=z:64k format=f"
SENT = """
    location /a { return 200 aaaa; }
    location /b { return 200 bb; }
    location /off { session_log off; return 200 off; }
"""


def lines(nginx: Nginx, count: int) -> list[str]:
    """The lines of sessions, once there are so many."""
    deadline = time.monotonic() + DEADLINE
    while len(found := nginx.read("sessions.log").splitlines()) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_a_session_is_one_line(nginx: Nginx) -> None:
    """Variables are those of the first request, but the bytes are those of all."""
    nginx(f"session_log z; {SENT}", http=f"{FORMAT} {ZONE} timeout=3s md5=$http_who;")
    for path, who in (("/a", "x"), ("/b", "y"), ("/b", "x"), ("/off", "x"), ("/a", "x")):
        nginx.request(f"GET {path}", f"Who: {who}", f'X: "{path}"')
    found = lines(nginx, 2)
    assert sorted(re.sub(r"\w{32}$", "ID", line) for line in found) == [
        r"/a [10] \x22/a\x22|ID",
        r"/b [2] \x22/b\x22|ID",
    ]
    nginx.request("GET /b", "Who: x")
    assert lines(nginx, 3)[2].startswith("/b [2] -|9dd4e461268c8034f5c8564e155c67a6")


def test_an_id_that_is_no_hash_is_made_one(nginx: Nginx) -> None:
    nginx(
        'session_log z; location / { return 200 "$session_log_id"; }',
        http=f"{ZONE.replace('format=f', '')} id=$cookie_s md5=$arg_m;",
    )
    known = "0123456789ABCDEF0123456789abcdef"
    assert nginx.request("GET /", f"Cookie: s={known}").text == known.lower()
    for cookie in ("s=", f"s={known}0", "s=x" * 32):
        hashed = nginx.request("GET /?m=x", f"Cookie: {cookie}").text
        assert hashed == "9dd4e461268c8034f5c8564e155c67a6"


def test_sessions_go_on_over_a_reload(nginx: Nginx) -> None:
    conf, http = f"session_log z; {SENT}", f"{FORMAT} {ZONE} timeout=8s md5=x;"
    nginx(conf, http=http)
    nginx.request("GET /a")
    nginx.reload(conf, http=http)
    nginx.request("GET /b")
    assert lines(nginx, 1)[0].startswith("/a [6]")


def test_a_full_zone_loses_no_request(nginx: Nginx) -> None:
    """What has no room is a session of its own."""
    long = "x" * 3000
    zone = ZONE.replace("64k", "32k")
    nginx(f"session_log z; {SENT}", http=f"{FORMAT} {zone} timeout=2s md5=$arg_n;")
    for number in range(40):
        nginx.request(f"GET /a?n={number}", f"X: {long}")
    found = {line.split()[0] for line in lines(nginx, 40)}
    assert found == {f"/a?n={number}" for number in range(40)}


@pytest.mark.parametrize(
    "http, message",
    [
        (f"{ZONE} md5=x;", 'unknown session log format "f"'),
        ("session_log_zone s.log md5=x;", '"session_log_zone" must have "zone" parameter'),
        (f"{FORMAT} {ZONE} color=x;", 'invalid parameter "color=x"'),
        (f"{FORMAT} {ZONE} timeout=x;", 'invalid parameter "timeout=x"'),
        (f"{FORMAT} {FORMAT}", 'duplicate "session_log_format" name "f"'),
        (f"{FORMAT} {ZONE} md5=$none;", 'unknown "none" variable'),
        ("session_log none;", 'unknown session_log_zone "none"'),
    ],
)
def test_errors(nginx: Nginx, http: str, message: str) -> None:
    nginx.rejects("", message, http=http)
