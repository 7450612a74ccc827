"""pyngx_jwt_issuer: the keys of an issuer are discovered, fetched early and bound to it."""

from __future__ import annotations

import json
import threading
import time

import pytest

from pyngx_jwt.modules.auth_jwt.issuer import lifetime_of

from ..backend import Peer
from ..jwt.keys import jwks
from ..nginx import Nginx
from ..wire import DEADLINE
from .tokens import KEY, OTHER, bearer

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("a directive of our own"),
]
PAGES = {"html/a": "content"}
DIALECTS = {
    "plus": "auth_jwt A;",
    "kjdev": "auth_jwt A;",
    "tesla": "auth_jwt_enabled on; auth_jwt_algorithm ES256;",
    "maxlt": "auth_jwt on;",
    "tizp": "auth_jwt A; auth_jwt_alg ES256;",
}
HEALTH = "location = /ready { pyngx_health ready; }"


class Provider:
    """Answers with a description and with keys."""

    def __init__(self, nginx: Nginx, name: str, keys: str) -> None:
        self.url = f"http://127.0.0.1:{nginx.port(name)}"
        self.keys, self.is_up, self.name = keys, True, self.url
        self.jwks_uri = f"{self.url}/keys"
        self.asked: list[str] = []
        self.lock = threading.Lock()
        nginx.backend(name, self)

    def __call__(self, peer: Peer) -> None:
        while not peer.closed():
            target = peer.request().split(" ")[1]
            with self.lock:
                self.asked.append(target)
            body, status = self.keys, "200 OK" if self.is_up else "503 Down"
            if target == "/.well-known/openid-configuration":
                body = json.dumps({"issuer": self.name, "jwks_uri": self.jwks_uri})
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
            peer.send(head.encode() + body.encode())


def wait_until_ready(nginx: Nginx) -> None:
    deadline = time.monotonic() + DEADLINE
    while (answer := nginx.request("GET /ready")).status != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)


@pytest.mark.parametrize("name", DIALECTS)
def test_one_line(nginx: Nginx, name: str) -> None:
    """Configuration, keys and the check of "iss", in all dialects."""
    provider = Provider(nginx, "issuer", jwks(KEY))
    nginx(
        f"location / {{ {DIALECTS[name]} pyngx_jwt_issuer {provider.url}; root html; }} {HEALTH}",
        http=f"pyngx_jwt_dialect {name};",
        files=PAGES,
    )
    wait_until_ready(nginx)
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    assert nginx.request("GET /a", bearer(iss=provider.url)).status == 200
    for line in (bearer(), bearer(iss="http://127.0.0.1"), bearer(iss=f"{provider.url}/")):
        assert nginx.request("GET /a", line).status == 401
    assert len(provider.asked) == 2  # tokens of others are no reason to ask again


def test_each_token_is_bound_to_the_keys_of_its_issuer(nginx: Nginx) -> None:
    one = Provider(nginx, "one", jwks(KEY))
    two = Provider(nginx, "two", jwks(OTHER))
    nginx(
        f"""
        auth_jwt A; pyngx_jwt_issuer {one.url}; pyngx_jwt_issuer {two.url} jwks={two.url}/direct;
        root html; location = /ready {{ auth_jwt off; pyngx_health ready; }}
        """,
        http="pyngx_jwt_dialect plus;",
        files=PAGES,
    )
    wait_until_ready(nginx)
    assert two.asked == ["/direct"]
    for key, provider, status in (
        (KEY, one, 200),
        (OTHER, two, 200),
        (KEY, two, 401),
        (OTHER, one, 401),
    ):
        assert nginx.request("GET /a", bearer(key, iss=provider.url)).status == status


def test_before_there_were_any_keys(nginx: Nginx) -> None:
    """Tokens of an issuer that is down are no faults of clients; those of others can be used."""
    one = Provider(nginx, "one", jwks(KEY))
    two = Provider(nginx, "two", jwks(OTHER))
    two.is_up = False
    nginx(
        f"auth_jwt A; pyngx_jwt_issuer {one.url}; pyngx_jwt_issuer {two.url}; root html;",
        http="pyngx_jwt_dialect kjdev;",
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer(iss=one.url)).status == 200
    answer = nginx.request("GET /a", bearer(OTHER, iss=two.url))
    assert (answer.status, answer.get("Retry-After")) == (503, "5")
    assert nginx.request("GET /a").status == 401
    assert nginx.request("GET /a", bearer(OTHER, iss="http://three")).status == 401
    two.is_up = True
    deadline = time.monotonic() + DEADLINE
    while nginx.request("GET /a", bearer(OTHER, iss=two.url)).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keys_outlast_an_issuer_that_is_down(nginx: Nginx) -> None:
    """Over a reload as well; a new key is found as soon as it is used."""
    provider = Provider(nginx, "issuer", jwks(KEY))
    inside = f"""
        location / {{ auth_jwt A; pyngx_jwt_issuer {provider.url}; root html; }} {HEALTH}
        """
    http, main = "pyngx_jwt_dialect plus;", "master_process on; worker_processes 2;"
    nginx(inside, http=http, main=main, files=PAGES)
    wait_until_ready(nginx)
    provider.keys = jwks(KEY, OTHER)
    assert nginx.request("GET /a", bearer(OTHER, iss=provider.url)).status == 200
    provider.is_up = False
    nginx.reload(inside, http=http, main=main)
    for _ in range(10):
        assert nginx.request("GET /a", bearer(OTHER, iss=provider.url)).status == 200


@pytest.mark.parametrize(
    ("member", "value"),
    [("name", "https://evil.example"), ("jwks_uri", "http://evil.example/keys"), ("keys", "{}")],
)
def test_descriptions_that_are_wrong(nginx: Nginx, member: str, value: str) -> None:
    provider = Provider(nginx, "issuer", jwks(KEY))
    setattr(provider, member, value)
    nginx(
        f"location / {{ auth_jwt A; pyngx_jwt_issuer {provider.url}; root html; }} {HEALTH}",
        http="pyngx_jwt_dialect plus;",
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer(iss=provider.url)).status == 503
    assert nginx.request("GET /ready").status == 503


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("", 600),
        ("max-age=300", 300),
        ("public, Max-Age=300, must-revalidate", 300),
        ("max-age=1", 60),
        ("max-age=999999", 3600),
        ("no-store", 60),
        ("no-cache, max-age=300", 60),
        ("s-max-age=300", 600),
        ("max-age=x", 600),
    ],
)
def test_how_long_keys_are_kept(field: str, seconds: float) -> None:
    assert lifetime_of(field) == seconds


def test_rejected(nginx: Nginx) -> None:
    for url in ("issuer", "ftp://a/", "https://", "https://[", "https://a/#b"):
        nginx.rejects(f'pyngx_jwt_issuer "{url}";', f'invalid URL "{url}" in "pyngx_jwt_issuer"')
    nginx.rejects(
        "pyngx_jwt_issuer http://a.example;",
        '"pyngx_jwt_issuer" requires https: keys from "http://a.example" could be anyone\'s',
    )
    nginx.rejects("pyngx_jwt_issuer https://a x=1;", 'invalid parameter "x=1"')
