"""Where requests for keys come to."""

from __future__ import annotations

from pyngx_jwt.lint.finding import Severity

from ..kit import Linter

RULE = "jwks-target-missing"
API = 'location /api/ { auth_jwt "a"; auth_jwt_key_request /_jwks; proxy_pass http://127.0.0.1:1; }'


def test_nothing_at_all(linter: Linter) -> None:
    found = linter.of(RULE, API)
    assert "no location of server" in found[0].message


def test_another_application_may_have_them(linter: Linter) -> None:
    for port, severity in ((1, Severity.ERROR), (2, Severity.WARN)):
        text = f"{API} location / {{ proxy_pass http://127.0.0.1:{port}; }}"
        assert linter.of(RULE, text)[0].severity is severity


def test_a_file_of_that_name(linter: Linter) -> None:
    text = f"{API} location / {{ root www; }}"
    assert linter.of(RULE, text)
    assert not linter.of(RULE, text, files={"www/_jwks": "{}"})


def test_prefixes_and_expressions_take_it(linter: Linter) -> None:
    for location in ("/_", "~ jwks$", "= /_jwks"):
        text = f"{API} location {location} {{ internal; proxy_pass http://127.0.0.1:2; }}"
        assert not linter.of(RULE, text)
