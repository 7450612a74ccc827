"""A global variable of Lua holds a token or user: the next request may see it.

Without "local", a variable lives as long as the worker.  A request without a token, or one whose
check ends early, then finds what another client has left there.  Declare it "local", or keep it
in "ngx.ctx".

Bad:

    location /api/ {
        access_by_lua_block {
            token = ngx.var.http_authorization or token
            if not token then ngx.exit(401) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua "user = ngx.var.arg_user if user ~= 'ann' then ngx.exit(403) end";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            local token = ngx.var.http_authorization
            if not token then ngx.exit(401) end
            ngx.ctx.token = token
        }
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..finding import Severity
from ..flow.lua import PER_REQUEST, Code, codes
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("L01", "lua-shared-identity", Severity.ERROR)
IDENTITY = re.compile(
    r"token|jwt|bearer|credential|session|claim|payload|user|subject|identity|authori[sz]ation"
    r"|(?:^|_)(?:auth|sub|roles?|scopes?|groups?|permissions?)(?:$|_)|auth_?header",
    re.IGNORECASE,
)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for code in codes(conf, *PER_REQUEST):
        known = code.locals()
        for at in _assigned(code):
            name = code.words[at]
            if name not in known and IDENTITY.search(name):
                yield Hit(
                    code.where(at),
                    f'the global variable "{name}" is shared by all requests of a worker',
                    f'declare it "local {name}"',
                )


def _assigned(code: Code) -> Iterator[int]:
    """Plain names that statements assign values that requests can change."""
    words = code.words
    for at, token in enumerate(code.tokens[:-1]):
        if token.kind != "name" or words[at + 1] != "=" or code.inside[at] < -1:
            continue
        around = code.inside[at]
        in_table = around >= 0 and words[around] in ("{", "(", "[")
        if in_table or (at and words[at - 1] in (".", ":", "local", "for", ",")):
            continue
        value = code.tokens[at + 2] if at + 2 < len(words) else None
        if value is not None and (value.kind in ("string", "number") or value.text == "function"):
            continue
        if value is not None and value.text not in ("require", "nil", "true", "false", "{"):
            yield at
