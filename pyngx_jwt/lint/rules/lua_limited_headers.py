"""Code decides by headers or arguments of which it sees the first hundred only.

"ngx.req.get_headers()", "ngx.req.get_uri_args()" and similar functions return up to 100 items.
A client that sends a hundred others first hides the one that the code refuses, or that it is to
remove before the request goes on.  Ask for all with 0, look at the second result, which is
"truncated" then, or use "ngx.var.http_name".

Bad:

    location /api/ {
        access_by_lua_block {
            local headers = ngx.req.get_headers()
            if headers["x-internal"] then return ngx.exit(403) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua_block {
            for name in pairs(ngx.req.get_headers()) do
                if name:find("^x%-user") then ngx.req.clear_header(name) end
            end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            local headers, failure = ngx.req.get_headers()
            if failure or headers["x-internal"] then return ngx.exit(403) end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        access_by_lua_block {
            if not ngx.req.get_headers()["authorization"] then return ngx.exit(401) end
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

rule = Rule("L05", "lua-limited-headers", Severity.WARN)
LIMITED = ("get_headers", "get_uri_args", "get_query_args", "get_post_args")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for code in codes(conf, *CHECKING):
        for at in code.calls(*(f"ngx.req.{name}" for name in LIMITED)):
            opening = at + 5
            closing = code.closing.get(opening)
            if closing == opening + 1 and _matters(code, at, closing):
                text = f"only the first 100 are seen here: {code.words[at + 4]}() has a limit"
                yield Hit(code.where(at, closing), text, "ask for all with 0, or use ngx.var")


def _matters(code: Code, at: int, closing: int) -> bool:
    """Whether a client gains by hiding items."""
    words = code.words
    if words[at - 2 : at] == ["pairs", "("]:
        return _loop_removes(code, at)
    if words[closing + 1 : closing + 2] in (["["], ["."]):
        return _is_refused(code, at)
    if words[at - 1 : at] != ["="] or words[at - 3 : at - 2] == [","]:
        return False
    name = words[at - 2]
    for use in range(closing + 1, len(words)):
        if words[use] != name or words[use - 1 : use] == ["."]:
            continue
        if words[use - 2 : use] == ["pairs", "("] and _loop_removes(code, use):
            return True
        if words[use + 1 : use + 2] in (["["], ["."]) and _is_refused(code, use):
            return True
    return False


def _loop_removes(code: Code, at: int) -> bool:
    """Whether a loop over the items removes headers, or refuses."""
    do = next((i for i in range(at, len(code.words)) if code.words[i] == "do"), None)
    if do is None:
        return False
    inside = range(do, code.closing.get(do, do))
    return any(code.words[i : i + 3] == ["req", ".", "clear_header"] for i in inside) or any(
        i in inside for i in code.calls("ngx.exit")
    )


def _is_refused(code: Code, at: int) -> bool:
    """Whether "if <item> then" ends in a refusal: the item alone, without "not"."""
    words = code.words
    if words[at - 1 : at] not in (["if"], ["elseif"], ["or"]):
        return False
    then = next((i for i in range(at, len(words)) if words[i] == "then"), None)
    condition = words[at:then]
    if then is None or "==" in condition or "~=" in condition or "not" in condition:
        return False
    end = code.closing.get(then, then)
    return any(then < call < end for call in code.calls("ngx.exit"))
