"""auth_jwt: keys that come through the cache of their location."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ..backend import Peer
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import FILES, KEY, OTHER, Issuer, asked_for_three, bearer

pytestmark = pytest.mark.needs("auth-jwt")
KJDEV = "kjdev's module fetches keys for each request and answers 401 if it cannot"
PAGES = {**FILES, "html/a": "content"}
ZONE = "proxy_cache_path %%DIR%%/cache keys_zone=keys:1m;"


def serve(nginx: Nginx, issuer: Callable[[Peer], None], location: str, server: str = "") -> None:
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        root html; auth_jwt "A"; auth_jwt_key_request /_jwks; {server}
        location = /_jwks {{
            internal; proxy_cache keys; {location}
            proxy_pass http://127.0.0.1:%%PORT_issuer%%/jwks.json;
        }}
        """,
        http=ZONE,
        files=PAGES,
    )


def status(nginx: Nginx, line: str) -> int:
    return nginx.request("GET /a", line).status


def eventually(nginx: Nginx, line: str, wanted: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while (found := status(nginx, line)) != wanted:
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.05)


def test_the_cache_answers(nginx: Nginx) -> None:
    issuer = Issuer()
    serve(nginx, issuer, "proxy_cache_valid 200 1h;")
    line = bearer()
    began = time.monotonic()
    while time.monotonic() - began < 1.5:  # longer than an answer is shared without a cache
        assert status(nginx, line) == 200
    assert len(issuer.asked) == 1


@pytest.mark.pyngx_only(KJDEV)
def test_rotation(nginx: Nginx) -> None:
    """The cache is passed by, and keeps what is found."""
    issuer = Issuer()
    serve(nginx, issuer, "proxy_cache_valid 200 1h;")
    assert status(nginx, bearer()) == 200
    issuer.body = jwks(OTHER)
    assert status(nginx, bearer()) == 200
    assert status(nginx, bearer(OTHER)) == 200
    assert status(nginx, bearer()) == 401
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        assert status(nginx, bearer(OTHER)) == 200
    assert len(issuer.asked) == 2


@pytest.mark.pyngx_only(KJDEV)
def test_stale_keys_while_the_issuer_is_down(nginx: Nginx) -> None:
    issuer = Issuer()
    serve(nginx, issuer, "proxy_cache_valid 200 1s; proxy_cache_use_stale http_503;")
    line, foreign = bearer(), bearer(OTHER)
    assert status(nginx, line) == 200
    issuer.status = "503 Service Unavailable"
    began = time.monotonic()
    while time.monotonic() - began < 3:
        assert status(nginx, line) == 200
        assert status(nginx, foreign) == 401
    assert len(issuer.asked) > 1
    issuer.status, issuer.body = "200 OK", jwks(OTHER)
    eventually(nginx, foreign, 200)
    assert status(nginx, line) == 401


@pytest.mark.pyngx_only(KJDEV)
def test_no_stale_keys_unless_the_location_has_them(nginx: Nginx) -> None:
    issuer = Issuer()
    serve(nginx, issuer, "proxy_cache_valid 200 1s;", "pyngx_jwt_keys_stale 0;")
    assert status(nginx, bearer()) == 200
    issuer.status = "503 Service Unavailable"
    eventually(nginx, bearer(), 500)
    issuer.status = "200 OK"
    eventually(nginx, bearer(), 200)


@pytest.mark.parametrize(
    "location, shared",
    [
        ("proxy_set_header Host $host;", False),  # nobody knows whether it is kept
        ("proxy_set_header Host $host; proxy_cache_bypass $http_pragma;", False),
        ("proxy_cache_key $request_uri;", True),
        ("proxy_no_cache $http_pragma;", True),
    ],
)
@pytest.mark.pyngx_only(KJDEV)
def test_what_can_be_shared(nginx: Nginx, location: str, shared: bool) -> None:
    """The files of the cache are removed, so that each subrequest asks the issuer."""
    issuer = Issuer()
    serve(nginx, issuer, f"proxy_cache_valid 200 1h; {location}")

    def ask() -> int:
        answered = status(nginx, bearer())
        for path in (nginx.prefix / "cache").rglob("*"):
            path.unlink()
        return answered

    asked = asked_for_three(ask, lambda: len(issuer.asked))
    assert asked <= 1 if shared else asked == 3


@pytest.mark.pyngx_only(KJDEV)
@pytest.mark.parametrize("kept", ["", "Cache-Control: no-store", "Vary: X-Tenant"])
@pytest.mark.parametrize("own", ["", "set $z 1;"])
def test_tenants_that_a_cache_does_not_keep_apart(nginx: Nginx, kept: str, own: str) -> None:
    """Its key is the same for all; what it keeps at all, it keeps by the header of the client."""
    answers = {b"one": jwks(KEY).encode(), b"two": jwks(OTHER).encode()}

    def answer(peer: Peer) -> None:
        head = peer.request().encode("latin-1")
        body = answers[head.partition(b"X-Tenant: ")[2].partition(b"\r")[0]]
        fields = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *filter(None, [kept])]
        peer.send("\r\n".join([*fields, "Connection: close", "", ""]).encode() + body)

    lifetime = "proxy_cache_valid 200 1h;" if kept else ""
    serve(nginx, answer, f"proxy_set_header X-Tenant $http_x_tenant; {lifetime} {own}")
    for tenant, key, wanted in [
        ("one", KEY, 200),
        ("two", KEY, 401),
        ("two", OTHER, 200),
        ("one", OTHER, 401),
        ("one", KEY, 200),
    ]:
        answered = nginx.request("GET /a", f"X-Tenant: {tenant}", bearer(key))
        assert answered.status == wanted, (tenant, key)
