"""pyngx_health and "pyngx --check": whether the server is alive and ready."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from itertools import count

import pytest

from ..authority import Authority
from ..backend import Peer
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import KEY, OTHER, Issuer, bearer

pytestmark = pytest.mark.pyngx_only("a directive of our own")
HEALTH = "location /healthz { pyngx_health; }"
SLOW = "upstream backend { zone backend 64k; server 127.0.0.1:%%PORT_up%%; }"


def reasons(nginx: Nginx, uri: str = "/healthz") -> list[str]:
    """Why it is not ready."""
    answer = nginx.request(f"GET {uri}")
    found = json.loads(answer.text)
    assert answer.get("Content-Type") == "application/json"
    assert answer.get("Cache-Control") == "no-store"
    if answer.status == 200:
        assert found == {"status": "ready"}
        return []
    assert answer.status == 503 and answer.get("Retry-After") == "5"
    assert found["status"] == "unavailable"
    told: list[str] = found["reasons"]
    return told


def wait_until_ready(nginx: Nginx) -> None:
    deadline = time.monotonic() + DEADLINE
    while told := reasons(nginx):
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


def check(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", "--check", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_server_that_needs_nothing(nginx: Nginx) -> None:
    nginx(
        f"""
        {HEALTH}
        location = /livez {{ pyngx_health; }}
        location = /l {{ pyngx_health live; }}
        location = /r {{ pyngx_health ready; }}
        """
    )
    assert reasons(nginx) == reasons(nginx, "/r") == []
    for uri in ("/livez", "/l", "/healthz/live"):
        answer = nginx.request(f"GET {uri}")
        assert (answer.status, json.loads(answer.text)) == (200, {"status": "live"})
    assert nginx.request("POST /healthz").status == 405
    assert nginx.request("HEAD /healthz").status == 200


def test_check(nginx: Nginx) -> None:
    nginx(f"{HEALTH} location = /no {{ return 503 away; }} listen unix:%%DIR%%/sock;")
    url = f"http://127.0.0.1:{nginx.port()}"
    assert check(f"{url}/healthz") == (0, "")
    assert check(nginx.filled("unix:%%DIR%%/sock:/healthz")) == (0, "")
    status, told = check(f"{url}/no")
    assert status == 1 and told.endswith("/no: 503 away\n")
    assert check(url, "more")[0] == 4


def test_what_check_says(nginx: Nginx) -> None:
    site = Authority("site.example")
    nginx.backend("odd", b"220 mail.example ESMTP\r\n")
    nginx(
        """
        location = /moved { return 301 http://a.example/; }
        location = /keys { default_type application/json;
            return 503 '{"reasons": ["no keys of key file a", "not checked"]}'; }
        listen unix:%%DIR%%/sock;
        listen 127.0.0.1:%%PORT_tls%% ssl; ssl_certificate a.pem; ssl_certificate_key a.key;
        """,
        files={"a.pem": site.pem, "a.key": site.key_pem()},
    )
    here = "http://127.0.0.1:%%PORT%%"
    for url, told in (
        ("http://127.0.0.1:%%PORT_none%%/", "cannot connect: Connection refused"),
        ("unix:%%DIR%%/none:/", "cannot connect: No such file or directory"),
        (f"{here}/none", "404 Not Found"),
        (f"{here}/moved", "301 Moved Permanently, to http://a.example/"),
        (f"{here}/keys", "503 no keys of key file a; not checked"),
        ("http://unix:%%DIR%%/sock:/none", "404 Not Found"),
        ("http://127.0.0.1:%%PORT_tls%%/", "400 Bad Request"),
        ("http://127.0.0.1:%%PORT_odd%%/", "the response is not HTTP: is this the right port?"),
        ("https://127.0.0.1:%%PORT%%/", "the TLS handshake failed: is this a port for plain HTTP?"),
    ):
        url = nginx.filled(url)
        assert check(url) == (1, f"pyngx --check: {url}: {told}\n")
    for url, told in (
        ("127.0.0.1:80", "it has to begin with http://, https:// or unix:"),
        ("ftp://a/", "it has to begin with http://, https:// or unix:"),
        ("http://a:b/", "the port is not a number up to 65535"),
        ("http://a:99999/", "the port is not a number up to 65535"),
    ):
        assert check(url) == (4, f'pyngx --check: invalid URL "{url}": {told}\n')


@pytest.mark.needs("auth-jwt")
def test_keys_are_awaited(nginx: Nginx) -> None:
    """They are fetched before a request needs them."""
    issuer = Issuer()
    issuer.go_on.clear()
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        {HEALTH}
        """,
        http="pyngx_jwt_dialect plus;",
        files={"html/a": "content"},
        main="worker_processes 2;",
    )
    issuer.wait(1)
    assert reasons(nginx) == ['no keys of key request "/keys"']
    issuer.go_on.set()
    wait_until_ready(nginx)
    assert nginx.request("GET /a", bearer()).status == 200


