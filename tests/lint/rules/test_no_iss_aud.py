"""What counts as a look at "iss" or "aud"."""

from __future__ import annotations

from pyngx_jwt.lint.finding import Severity

from ..kit import Linter

RULE = "no-iss-aud"
KEYS = "location = /_jwks { internal; proxy_pass http://127.0.0.1:1; }"


def _severities(linter: Linter, text: str) -> list[Severity]:
    return [finding.severity for finding in linter.of(RULE, text)]


def test_secrets_are_shared_by_fewer(linter: Linter) -> None:
    api = 'location / { auth_jwt "a"; %s }'
    file, request = "auth_jwt_key_file keys/jwks.json;", "auth_jwt_key_request /_jwks;"
    assert _severities(linter, api % file) == [Severity.INFO]
    assert _severities(linter, api % request + KEYS) == [Severity.WARN]


def test_by_conditions_and_variables(linter: Linter) -> None:
    api = 'auth_jwt "a"; auth_jwt_key_request /_jwks; location / { %s }' + KEYS
    for check in (
        'if ($jwt_claim_iss != "me") { return 403; }',
        "auth_jwt_require $issuer;",
        "pyngx_jwt_key_issuer /_jwks https://a.example;",
        "auth_jwt_require_claim .aud[0] eq api;",
        'set $ok 0; if ($jwt_claim_iss = "me") { set $ok 1; } auth_jwt_require $ok;',
    ):
        text = f"auth_jwt_claim_set $issuer iss; server {{ {api % check} }}"
        assert not linter.of(RULE, text), check
    assert linter.of(RULE, api % "auth_jwt_require $jwt_claim_sub;")


def test_once_for_a_switch(linter: Linter) -> None:
    text = 'auth_jwt "a"; auth_jwt_key_request /_jwks; location /a { } location /b { }' + KEYS
    assert len(linter.of(RULE, text)) == 1


def test_keys_of_an_issuer(linter: Linter) -> None:
    """They are for tokens of it only, those beside them for any."""
    one = 'location / { auth_jwt "a"; pyngx_jwt_issuer https://a.example; %s }'
    assert not linter.of(RULE, one % "")
    assert linter.of(RULE, one % "auth_jwt_key_file keys/jwks.json;")
