"""A secret is written in Lua code.

Code is copied, stored in repositories and shown to others; anyone who has the secret can create
tokens.  Keep it in the environment ("env SECRET;" and os.getenv), or in a file that only the
server can read.  A public key is not reported.

Bad:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:verify("not-so-secret", ngx.var.arg_token)
            if not object.verified then return ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua_block {
            local secret = "not-so-secret"
            local object = require("resty.jwt"):verify(secret, ngx.var.arg_token)
            if not object.verified then return ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            local jwt = require "resty.jwt"
            local object = jwt:verify(os.getenv("SECRET"), ngx.var.arg_token)
            if not object.verified then return ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.lua import PER_REQUEST, Code, codes
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("L04", "lua-secret-as-text", Severity.WARN)
USES = ("verify", "verify_jwt_obj", "sign")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for code in codes(conf, "init", "init_worker", *PER_REQUEST):
        if any(token.kind == "string" and token.text == "resty.jwt" for token in code.tokens):
            yield from _uses(code)


def _uses(code: Code) -> Iterator[Hit]:
    for at in code.methods(*USES):
        arguments = code.arguments(at + 1)
        if not arguments or arguments[0][1] - arguments[0][0] != 1:
            continue
        written = _written(code, arguments[0][0])
        if written is not None and _is_secret(code.tokens[written].text):
            yield Hit(
                code.where(written),
                "the secret is written in the code",
                "keep it in the environment or in a file",
            )


def _written(code: Code, at: int) -> int | None:
    """The text that an argument is, or that its variable has been given."""
    if code.tokens[at].kind == "string":
        return at
    for assigned in code.find([code.words[at], "="]):
        value = assigned + 2
        if value < len(code.tokens) and code.tokens[value].kind == "string":
            following = code.words[value + 1 : value + 2]
            return None if following in ([".."], ["or"]) else value
    return None


def _is_secret(text: str) -> bool:
    return bool(text) and not ("-----BEGIN" in text and "PRIVATE KEY" not in text)
