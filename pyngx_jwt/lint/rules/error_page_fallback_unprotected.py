"""A public location with the same content answers refused requests, or those without a file.

"error_page 401 = @app" sends requests without a token to "@app": if that location passes
requests to the same application, it answers them.  A fallback of "try_files" that clients can
request directly is a second entrance to it.  Let refusals end at an error page, and require
tokens in the fallback too.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        error_page 401 = @app;
        proxy_pass http://127.0.0.1:9000;
    }
    location @app { proxy_pass http://127.0.0.1:9000; }

Bad:

    location / {
        auth_jwt "site";
        auth_jwt_key_file keys/jwks.json;
        try_files $uri /index.app;
    }
    location = /index.app { proxy_pass http://127.0.0.1:9000; }

Good:

    location / {
        auth_jwt "site";
        auth_jwt_key_file keys/jwks.json;
        error_page 401 = @login;
        try_files $uri @app;
    }
    location @login { return 302 /login; }
    location @app { proxy_pass http://127.0.0.1:9000; }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ...modules.try_files import TryFilesConf
from ..finding import Severity
from ..flow.doors import is_guarded, is_open, is_same, serves_files
from ..flow.redirects import error_page_of, error_page_statement, find_target
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("J34", "error-page-fallback-unprotected", Severity.ERROR, missing=True)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    if not block.auth.wanted and block.access_code is None:
        return
    for code in sorted(_refusals(block)):
        page = error_page_of(block, code)
        target = find_target(block.server, page.uri.text) if page is not None else None
        if page is None or target is None or not _answers_the_same(target, block):
            continue
        severity = Severity.ERROR
        if page.uri.is_constant and not target[CoreConf].is_named:
            if serves_files(target) or target[CoreConf].modifier == "=" or code not in (401, 403):
                continue  # a page about the refusal
            severity = Severity.INFO
        yield Hit(
            error_page_statement(block, page),
            f"requests that {block} refuses with {code} are answered by {target} with the same "
            "content",
            related=((target.statement, "no token is required here"),),
            severity=severity,
        )


def _refusals(block: Block) -> set[int]:
    """The codes that answer before a token has been found to be good."""
    codes = {401, 403} | {required.status for required in block.auth.required}
    if block.auth.plan is not None:
        codes |= {block.auth.plan.broken_keys, block.auth.plan.unavailable}
    if block.is_internal:
        codes.add(404)
    return codes


def _answers_the_same(target: Block, block: Block) -> bool:
    if target is block or target.auth.wanted or is_guarded(target) or target.is_left:
        return False
    fixed = [s for s in target.given("rewrite") if "$" not in s.args[1]]
    return not fixed and is_same(block, target)


@rule.each_location
def check_try_files(block: Block) -> Iterator[Hit]:
    tried = block[TryFilesConf]
    if not block.auth.wanted or not tried.candidates or tried.code:
        return
    target = find_target(block.server, tried.fallback.text)
    if target is not None and target is not block and is_open(target) and not serves_files(target):
        yield Hit(
            block.set_by("try_files"),
            f"{block} falls back to {target}, which clients can request without a token",
            'add "internal" to it, or require a token there too',
            ((target.statement, "no token is required here"),),
        )
