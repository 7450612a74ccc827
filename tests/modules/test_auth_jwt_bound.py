"""Tokens that are bound to the certificate of a client (RFC 8705)."""

from __future__ import annotations

import ssl

import pytest

from pyngx_jwt.jwt import Json

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import ask, client_context
from .tokens import FILES, KEY, KEYS, bearer

pytestmark = pytest.mark.pyngx_only("a variable of pyngx")
SERVER, ROOT = Authority("front.example"), Authority("root")
ALICE, MALLORY = Authority("alice", (), ROOT), Authority("mallory", (), ROOT)
SELF_SIGNED = Authority("self-signed")
PAGES = {
    **FILES,
    "front.pem": SERVER.pem,
    "front.key": SERVER.key_pem(),
    "root.pem": ROOT.pem,
    "html/a": "content",
}
TLS = "ssl_certificate front.pem; ssl_certificate_key front.key; ssl_client_certificate root.pem;"
CLAIM = ("auth_jwt_validate_claim cnf.x5t#S256 $ssl_client_thumbprint;", "")
MAP = (
    "auth_jwt_require $is_bound;",
    "auth_jwt_claim_set $bound_to cnf x5t#S256;"
    'map "$bound_to $ssl_client_thumbprint" $is_bound { "~^([\\w-]{43}) \\1$" 1; }',
)
WAYS = pytest.mark.parametrize("way", [CLAIM, MAP], ids=["claim", "map"])


def front(nginx: Nginx, way: tuple[str, str], mode: str = "on") -> None:
    required, http = way
    nginx(
        f"{TLS} ssl_verify_client {mode};"
        f'location / {{ auth_jwt "api"; {KEYS} {required}'
        "try_files /a =404; }",
        http=http,
        listen="127.0.0.1:%%PORT%% ssl",
        files=PAGES,
    )


def status(nginx: Nginx, client: Authority | None, **claims: Json) -> int:
    """The answer to a token with these claims over a connection with this certificate."""
    answer, _ = ask(
        nginx, None, "GET / HTTP/1.0", bearer(KEY, **claims), context=_context(nginx, client)
    )
    return answer.status


def _context(nginx: Nginx, client: Authority | None) -> ssl.SSLContext:
    if client is None:
        return client_context()
    return client_context(identity=nginx.write("client.pem", client.pem + client.key_pem()))


def bound(to: Authority) -> dict[str, Json]:
    return {"cnf": {"x5t#S256": to.thumbprint}}


@WAYS
def test_only_its_own_client(nginx: Nginx, way: tuple[str, str]) -> None:
    front(nginx, way)
    for _ in range(3):  # a token that is remembered is compared all the same
        assert status(nginx, ALICE, **bound(ALICE)) == 200
        assert status(nginx, MALLORY, **bound(ALICE)) == 401
    assert status(nginx, MALLORY, **bound(MALLORY)) == 200


@WAYS
@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"cnf": {}},
        {"cnf": {"x5t#S256": ""}},
        {"cnf": {"x5t#S256": None}},
        {"cnf": {"x5t": ALICE.thumbprint}},
        {"cnf": {"x5t#S256": f"{ALICE.thumbprint}="}},
        {"cnf": {"jkt": ALICE.thumbprint}},
        {"cnf": ALICE.thumbprint},
        {"x5t#S256": ALICE.thumbprint},
    ],
)
def test_unbound_tokens(nginx: Nginx, way: tuple[str, str], claims: dict[str, Json]) -> None:
    front(nginx, way)
    assert status(nginx, ALICE, **claims) == 401


@WAYS
@pytest.mark.parametrize("mode", ["optional", "off"])
def test_without_a_certificate(nginx: Nginx, way: tuple[str, str], mode: str) -> None:
    front(nginx, way, mode)
    for claims in (bound(ALICE), {"cnf": {"x5t#S256": ""}}, {}):
        assert status(nginx, None, **claims) == 401


def test_self_signed(nginx: Nginx) -> None:
    """RFC 8705, 2.2: the certificate need not be anybody's but the client's."""
    front(nginx, CLAIM, "optional_no_ca")
    assert status(nginx, SELF_SIGNED, **bound(SELF_SIGNED)) == 200
    assert status(nginx, SELF_SIGNED, **bound(ALICE)) == 401
    assert status(nginx, ALICE, **bound(ALICE)) == 200
