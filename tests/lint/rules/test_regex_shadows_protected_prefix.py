"""Which expressions take URIs of protected prefixes."""

from __future__ import annotations

from pyngx_jwt.lint.finding import Severity

from ..kit import Linter

RULE = "regex-shadows-protected-prefix"
AUTH = 'auth_jwt "a"; auth_jwt_key_file keys/jwks.json;'
APP = "proxy_pass http://127.0.0.1:1;"


def _found(linter: Linter, regex: str, inside: str = APP) -> list[Severity]:
    text = f"location /admin/ {{ {AUTH} {APP} }} location {regex} {{ {inside} }}"
    return [finding.severity for finding in linter.of(RULE, text)]


def test_expressions(linter: Linter) -> None:
    for regex in (
        *("~ [.]json$", "~* \\.(css|js)$", "~ ^/(.*)\\.php$", "~ ^(.+\\.php)(/.*)$", "~ /admin/"),
        *("~ ^/[^/]+/export", "~ ^/[a-z]+/[0-9]+$", "~ ."),
    ):
        assert _found(linter, regex) == [Severity.ERROR], regex
    for regex in ("~ ^/public/", "~ ^/[0-9]+/", "~ ^/api/(.*)$"):
        assert not _found(linter, regex), regex


def test_what_answers_nobody_is_no_hole(linter: Linter) -> None:
    for inside in ("deny all;", "return 404;", "internal;", AUTH + APP):
        assert not _found(linter, "~ [.]json$", inside), inside


def test_other_content_is_worth_a_note(linter: Linter) -> None:
    assert _found(linter, "~ [.]css$", "expires 1d;") == [Severity.INFO]
