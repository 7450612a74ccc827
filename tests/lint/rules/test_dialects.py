"""What the JWT dialects do not say alike."""

from __future__ import annotations

from pathlib import Path

from ..kit import Linter

SECRET = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
PUBLIC = (Path(__file__).parent / "public.pem").read_text()


def test_two_dialects_are_one_error_with_both_places_and_one_for_each_line(linter: Linter) -> None:
    text = """
        location / {
            auth_jwt "api";
            auth_jwt_phase preaccess;
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_redirect on;
            auth_jwt_loginurl /login;
        }
        """
    found = [f for f in linter.findings(text) if f.is_error]
    assert [(f.rule, f.line) for f in found] == [
        ("mixed-dialects", 6),
        ("mixed-dialects", 6),
        ("mixed-dialects", 7),
    ]
    assert any("nginx.conf:4" in f.message and "nginx.conf:6" in f.message for f in found)


def test_a_directive_of_no_module_is_an_error_even_if_its_module_is_known(linter: Linter) -> None:
    text = 'location / { auth_jwt_bypass_methods GET; auth_jwt "a"; auth_jwt_key_file k.json; }'
    (found,) = linter.of("phantom-directive", text)
    assert found.is_error and "limit_except" in found.message


def test_algorithms_that_only_pyngx_has(linter: Linter) -> None:
    text = f"location / {{ auth_jwt_algorithm PS256; auth_jwt_key {_quoted(PUBLIC)}; }}"
    report = linter.findings(text, target="teslagov")
    assert "tesla-unknown-algorithm" in [f.rule for f in report]


def test_a_key_file_beside_the_default_algorithm(linter: Linter) -> None:
    linter.write({"key.pem": PUBLIC})
    file = f"auth_jwt_use_keyfile on; auth_jwt_keyfile_path {linter.folder}/key.pem;"
    rule = "tesla-key-file-ignored"
    assert linter.of(rule, f"location / {{ {file} }}")
    assert not linter.of(rule, f"location / {{ {file} auth_jwt_algorithm ES256; }}")
    assert not linter.of(rule, f"location / {{ {file} auth_jwt_enabled off; }}")


def test_realms_on_inner_levels_are_told_each(linter: Linter) -> None:
    text = """
        auth_jwt_key_file keys/jwks.json;
        auth_jwt on;
        location /a { auth_jwt on; }
        location /b { auth_jwt "b"; }
        """
    assert [f.line for f in linter.of("realm-on", text)] == [3, 4]


def test_on_is_a_switch_of_max_lts_module(linter: Linter) -> None:
    text = f"location / {{ auth_jwt on; auth_jwt_key {SECRET} hex; }}"
    assert not linter.of("realm-on", text)
    (found,) = linter.of("maxlt-any-algorithm", text)
    assert found.column == 14


def test_algorithms_of_outer_levels_count(linter: Linter) -> None:
    text = f"auth_jwt_alg hs256; location / {{ auth_jwt on; auth_jwt_key {SECRET} hex; }}"
    assert not linter.of("maxlt-any-algorithm", text)


def _quoted(text: str) -> str:
    return f'"{text}"'
