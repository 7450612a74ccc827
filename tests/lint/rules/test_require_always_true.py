"""Which values are never empty and never "0"."""

from __future__ import annotations

from ..kit import Linter

RULE = "require-always-true"
TEXT = """
    %s
    server {
        %s
        location / {
            auth_jwt "a";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require %s;
        }
    }
    """


def _fires(linter: Linter, http: str, server: str, value: str) -> bool:
    return bool(linter.of(RULE, TEXT % (http, server, value)))


def test_maps(linter: Linter) -> None:
    assert not _fires(linter, "map $jwt_claim_a $ok { a 1; }", "", "$ok")
    assert not _fires(linter, "map $jwt_claim_a $ok { default $jwt_claim_b; a 1; }", "", "$ok")
    assert _fires(linter, "map $jwt_claim_a $ok { default $host; a 1; }", "", "$ok")
    two = "map $jwt_claim_a $b { default 1; } map $jwt_claim_b $ok { default $b; x 2; }"
    assert _fires(linter, two, "", "$ok")
    assert _fires(linter, "geo $ok { default 1; 10.0.0.0/8 2; }", "", "$ok")
    assert not _fires(linter, "geo $ok { 10.0.0.0/8 2; }", "", "$ok")


def test_sets(linter: Linter) -> None:
    assert _fires(linter, "", "set $ok 1;", "$ok")
    assert not _fires(linter, "", "set $ok 0; if ($jwt_claim_a) { set $ok 1; }", "$ok")
    assert not _fires(linter, "", "if ($jwt_claim_a) { set $ok 1; }", "$ok")
    assert not _fires(linter, "", "set $ok $jwt_claim_a;", "$ok")


def test_texts(linter: Linter) -> None:
    assert _fires(linter, "", "", "${jwt_claim_a}x")
    assert not _fires(linter, "", "", "${jwt_claim_a}0")
    assert not _fires(linter, "", "", "$jwt_claim_a$jwt_claim_b")
    assert _fires(linter, "", "", "$request_method")
    assert not _fires(linter, "", "", "$jwt_claim_a")


def test_captures(linter: Linter) -> None:
    assert not _fires(linter, "", "if ($arg_a ~ (?<ok>x*)) { }", "$ok")
    assert not _fires(linter, "", "set $ok 1; if ($arg_a ~ (?<ok>x*)) { }", "$ok")


def test_made_of_itself(linter: Linter) -> None:
    assert not _fires(linter, "", "set $ok 1; set $ok $ok$ok;", "$ok")
