"""Where refused requests end."""

from __future__ import annotations

from pyngx_jwt.lint.finding import Severity

from ..kit import Linter

RULE = "error-page-fallback-unprotected"
AUTH = 'auth_jwt "a"; auth_jwt_key_file keys/jwks.json;'
APP = "proxy_pass http://127.0.0.1:1;"


def _severities(linter: Linter, inside: str, fallback: str) -> list[Severity]:
    text = f"location / {{ {AUTH} {APP} {inside} }} {fallback}"
    return [finding.severity for finding in linter.of(RULE, text)]


def test_named(linter: Linter) -> None:
    page, to = "error_page 401 403 = @x;", "location @x { %s }"
    assert _severities(linter, page, to % APP) == [Severity.ERROR] * 2
    for harmless in (
        "proxy_pass http://127.0.0.1:2;",
        f"deny all; {APP}",
        f"{AUTH} {APP}",
        "return 302 /login;",
        f"rewrite ^ /login break; {APP}",
    ):
        assert not _severities(linter, page, to % harmless), harmless


def test_a_page_of_the_application(linter: Linter) -> None:
    page = "error_page 401 /login;"
    assert not _severities(linter, page, f"location = /login {{ {APP} }}")
    assert _severities(linter, page, f"location /login {{ {APP} }}") == [Severity.INFO]


def test_the_usual_pages(linter: Linter) -> None:
    text = f"""
        error_page 404 /404.html;
        error_page 500 502 503 504 /50x.html;
        location /api/ {{ {AUTH} {APP} }}
        location / {{ }}
        """
    assert not linter.of(RULE, text)


def test_files(linter: Linter) -> None:
    text = f"location /a/ {{ {AUTH} try_files $uri %s; }} %s"
    assert linter.of(RULE, text % ("/x", f"location = /x {{ {APP} }}"))
    assert not linter.of(RULE, text % ("/x", f"location = /x {{ internal; {APP} }}"))
    assert not linter.of(RULE, text % ("@x", f"location @x {{ {APP} }}"))
    assert not linter.of(RULE, text % ("=404", ""))


def test_refusals_by_lua(linter: Linter) -> None:
    lua = "access_by_lua_block { ngx.exit(403) }"
    app = "proxy_pass http://127.0.0.1:9000;"
    text = f"location / {{ {lua} error_page 403 = @app; {app} }} location @app {{ %s {app} }}"
    assert linter.of("error-page-fallback-unprotected", text % "")
    assert not linter.of("error-page-fallback-unprotected", text % lua)
