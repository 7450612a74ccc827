"""Which keys verify more than one algorithm."""

from __future__ import annotations

from ..kit import Linter

RULE = "key-alg-unpinned"


def test_of_max_lt(linter: Linter) -> None:
    """One rule reports it, where the algorithm is missing."""
    text = f"auth_jwt on; auth_jwt_key {'0123456789abcdef' * 2} utf8; %s location / {{ }}"
    for directive in ("", "auth_jwt_alg any;", "auth_jwt_alg HS256;"):
        is_any = "HS" not in directive
        assert bool(linter.of("maxlt-any-algorithm", text % directive)) is is_any
        assert not linter.of(RULE, text % directive)


def test_a_demanded_header_will_do(linter: Linter) -> None:
    text = 'auth_jwt "a"; auth_jwt_key_file keys/noalg.json; %s location / { }'
    assert linter.of(RULE, text % "auth_jwt_validate_exp on;")
    assert not linter.of(RULE, text % "auth_jwt_require_header alg eq HS256;")


def test_tesla_has_no_way_to_do_so(linter: Linter) -> None:
    assert not linter.of(RULE, f"auth_jwt_key {'00' * 32}; location / {{ }}")
