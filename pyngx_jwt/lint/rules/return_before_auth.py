"""A protected location responds or redirects before the token is checked.

"return" and "rewrite" run before access checks, wherever they are in the block.  Their response
requires no token, and a request that they send to an open location reaches it without one.  The
same applies to checks by "access_by_lua".
Refusals, responses to OPTIONS and conditional redirects are harmless and not reported.  Serve
the response from a location that the protected one passes requests to, or protect the target
too.

Bad:

    location /report/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        return 200 "the numbers";
    }

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        rewrite ^/api/(.*)$ /v1/$1 last;
    }
    location /v1/ { proxy_pass http://127.0.0.1:9000; }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        if ($request_method = TRACE) { return 405; }
        rewrite ^/api/(.*)$ /v1/$1 break;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ...http.contexts import LOCATION, LOCATION_IF
from ..finding import Severity
from ..flow.doors import is_guarded
from ..flow.expression import names_in
from ..flow.redirects import error_page_of, find_target
from ..model.block import ACCESS_CODE, Block
from ..model.leaving import LEAVING
from ..rule import Hit, Rule

UNCHECKED = "no token is required here"

rule = Rule("J30", "return-before-auth", Severity.ERROR)


class Check(NamedTuple):
    """A check of access: its directives, the statement that counts, and words about it."""

    switches: tuple[str, ...]
    statement: Statement
    when: str
    remedy: str


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    if not (block.is_server or block.is_location or block.is_condition) or block.is_internal:
        return
    access = _check_of(block)
    if access is not None and not _is_preflight(block):
        for statement in block.given("return"):
            yield from _check_return(statement, block, access)
        yield from _check_rewrites(block, access)


def _check_of(block: Block) -> Check | None:
    """What decides about access to a block, None if neither tokens nor Lua do."""
    if block.auth.wanted:
        switches = (block.auth.dialect.switch,)
        return Check(switches, block.switch, "the token is checked", "require a token")
    code = block.access_code
    return Check(ACCESS_CODE, code, "Lua checks access", "check access") if code else None


def _is_preflight(block: Block) -> bool:
    """Whether it is a condition on the method OPTIONS: such requests have no token."""
    return block.is_condition and any("OPTIONS" in arg for arg in block.statement.args)


def _check_return(statement: Statement, block: Block, access: Check) -> Iterator[Hit]:
    code = int(statement.args[0]) if statement.args[0].isdigit() else 302
    if code >= 400:
        target = _error_target(block, code)
        if target is not None:
            text = f"{code} is answered by {target} before {access.when}"
            yield Hit(statement, text, related=((target.statement, UNCHECKED),))
        return
    own = next((s for s in block.given(*access.switches)), None)
    if code >= 300:
        if own is not None:
            text = f"{block} redirects every client before {access.when}"
            yield Hit(statement, text, severity=Severity.WARN)
    elif code != 204:
        related = ((access.statement, "access is checked here"),)
        has_variables = any(names_in(word) for word in statement.args[1:])
        outer = block.outer if block.context & LOCATION_IF else None
        is_own = own is not None or (outer is not None and bool(outer.given(*access.switches)))
        yield Hit(
            statement,
            f"{block} responds before {access.when}",
            related=related,
            severity=Severity.ERROR if is_own or has_variables else Severity.INFO,
        )


def _error_target(block: Block, code: int) -> Block | None:
    page = error_page_of(block, code)
    target = find_target(block.server, page.uri.text) if page is not None else None
    if target is None or target.target is None or not _is_unprotected(target, block):
        return None
    return target


def _is_unprotected(target: Block, block: Block) -> bool:
    if target is block or target.auth.wanted or is_guarded(target):
        return False
    return not target.is_left


def _check_rewrites(block: Block, access: Check) -> Iterator[Hit]:
    if not block.context & (LOCATION | LOCATION_IF):  # those of servers choose the location
        return
    for statement in block.given("rewrite"):
        replacement, flag = statement.args[1], (*statement.args, "")[2]
        if flag in ("break", "redirect", "permanent") or replacement.startswith(LEAVING):
            continue
        if not flag and block.given("break"):
            continue
        target = find_target(block.server, replacement)
        if target is not None and _is_unprotected(target, block):
            yield Hit(
                statement,
                f"requests continue at {target} before {access.when}",
                f'{access.remedy} there too, or use "break"',
                ((target.statement, UNCHECKED),),
            )
