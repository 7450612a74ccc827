"""What is found in Lua code, in all forms that it can have."""

from __future__ import annotations

import pytest

from ..kit import Linter

JWT = 'local jwt = require "resty.jwt"'
BAD = {
    "lua-shared-identity": "token = ngx.var.arg_a",
    "lua-refusal-passes": "if ngx.var.arg_a then return 401 end",
    "lua-result-ignored": "require('resty.jwt'):verify(os.getenv('S'), ngx.var.arg_t)",
    "lua-secret-as-text": "local o = require('resty.jwt'):verify('s', 't') return o.verified",
    "lua-limited-headers": "if ngx.req.get_headers().x_a then ngx.exit(403) end",
}


@pytest.mark.parametrize("rule", BAD)
def test_forms(linter: Linter, rule: str) -> None:
    code = BAD[rule]
    linter.write({"code.lua": f"-- a comment\n{code}\n"})
    escaped = code.replace('"', '\\"')
    for phase in ("access", "rewrite"):
        for line in (
            f"{phase}_by_lua_block {{ {code} }}",
            f'{phase}_by_lua "{escaped}";',
            f"{phase}_by_lua_file code.lua;",
        ):
            assert linter.of(rule, f"location / {{ {line} proxy_pass http://127.0.0.1:1; }}"), line
    assert not linter.of(rule, "access_by_lua_file none.lua;")
    assert not linter.of(rule, "access_by_lua_file $arg_a.lua;")


@pytest.mark.parametrize("rule", BAD)
@pytest.mark.parametrize("frame", ["--[==[ %s ]==]", "-- %s", "local text = [[ %s ]]"])
def test_comments_and_texts_are_no_code(linter: Linter, rule: str, frame: str) -> None:
    assert not linter.of(rule, f"access_by_lua_block {{ {frame % BAD[rule]}\n }}")


def found(linter: Linter, rule: str, code: str) -> list[str]:
    return [f"{f.line}:{f.column}" for f in linter.of(rule, f"access_by_lua_block {{ {code} }}")]


@pytest.mark.parametrize(
    "code",
    [
        "local token token = ngx.var.arg_a",
        "local a, token = 1 token = ngx.var.arg_a",
        "local function f(token) token = token or 1 end",
        "for token in pairs(ngx.req.get_headers(0)) do token = token .. 'x' end",
        "local t = {token = ngx.var.arg_a}",
        "call({token = ngx.var.arg_a})",
        "ngx.ctx.token = ngx.var.arg_a",
        "token = 'constant' jwt = require 'resty.jwt'",
        "if token == ngx.var.arg_a then end",
        "function user() end",
    ],
)
def test_no_shared_identity(linter: Linter, code: str) -> None:
    assert not found(linter, "lua-shared-identity", code)


@pytest.mark.parametrize(
    "code",
    [
        "if a then token = ngx.var.arg_a end",
        "function f() user = ngx.var.arg_a end",
        "local t = {f = function() auth_header = ngx.var.arg_a end}",
        "local other\ncurrent_user = get()",
    ],
)
def test_shared_identity(linter: Linter, code: str) -> None:
    assert len(found(linter, "lua-shared-identity", code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "ngx.status = 401 ngx.exit(401)",
        "ngx.status = 401 ngx.say('no')",
        "if a then ngx.status = 401 end ngx.exit(ngx.status)",
        "if a then ngx.status = 401 return deny() end",
        "local function deny() ngx.status = 403 end deny() ngx.exit(403)",
        "ngx.status = 200",
        "return ngx.exit(401)",
        "local function code() return 401 end ngx.exit(code())",
    ],
)
def test_refusals(linter: Linter, code: str) -> None:
    assert not found(linter, "lua-refusal-passes", code)


@pytest.mark.parametrize(
    "code",
    [
        "ngx.status = 403",
        "ngx.status = ngx.HTTP_FORBIDDEN return",
        "if a then ngx.status = 401 return end ngx.say('x')",
        "if a then return else return ngx.HTTP_FORBIDDEN end",
    ],
)
def test_refusals_that_pass(linter: Linter, code: str) -> None:
    assert len(found(linter, "lua-refusal-passes", code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "local o = jwt:verify(k, t) if not o['verified'] then ngx.exit(401) end",
        "if not jwt:verify(k, t).verified then ngx.exit(401) end",
        "local o = jwt:verify(k, t) check(o)",
        "return jwt:verify(k, t)",
        "check(jwt:verify(k, t))",
        "local o = {x = jwt:verify(k, t)} check(o)",
        "local o = jwt:load_jwt(t) o = jwt:verify_jwt_obj(k, o) if o.verified then end",
    ],
)
def test_results(linter: Linter, code: str) -> None:
    assert not found(linter, "lua-result-ignored", f"{JWT} {code}")


@pytest.mark.parametrize(
    "code",
    [
        "if a then jwt:verify(k, t) end",
        "local o = jwt:verify_jwt_obj(k, t) ngx.var.user = o.payload.sub",
        "local o = jwt:load_jwt(t) ngx.var.user = o.payload.sub",
    ],
)
def test_ignored_results(linter: Linter, code: str) -> None:
    assert len(found(linter, "lua-result-ignored", f"{JWT} {code}")) == 1


@pytest.mark.parametrize(
    "code",
    [
        "local o = jwt:verify('-----BEGIN PUBLIC KEY-----x', t)",
        "local k = '' jwt:verify(k, t)",
        "local k = 'a' .. os.getenv('S') jwt:verify(k, t)",
        "jwt:verify(keys.one, t)",
    ],
)
def test_no_secrets(linter: Linter, code: str) -> None:
    assert not found(linter, "lua-secret-as-text", f"{JWT} {code}")


@pytest.mark.parametrize(
    "code",
    [
        "if not ngx.req.get_uri_args().key then ngx.exit(401) end",
        "if ngx.req.get_headers(0).x then ngx.exit(403) end",
        "local h = ngx.req.get_headers() if h.x == 'right' then ngx.var.a = 1 end",
        "local h = ngx.req.get_headers() if not h.x then ngx.exit(401) end",
        "local h, e = ngx.req.get_headers() if e or h.x then ngx.exit(403) end",
    ],
)
def test_unlimited_headers(linter: Linter, code: str) -> None:
    assert not found(linter, "lua-limited-headers", code)


@pytest.mark.parametrize(
    "code",
    [
        "local a = ngx.req.get_uri_args() if a.debug then ngx.exit(403) end",
        "for k, v in pairs(ngx.req.get_headers()) do if k:find('x') then ngx.exit(403) end end",
        "local h = ngx.req.get_headers() for k in pairs(h) do ngx.req.clear_header(k) end",
    ],
)
def test_limited_headers(linter: Linter, code: str) -> None:
    assert len(found(linter, "lua-limited-headers", code)) == 1


def test_places(linter: Linter) -> None:
    assert found(linter, "lua-shared-identity", "\n\n  token = ngx.var.a") == ["3:3"]
    assert found(linter, "lua-shared-identity", "token = ngx.var.a") == ["1:23"]
