"""What is answered, and where requests go, before tokens are looked at."""

from __future__ import annotations

from pyngx_jwt.lint.finding import Severity

from ..kit import Linter

RULE = "return-before-auth"
AUTH = 'auth_jwt "a"; auth_jwt_key_file keys/jwks.json;'
LUA = "access_by_lua_block { ngx.exit(401) }"


def _severities(linter: Linter, text: str) -> list[Severity]:
    return [finding.severity for finding in linter.of(RULE, text)]


def test_refusals_do_no_harm(linter: Linter) -> None:
    for line in ("return 403;", "return 444;", "return 204;", "if ($arg_a) { return 405; }"):
        assert not linter.of(RULE, f"location / {{ {AUTH} {line} }}"), line
    for method in ("= OPTIONS", "= 'OPTIONS'", "~ ^OPTIONS$"):
        text = f"location / {{ {AUTH} if ($request_method {method}) {{ return 200; }} }}"
        assert not linter.of(RULE, text)


def test_answers(linter: Linter) -> None:
    text = f"location / {{ {AUTH} if ($arg_a) {{ return 200 yes; }} }}"
    assert _severities(linter, text) == [Severity.ERROR]
    inherited = f"{AUTH} location /health {{ return 200 %s; }}"
    assert _severities(linter, inherited % "ok") == [Severity.INFO]
    assert _severities(linter, inherited % "$jwt_claim_sub") == [Severity.ERROR]


def test_redirects(linter: Linter) -> None:
    assert _severities(linter, f"location / {{ {AUTH} return 301 /x; }}") == [Severity.WARN]
    assert not linter.of(RULE, f"{AUTH} location / {{ return 301 https://$host/; }}")
    text = f"location / {{ {AUTH} if ($cookie_a = '') {{ return 302 /login; }} }}"
    assert not linter.of(RULE, text)


def test_refusals_that_are_answered(linter: Linter) -> None:
    text = f"""
        location / {{ {AUTH} error_page 418 = @app; if ($arg_a) {{ return 418; }} }}
        location @app {{ %s proxy_pass http://127.0.0.1:1; }}
        """
    assert linter.of(RULE, text % "")
    assert not linter.of(RULE, text % AUTH)


def test_rewrites(linter: Linter) -> None:
    text = f"""
        location /api/ {{ {AUTH} rewrite ^/api/(.*)$ %s; }}
        location /open/ {{ proxy_pass http://127.0.0.1:1; }}
        location /closed/ {{ {AUTH} proxy_pass http://127.0.0.1:1; }}
        """
    assert linter.of(RULE, text % "/open/$1 last")
    assert linter.of(RULE, text % "/open/$1")
    assert not linter.of(RULE, text % "/closed/$1 last")
    assert not linter.of(RULE, text % "/open/$1 break")
    assert not linter.of(RULE, text % "/open/$1 redirect")


def test_checks_in_lua(linter: Linter) -> None:
    for lua in (LUA, "access_by_lua 'ngx.exit(401)';", "access_by_lua_file a.lua;"):
        text = f"location / {{ {lua} return 200 opened; }}"
        (finding,) = linter.of(RULE, text)
        assert finding.severity == Severity.ERROR
        assert finding.message == "location / responds before Lua checks access"
    assert _severities(linter, f"{LUA} location /health {{ return 200 ok; }}") == [Severity.INFO]
    assert _severities(linter, f"location / {{ {LUA} return 301 /x; }}") == [Severity.WARN]
    for harmless in ("return 403;", "if ($request_method = OPTIONS) { return 200; }"):
        assert not linter.of(RULE, f"location / {{ {LUA} {harmless} }}"), harmless
    text = f"location / {{ {LUA} if ($arg_a) {{ return 200 yes; }} }}"
    assert _severities(linter, text) == [Severity.ERROR]
    assert not linter.of(RULE, "location / { rewrite_by_lua_block { a = 1 } return 200 ok; }")


def test_rewrites_around_lua(linter: Linter) -> None:
    text = f"""
        location /api/ {{ {LUA} %s }}
        location /open/ {{ proxy_pass http://127.0.0.1:1; }}
        location /closed/ {{ {LUA} proxy_pass http://127.0.0.1:1; }}
        """
    (finding,) = linter.of(RULE, text % "rewrite ^/api/(.*)$ /open/$1 last;")
    assert finding.message.endswith("before Lua checks access")
    assert not linter.of(RULE, text % "rewrite ^/api/(.*)$ /closed/$1 last;")
    assert linter.of(RULE, text % "error_page 418 /open/; return 418;")


def test_lua_of_subrequests(linter: Linter) -> None:
    text = """
        location /api/ {{ auth_request /check; proxy_pass http://127.0.0.1:1; }}
        location = /check {{ {} return 204; }}
        """
    assert linter.of("auth-in-subrequest", text.format(LUA))
    assert not linter.of("auth-in-subrequest", text.format(""))
