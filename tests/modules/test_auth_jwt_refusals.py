"""$jwt_error and $jwt_refusal: why a token was refused, in all dialects."""

from __future__ import annotations

import json

import pytest

from ..nginx import Nginx
from .plain_keys import pem
from .tokens import FILES, KEY, KEYS, OTHER, bearer, tampered, token

pytestmark = [
    pytest.mark.needs("auth-jwt"),
    pytest.mark.pyngx_only("variables of our own"),
]
DIALECTS = {
    "plus": "auth_jwt A;",
    "kjdev": "auth_jwt A;",
    "tesla": "auth_jwt_enabled on; auth_jwt_algorithm ES256;",
    "maxlt": "auth_jwt on;",
    "tizp": "auth_jwt A; auth_jwt_alg ES256;",
}
PAGES: dict[str, str | bytes] = {**FILES, "html/a": "content", "key.pem": pem(KEY)}
BODY = """
    error_page 401 403 500 @refused;
    location @refused {
        return 401 '{"error": "$jwt_error", "text": "$jwt_refusal"}';
    }
    """


@pytest.mark.parametrize("name", DIALECTS)
def test_the_reason_is_in_the_body(nginx: Nginx, name: str) -> None:
    on, plain = DIALECTS[name], name == "tizp"  # it takes one key, which has no kid
    keys = "auth_jwt_key_file %%DIR%%/key.pem;" if plain else KEYS
    nginx(
        f"location / {{ {on} {keys} root html; add_header X-Error [$jwt_error] always; }} {BODY}",
        http=f"pyngx_jwt_dialect {name};",
        files=PAGES,
    )
    good = nginx.request("GET /a", bearer())
    assert (good.status, good.get("X-Error")) == (200, "[]")
    for line, error, text in (
        ("A: b", "missing", "no token"),
        (bearer(exp=5), "expired", "expired: exp=5 now="),
        (f"Authorization: Bearer {tampered(token())}", "signature", "invalid signature: "),
        (bearer(OTHER), "signature" if plain else "unknown_kid", ""),
        ('Authorization: Bearer <\\">', "malformed", "malformed token"),
    ):
        answer = nginx.request("GET /a", line)
        found = json.loads(answer.text)
        assert answer.status == 401
        assert found["error"] == error
        assert found["text"].startswith(text)


def test_the_reason_is_in_the_access_log(nginx: Nginx) -> None:
    nginx(
        f"""
        access_log logs/a.log reasons;
        location / {{ auth_jwt A; {KEYS} root html; }}
        location /role {{ auth_jwt A; {KEYS} auth_jwt_require $arg_a error=403; root html; }}
        location /open {{ return 200 open; }}
        """,
        http="pyngx_jwt_dialect plus; log_format reasons '$status [$jwt_error] $jwt_refusal';",
        files=PAGES,
    )
    nginx.request("GET /a", bearer())
    nginx.request("GET /open", bearer(OTHER))
    nginx.request("GET /a")
    nginx.request("GET /role", bearer())
    nginx.request("GET /open")  # what was logged before it is in the file
    assert nginx.read("logs/a.log").splitlines()[:4] == [
        "200 [] ",
        "200 [] ",
        "401 [missing] no token",
        "403 [condition] condition not met: auth_jwt_require value '$arg_a' is empty or '0'",
    ]


def test_no_keys_are_to_be_had(nginx: Nginx) -> None:
    """The body does not say where the keys should have been."""
    nginx(
        f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; root html; }}
        location = /keys {{ internal; return 404; }}
        {BODY}
        """,
        http="pyngx_jwt_dialect plus;",
        files=PAGES,
    )
    answer = nginx.request("GET /a", bearer())
    assert (answer.status, answer.text) == (500, '{"error": "no_source", "text": "no keys"}')


def test_what_defined_the_name_before_still_does(nginx: Nginx) -> None:
    nginx(
        f"location / {{ auth_jwt A; {KEYS} root html; add_header X [$jwt_error]; }}",
        http="pyngx_jwt_dialect plus; map $uri $jwt_error { default mine; }",
        files=PAGES,
    )
    assert nginx.request("GET /a", bearer()).get("X") == "[mine]"
