"""The result of a token check is not looked at.

"jwt:verify" of lua-resty-jwt does not raise an error: it returns an object whose "verified" is
false and whose "payload" is there all the same.  "jwt:load_jwt" checks nothing at all.

Bad:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            jwt:verify(os.getenv("SECRET"), ngx.var.arg_token)
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:verify(os.getenv("SECRET"), ngx.var.arg_token)
            ngx.req.set_header("X-User", object.payload.sub)
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:load_jwt(ngx.var.arg_token)
            if not object.valid then ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:verify(os.getenv("SECRET"), ngx.var.arg_token)
            if not object.verified then return ngx.exit(401) end
            ngx.req.set_header("X-User", object.payload.sub)
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:load_jwt(ngx.var.arg_token)
            local key = ngx.shared.keys:get(object.header.kid)
            object = jwt:verify_jwt_obj(key, object)
            if not object.verified then return ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.lua import CHECKING, Code, codes
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("L03", "lua-result-ignored", Severity.ERROR)
CHECKS = ("verify", "verify_jwt_obj")
# What the call is a part of an expression after.
AROUND = [[word] for word in ("return", "if", "elseif", "while", "until", "not", "and", "or", ",")]


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for code in codes(conf, *CHECKING, "content"):
        if 'require "resty.jwt"' in code.text or _requires(code):
            yield from _ignored(code)
            yield from _unverified(code)


def _requires(code: Code) -> bool:
    return any(token.kind == "string" and token.text == "resty.jwt" for token in code.tokens)


def _ignored(code: Code) -> Iterator[Hit]:
    words = code.words
    for at in code.methods(*CHECKS):
        start, closing = at - 2, code.closing.get(at + 1)
        if closing is None or start < 0:
            continue
        text = "nothing looks at the result of the check"
        hint = 'refuse requests unless its "verified" is true'
        if not _is_in_block(code, start):
            continue
        if words[start - 1 : start] == ["="]:
            if not _is_looked_at(code, words[start - 2], closing):
                yield Hit(code.where(start, closing), text, hint)
        elif words[start - 1 : start] not in AROUND:
            yield Hit(code.where(start, closing), text, hint)


def _is_in_block(code: Code, at: int) -> bool:
    """Not inside of an expression in brackets."""
    around = code.inside[at]
    return around < 0 or code.words[around] in ("then", "else", "do", "function", "repeat")


def _is_looked_at(code: Code, name: str, after: int) -> bool:
    """Whether "verified" or "valid" of the variable is read, or it is given to others."""
    words = code.words
    for at in range(after + 1, len(words)):
        if words[at] != name or words[at - 1 : at] == ["."]:
            continue
        if words[at + 1 : at + 2] == ["."]:
            if words[at + 2 : at + 3] in (["verified"], ["reason"]):
                return True
        elif words[at + 1 : at + 2] == ["["]:
            key = code.tokens[at + 2]
            if key.kind != "string" or key.text == "verified":
                return True
        elif words[at + 1 : at + 2] != ["="]:
            return True
    return False


def _unverified(code: Code) -> Iterator[Hit]:
    if any(True for _ in code.methods(*CHECKS)):
        return
    for at in code.methods("load_jwt"):
        closing = code.closing.get(at + 1, at)
        yield Hit(
            code.where(at - 2, closing),
            "the token is read, and nothing checks its signature",
            "use jwt:verify, or jwt:verify_jwt_obj",
        )
