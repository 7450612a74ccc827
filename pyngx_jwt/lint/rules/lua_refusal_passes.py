"""Code that refuses a request lets it pass.

In "access_by_lua" a status does not end a request: without "ngx.exit", and without a response,
the request goes on to the content.  Also, the value that the code returns has no meaning:
"return 401" is the same as "return".  In "header_filter_by_lua", "ngx.exit" returns, and the code
behind it runs.

Bad:

    location /api/ {
        access_by_lua_block {
            if ngx.var.http_authorization == nil then
                ngx.status = ngx.HTTP_UNAUTHORIZED
                return
            end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        access_by_lua_block {
            if ngx.var.http_authorization == nil then return ngx.HTTP_UNAUTHORIZED end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        proxy_pass http://127.0.0.1:9000;
        header_filter_by_lua_block {
            if ngx.status == 201 then ngx.exit(403) end
            ngx.header.x_secret = "s3"
        }
    }

Good:

    location /api/ {
        access_by_lua_block {
            if ngx.var.http_authorization == nil then
                ngx.status = ngx.HTTP_UNAUTHORIZED
                ngx.say("no token")
                return ngx.exit(ngx.HTTP_UNAUTHORIZED)
            end
        }
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        proxy_pass http://127.0.0.1:9000;
        header_filter_by_lua_block {
            if ngx.status == 201 then return ngx.exit(403) end
            ngx.header.x_secret = "s3"
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..flow.lua import CHECKING, Code, codes
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("L02", "lua-refusal-passes", Severity.ERROR)
REFUSALS = {"ngx.HTTP_UNAUTHORIZED", "ngx.HTTP_FORBIDDEN", "401", "403"}
ENDS = ("exit", "say", "print", "redirect", "exec", "eof", "flush", "send_headers")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for code in codes(conf, *CHECKING):
        yield from _statuses(code)
        yield from _returned(code)
    for code in codes(conf, "header_filter"):
        yield from _exits(code)


def _value(code: Code, at: int) -> str:
    words = code.words[at : at + 3]
    return "".join(words) if words[:2] == ["ngx", "."] else "".join(words[:1])


def _statuses(code: Code) -> Iterator[Hit]:
    for at in code.find(["ngx", ".", "status", "="]):
        if _value(code, at + 4) not in REFUSALS or code.function_of(at) >= 0:
            continue
        if not _ends_after(code, at):
            hint = "end the request with ngx.exit(ngx.status)"
            yield Hit(code.where(at, at + 2), "the request goes on after this status is set", hint)


def _ends_after(code: Code, at: int) -> bool:
    """Whether something ends the request after a token, or that is not known."""
    words, block = code.words, code.block(at)
    end = code.end_of(block)
    for step in range(at, len(words)):
        if step < end and words[step] == "return" and code.block(step) == block:
            return _is_call(words, step + 1)
        if _is_call(words, step) and words[step - 1 : step] != ["function"]:
            return True
    return False


def _is_call(words: list[str], at: int) -> bool:
    """A call of "ngx" that ends requests, or of anything that may."""
    if words[at : at + 2] == ["ngx", "."]:
        return words[at + 2 : at + 3] != [] and words[at + 2] in ENDS
    is_name = words[at : at + 1] != [] and words[at][:1].isalpha()
    before = words[at - 1] if at else ""
    return (
        is_name
        and words[at + 1 : at + 2] == ["("]
        and before not in (".", ":")
        and (
            words[at] not in ("tostring", "tonumber", "type", "pairs", "ipairs", "print", "require")
        )
    )


def _returned(code: Code) -> Iterator[Hit]:
    for at, word in enumerate(code.words):
        if word != "return" or code.function_of(at) >= 0 or _value(code, at + 1) not in REFUSALS:
            continue
        following = code.words[at + 4 if code.words[at + 1] == "ngx" else at + 2 :][:1]
        if following in ([], ["end"], [";"], ["else"], ["elseif"]):
            text = "what the code returns does not matter: the request is admitted"
            yield Hit(code.where(at), text, f"return ngx.exit({_value(code, at + 1)})")


def _exits(code: Code) -> Iterator[Hit]:
    for at in code.calls("ngx.exit"):
        closing = code.closing.get(at + 3)
        if closing is None or code.words[at - 1 : at] == ["return"]:
            continue
        if any(word not in ("end", ";", "return") for word in code.words[closing + 1 :]):
            text = "ngx.exit returns in this phase: the code behind it runs"
            yield Hit(code.where(at, closing), text, "return ngx.exit(...)")
