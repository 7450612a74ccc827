"""auth_require: access depends on the values of variables."""

from __future__ import annotations

import pytest

from ..nginx import Nginx
from .tokens import FILES, KEYS, token

pytestmark = pytest.mark.pyngx_only("NGINX Plus has it")


def test_all_values_are_required(nginx: Nginx) -> None:
    nginx("""
        auth_require $arg_a;
        location / { return 200; try_files /none @ok; }
        location /a { try_files /none @ok; }
        location /both { auth_require $arg_a $arg_b error=404; try_files /none @ok; }
        location /two { auth_require $arg_a error=401; auth_require $arg_b; try_files /none @ok; }
        location @ok { auth_require yes; return 200 ok; }
        """)
    statuses = {
        "/a": 403,
        "/a?a=0": 403,
        "/a?a=1": 200,
        "/both?a=1": 404,
        "/both?a=1&b=x": 200,
        "/two?b=1": 401,
        "/two?a=1": 403,
        "/two?a=1&b=1": 200,
    }
    assert {uri: nginx.request(f"GET {uri}").status for uri in statuses} == statuses


def test_satisfy_any(nginx: Nginx) -> None:
    nginx("""
        location / { satisfy any; deny all; auth_require $arg_a; try_files /none @ok; }
        location @ok { return 200 ok; }
        """)
    nginx.exchange("> GET /?a=1\n< 200\n\n> GET /\n< 403")


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("auth_require $a_b error=200;", 'invalid parameter "error=200"'),
        ("auth_require error=403;", '"auth_require" must have a value'),
        ("auth_require $unknown_one;", 'unknown "unknown_one" variable'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(f"location / {{ {snippet} }}", message)


def test_claims_of_a_token(nginx: Nginx) -> None:
    """The token is verified first; a request without one gets the challenge."""
    nginx(
        f"""
        location / {{ auth_jwt realm; {KEYS} auth_require $jwt_claim_admin;
                      internal_redirect @$jwt_claim_admin; }}
        location @yes {{ return 200 admin; }}
        """,
        files=FILES,
    )
    nginx.exchange(f"""
        > GET /
        < 401
        < WWW-Authenticate: Bearer realm="realm"

        > GET /
        > Authorization: Bearer {token()}
        < 403

        > GET /
        > Authorization: Bearer {token(admin="yes")}
        < 200
        <
        < admin
        """)
