"""auth_jwt on | off | $variable: what "-t" says, as max-lt's module does."""

from __future__ import annotations

import json
import re

import pytest

from ..jwt.keys import jwks
from ..nginx import Nginx
from .plain_keys import HEX, RSA, pem

pytestmark = pytest.mark.pyngx_only("no test nginx has max-lt's module")
KEY = "auth_jwt_key secret utf8;"


@pytest.mark.parametrize(
    "text, message",
    [
        ("auth_jwt;", 'invalid number of arguments in "auth_jwt" directive'),
        ("auth_jwt on off;", 'invalid number of arguments in "auth_jwt" directive'),
        ("auth_jwt on; auth_jwt off;", '"auth_jwt" directive is duplicate'),
        ('auth_jwt "";', "JWT: Invalid value"),
        ("auth_jwt ON;", "JWT: Invalid variable name ON"),
        ("auth_jwt Realm;", "JWT: Invalid variable name Realm"),
        ("auth_jwt_key;", 'invalid number of arguments in "auth_jwt_key" directive'),
        ("auth_jwt_key a utf8 b;", 'invalid number of arguments in "auth_jwt_key" directive'),
        ("auth_jwt_key a utf8; auth_jwt_key b;", '"auth_jwt_key" directive is duplicate'),
        ('auth_jwt_key "" utf8;', "JWT: Invalid key"),
        ('auth_jwt_key "" hex;', "JWT: Invalid key"),
        ("auth_jwt_key abc hex;", "JWT: Invalid hex string"),
        ("auth_jwt_key abcg hex;", "JWT: Failed to turn hex key into binary"),
        ("auth_jwt_key a_-a base64;", "JWT: Failed to turn base64 key into binary"),
        ("auth_jwt_key a base64;", "JWT: Failed to turn base64 key into binary"),
        ("auth_jwt_key ==== base64;", "JWT: Invalid key"),
        ("auth_jwt_key abcd HEX;", 'invalid encoding "HEX"'),
        (
            "auth_jwt_key /no/such file;",
            'JWT: stat() "/no/such" failed (2: No such file or directory)',
        ),
        ("auth_jwt_key %%DIR%%/empty file;", 'JWT: key file "%%DIR%%/empty" is empty'),
        (
            "auth_jwt_key %%DIR%%/private file;",
            'JWT: Invalid key: key file "%%DIR%%/private" cannot be used: '
            "no usable key: a private key, where a public one is wanted",
        ),
        ("auth_jwt_alg none;", 'invalid value "none"'),
        ("auth_jwt_alg HS255;", 'invalid value "HS255"'),
        ("auth_jwt_alg any HS256;", 'invalid number of arguments in "auth_jwt_alg" directive'),
        ("auth_jwt_alg any; auth_jwt_alg any;", '"auth_jwt_alg" directive is duplicate'),
        ("auth_jwt_require;", 'invalid number of arguments in "auth_jwt_require" directive'),
        (
            "auth_jwt_require $arg_a; auth_jwt_require $arg_b;",
            '"auth_jwt_require" directive is duplicate',
        ),
        ("auth_jwt_require $arg_a error=402;", "invalid error code 402"),
        ("auth_jwt_require $arg_a error=abc;", "failed to parse error code abc"),
        ("auth_jwt_require $arg_a error=;", "failed to parse error code "),
        (
            "auth_jwt_require error=403;",
            "error=403 cannot be the single element of jwt_auth_require directive",
        ),
        (
            "auth_jwt_require error=401 $arg_a;",
            "error=401 must be the last element of jwt_auth_require directive",
        ),
        ("auth_jwt_require admin=true;", 'invalid variable name "admin=true"'),
        ("auth_jwt_require $arg_a x$arg_b;", 'invalid variable name "x$arg_b"'),
        ("location / { limit_except GET { auth_jwt on; } }", NOT_HERE := "auth_jwt"),
        ("location / { if ($arg_a) { auth_jwt off; } }", NOT_HERE),
    ],
)
def test_rejected(nginx: Nginx, text: str, message: str) -> None:
    nginx.write("empty", "")
    nginx.write("private", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
    if message == NOT_HERE:
        message = '"auth_jwt" directive is not allowed here'
    nginx.rejects(f"root html;\n{text}", message, http="pyngx_jwt_dialect maxlt;", line=2)


@pytest.mark.parametrize(
    "text, name",
    [
        ("auth_jwt $nope;", "nope"),
        ("auth_jwt_require $nope;", "nope"),
        ("auth_jwt on; auth_jwt_require $jwt_has_admin_role error=403;", "jwt_has_admin_role"),
    ],
)
def test_unknown_variables(nginx: Nginx, text: str, name: str) -> None:
    nginx.rejects(f"{KEY} {text}", f'unknown "{name}" variable')


@pytest.mark.parametrize(
    "server",
    [
        "auth_jwt on;",
        "auth_jwt on; location / { auth_jwt_key secret; }",
        "location / { auth_jwt $cookie_t; } location /x { auth_jwt_key secret; }",
    ],
)
def test_no_key(nginx: Nginx, server: str) -> None:
    """The line is that of the directive; the module has the end of "http"."""
    evidence = r'"auth_jwt.*" in \S+/nginx\.conf:\d+'
    text = rf'JWT: key not set \(JWT dialect "maxlt": {evidence}\)'
    nginx.rejects(server, re.compile(text), line=1)


def test_unknown_encoding_does_not_count_as_a_mark(nginx: Nginx) -> None:
    nginx.rejects("auth_jwt on; auth_jwt_key abcd HEX;", 'invalid encoding "HEX"', line=1)


def test_error_of_another_module_is_told_as_its_own(nginx: Nginx) -> None:
    """Only kjdev's module has this status, and only max-lt's that key."""
    nginx.rejects(
        f"auth_jwt on; {KEY}\nauth_jwt_require $arg_a error=402;", "invalid error code 402", line=2
    )


def test_accepted(nginx: Nginx) -> None:
    nginx.write("key.pem", pem(RSA))
    told = nginx.accepts(
        """
        auth_jwt $cookie_t; auth_jwt_key 'short' utf8; auth_jwt_alg hs256;
        auth_jwt_require $jwt_claim_sub $arg_a error=401;
        location /off { auth_jwt off; }
        location /pem { auth_jwt_key %%DIR%%/key.pem file; auth_jwt_alg Any; }
        """
    )
    assert "secret of 5 bytes is weak" in told
    nginx.accepts(f"auth_jwt off; auth_jwt_key {HEX};", http="pyngx_jwt_dialect maxlt;")
    nginx.accepts("auth_jwt off;", http="pyngx_jwt_dialect maxlt;")


def test_a_jwk_is_no_secret(nginx: Nginx) -> None:
    """If it is public, everybody could make tokens."""
    nginx.write("jwks.json", jwks(RSA))
    nginx.write("jwk.json", json.dumps(RSA.members()))
    for name in ("jwks.json", "jwk.json"):
        nginx.rejects(
            f"auth_jwt on; auth_jwt_key %%DIR%%/{name} file;",
            f'JWT: Invalid key: key file "%%DIR%%/{name}" cannot be used: a JWK is not a secret, '
            'use "auth_jwt_key_file" for its file',
            line=1,
        )
    nginx.write("other", '{"a": 1}')
    nginx.accepts("auth_jwt on; auth_jwt_key %%DIR%%/other file;")
