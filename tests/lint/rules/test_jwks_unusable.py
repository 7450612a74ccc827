"""Sets without a key that could verify anything."""

from __future__ import annotations

from ..kit import Linter

RULE = "jwks-unusable"
RSA = '{"kty":"RSA","use":"enc","e":"AQAB","n":"%s"}' % ("w" * 342)


def test_keys_for_encryption(linter: Linter) -> None:
    text = 'auth_jwt "a"; auth_jwt_key_file k.json; location / { }'
    assert linter.of(RULE, text, files={"k.json": f'{{"keys":[{RSA}]}}'})


def test_a_missing_file_is_told_by_others(linter: Linter) -> None:
    assert not linter.of(RULE, 'auth_jwt "a"; auth_jwt_key_file none.json; location / { }')


def test_no_key_for_what_is_allowed(linter: Linter) -> None:
    key = "0123456789abcdef" * 2
    text = f"auth_jwt on; auth_jwt_key {key} utf8; auth_jwt_alg %s; location / {{ }}"
    assert linter.of(RULE, text % "RS256")
    assert not linter.of(RULE, text % "HS256")
