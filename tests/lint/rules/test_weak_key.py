"""How long keys have to be, in each dialect."""

from __future__ import annotations

from ..kit import Linter

RULE = "weak-key"


def test_secret_as_text(linter: Linter) -> None:
    found = linter.of(RULE, 'auth_jwt on; auth_jwt_key "too short" utf8; location / { }')
    assert ["72 bits" in f.message and "256" in f.message for f in found] == [True]


def test_the_allowed_algorithm_counts(linter: Linter) -> None:
    key = "0123456789abcdef" * 2
    text = f"auth_jwt on; auth_jwt_key {key} utf8; auth_jwt_alg %s; location / {{ }}"
    assert not linter.of(RULE, text % "HS256")
    assert "HS512 needs at least 512" in linter.of(RULE, text % "HS512")[0].message


def test_secret_in_hex(linter: Linter) -> None:
    assert linter.of(RULE, "auth_jwt_key 00112233445566778899; location / { }")
    assert not linter.of(RULE, f"auth_jwt_key {'00' * 32}; location / {{ }}")


def test_each_file_once(linter: Linter) -> None:
    text = """
        auth_jwt api;
        location /a { auth_jwt_key_file keys/short.json; }
        location /b { auth_jwt_key_file keys/short.json; }
        """
    assert len(linter.of(RULE, text)) == 1


def test_not_told_twice(linter: Linter) -> None:
    found = linter.findings('auth_jwt "a"; auth_jwt_key_file keys/short.json; location / { }')
    assert not [f for f in found if f.rule == "nginx-warning"]