@pytest.mark.needs("auth-jwt")
def test_key_files_are_looked_at(nginx: Nginx) -> None:
    """Also without requests with tokens: a server that is not ready does not get any."""
    nginx(
        f"location / {{ auth_jwt A; auth_jwt_key_file keys.json; root html; }} {HEALTH}",
        http="pyngx_jwt_dialect plus;",
        files={"html/a": "content"},
    )
    told = reasons(nginx)
    assert len(told) == 1 and told[0].startswith("no keys of key file")
    nginx.write("keys.json", jwks(KEY))
    wait_until_ready(nginx)
    assert nginx.request("GET /a", bearer()).status == 200
    nginx.write("keys.json", "").unlink()
    deadline = time.monotonic() + DEADLINE
    while reasons(nginx) != told:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert nginx.request("GET /a", bearer()).status == 500


@pytest.mark.needs("auth-jwt")
def test_workers_share_what_is_fetched(nginx: Nginx) -> None:
    """Also those after a reload, while the issuer is down."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    inside = f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        {HEALTH}
        """
    http, main = "pyngx_jwt_dialect plus;", "master_process on; worker_processes 4;"
    nginx(inside, http=http, main=main, files={"html/a": "content"})
    wait_until_ready(nginx)
    good = bearer()
    for _ in range(20):
        assert nginx.request("GET /a", good).status == 200
    assert len(issuer.asked) == 1
    issuer.status = "503 Service Unavailable"
    nginx.reload(inside, http=http, main=main)
    for _ in range(20):
        assert nginx.request("GET /a", good).status == 200


@pytest.mark.needs("auth-jwt")
def test_an_answer_that_comes_late_is_not_shared(nginx: Nginx) -> None:
    """Another worker did not want to wait for it, and knows newer keys."""
    asked, late, is_down = count(), threading.Event(), threading.Event()

    def issuer(peer: Peer) -> None:
        while not peer.closed():
            peer.request()
            status, keys = "200 OK", jwks(KEY, OTHER)
            if next(asked) == 0:
                assert late.wait(DEADLINE)
                keys = jwks(KEY)
            elif is_down.is_set():
                status = "503 Service Unavailable"
            peer.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(keys)}\r\n\r\n{keys}".encode())

    backend = nginx.backend("issuer", issuer)
    inside = f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        {HEALTH}
        """
    http, main = "pyngx_jwt_dialect plus;", "master_process on; worker_processes 2;"
    nginx(inside, http=http, main=main, files={"html/a": "content"})
    backend.wait_until_asked(2)
    wait_until_ready(nginx)
    late.set()
    for _ in range(20):
        assert nginx.request("GET /a", bearer()).status == 200
    is_down.set()
    for _ in range(20):
        assert nginx.request("GET /a", bearer(OTHER)).status == 200
    nginx.reload(inside, http=http, main=main)
    for _ in range(20):
        assert nginx.request("GET /a", bearer(OTHER)).status == 200


@pytest.mark.needs("auth-jwt")
def test_keys_that_outlast_their_issuer(nginx: Nginx) -> None:
    """A worker that begins while the issuer is down uses what the others have."""
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    inside = f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        pyngx_jwt_prefetch on;
        {HEALTH}
        """
    http, main = "pyngx_jwt_dialect plus;", "master_process on; worker_processes 2;"
    nginx(inside, http=http, main=main, files={"html/a": "content"})
    wait_until_ready(nginx)
    issuer.status = "503 Service Unavailable"
    nginx.reload(inside, http=http, main=main)
    time.sleep(1.1)  # longer than keys are used without looking for newer ones
    for _ in range(10):
        assert nginx.request("GET /a", bearer()).status == 200


def test_groups_are_awaited(nginx: Nginx) -> None:
    nginx(
        f"""
        location / {{ proxy_pass http://backend; health_check mandatory interval=100ms; }}
        {HEALTH}
        """,
        http=SLOW,
    )
    # Nothing listens: the first check makes the server unhealthy, which is known then.
    wait_until_ready(nginx)


def test_a_worker_that_is_leaving(nginx: Nginx) -> None:
    nginx(f"{HEALTH} location / {{ limit_rate 1; root html; }}", files={"html/a": "x" * 5})
    with nginx.connect() as slow, nginx.connect() as client:
        slow.wire.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.wire.until(b"\r\n\r\n")
        client.wire.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        nginx.send_signal(signal.SIGQUIT)
        nginx.wait_for_log("gracefully shutting down")
        client.wire.send(b"a\r\n\r\n")
        answer = client.wire.answer("GET")
        assert answer is not None and answer.status == 503
        assert json.loads(answer.text)["reasons"] == ["the worker is shutting down"]


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("location / { pyngx_health on; }", 'invalid parameter "on"')
