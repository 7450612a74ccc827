"""Other forms of what rules report: other dialects, levels, and ways to the same thing."""

from __future__ import annotations

import pytest

from ..kit import Linter
from .test_silence import APP, KEY, server

EXPIRY = "exp-not-required"
SECRET = f"auth_jwt_key {'0123456789abcdef' * 4}"


@pytest.mark.parametrize(
    ("directives", "is_reported"),
    [
        (f"{KEY}", True),
        (f"{KEY} auth_jwt_require $jwt_claim_exp;", False),
        (f"{KEY} satisfy any; allow 10.0.0.0/8; deny all;", True),
        (f"auth_jwt on; {SECRET} hex; auth_jwt_alg HS256;", True),
        (f"auth_jwt on; {SECRET} hex; auth_jwt_require $jwt_claim_exp;", False),
        (f"auth_jwt_enabled on; {SECRET};", False),
        (f"{KEY} auth_jwt_phase access;", False),
        (f"auth_jwt_key_file keys/jwks.json; limit_except GET {{ {KEY} }}", True),
    ],
)
def test_tokens_without_an_expiry(linter: Linter, directives: str, is_reported: bool) -> None:
    for location in ("location /", "location @name"):
        found = linter.of(EXPIRY, server(f"{location} {{ {directives} }}"))
        assert bool(found) is is_reported


ZONE = "proxy_cache_path c keys_zone=z:1m;"
CACHED = "proxy_cache z; proxy_cache_valid 1m;"
SHARED = "cache-zone-shared-with-public"


@pytest.mark.parametrize(
    ("key", "protected", "public", "is_reported"),
    [
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/priv/;", True),
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/pub/;", False),
        ("", APP, "location /pub/ { proxy_pass http://127.0.0.1:9000/;", True),
        ("", APP, f"location /pub/ {{ {APP}", False),
        ("", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", True),
        ("$uri", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", True),
        ("$request_uri", APP, f"location /pub/ {{ rewrite ^/pub/(.*) /priv/$1 break; {APP}", False),
        ("$arg_id", APP, f"location /pub/ {{ {APP}", True),
    ],
)
def test_keys_of_public_responses(
    linter: Linter, key: str, protected: str, public: str, is_reported: bool
) -> None:
    line = f"{CACHED} {f'proxy_cache_key {key};' if key else ''}"
    text = server(f"location /priv/ {{ {KEY} {line} {protected} }} {public} {line} }}", ZONE)
    assert bool(linter.of(SHARED, text)) is is_reported


@pytest.mark.parametrize(
    ("inside", "is_reported"),
    [
        ("proxy_pass https://192.0.2.1;", True),
        ("proxy_pass https://127.0.0.1;", False),
        ("set $to https://192.0.2.1; proxy_pass $to;", True),
        ("set $to http://192.0.2.1; proxy_pass $to;", False),
        ("proxy_pass $scheme_of_app://192.0.2.1;", True),
        ('proxy_set_header Authorization ""; proxy_pass https://192.0.2.1;', False),
        (
            'proxy_set_header Authorization ""; proxy_set_header X-Token $http_authorization;'
            "proxy_pass https://192.0.2.1;",
            True,
        ),
        ('auth_jwt "x" token=$arg_t; proxy_pass https://192.0.2.1;', True),
        ('auth_jwt "x" token=$arg_t; proxy_pass https://192.0.2.1$uri;', False),
        ('auth_jwt "x" token=$cookie_t; proxy_pass https://192.0.2.1;', True),
        ("grpc_pass grpcs://192.0.2.1;", True),
        ("grpc_pass grpcs://192.0.2.1; grpc_ssl_verify on;", False),
        ('grpc_pass grpcs://192.0.2.1; grpc_set_header Authorization "";', False),
        ("grpc_pass grpc://192.0.2.1;", False),
        ("uwsgi_pass suwsgi://192.0.2.1;", True),
        ("if ($arg_x) { proxy_pass https://192.0.2.1; }", True),
        ("limit_except GET { proxy_pass https://192.0.2.1; }", True),
    ],
)
def test_tokens_to_servers_that_are_not_verified(
    linter: Linter, inside: str, is_reported: bool
) -> None:
    scheme = "map $host $scheme_of_app { default https; }"
    text = server(f"auth_jwt_key_file keys/jwks.json; location / {{ @ {inside} }}", scheme)
    text = text.replace("@", "" if "auth_jwt " in inside else 'auth_jwt "x";')
    assert bool(linter.of("upstream-tls-unverified", text)) is is_reported
