"""A claim is used where no token can have been verified yet, and is empty.

Conditions in "server" are evaluated before a location is chosen: if only locations require
tokens, there is no token then.  In kjdev's module claims are empty until access is checked, so also
in "if", "set", "rewrite" and "return" of a location.  In the location that keys are fetched from,
no token has been verified either.  Use the claim where the token is required: with
"auth_jwt_require", or in headers.

Bad:

    server {
        listen 127.0.0.1:8080;
        if ($jwt_claim_role = guest) { return 403; }
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Bad:

    server {
        listen 127.0.0.1:8080;
        location / {
            auth_jwt "api";
            auth_jwt_key_request /_jwks;
            proxy_pass http://127.0.0.1:9000;
        }
        location = /_jwks {
            internal;
            proxy_pass http://127.0.0.1:9001/$jwt_claim_tenant/jwks.json;
        }
    }

Good:

    map $jwt_claim_role $may { guest 0; default 1; }
    server {
        listen 127.0.0.1:8080;
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require $may error=403;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..finding import Severity
from ..flow.expression import names_in
from ..flow.flow import CLAIMS, flow_of
from ..flow.jwks import key_locations
from ..model.backends import passing
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D27", "claim-before-keys", Severity.WARN, missing=True)
EARLY = ("if", "set", "rewrite", "return")  # run in the rewrite phase


@rule.each_server
def check_server(server: Block) -> Iterator[Hit]:
    if not server.auth.wanted:
        yield from _early(server, "before a location requires a token")


@rule.each_block
def check_location(block: Block) -> Iterator[Hit]:
    plan = block.auth.plan
    if block.is_location and plan is not None and not plan.early:
        yield from _early(block, "until access has been checked")


def _early(block: Block, when: str) -> Iterator[Hit]:
    conditions = (inner for inner in block.blocks if inner.is_condition)
    for around in (block, *conditions):
        for statement in around.given(*EARLY):
            words = (name for word in statement.args for name in names_in(word.strip("()")))
            if claim := _claim(words, around):
                yield Hit(statement, f"${claim} is empty {when}")


@rule.whole
def check_keys(conf: Configuration) -> Iterator[Hit]:
    for fetched in key_locations(conf):
        target = fetched.block.target
        claim = _claim(target.text.names, fetched.block) if target is not None else ""
        if claim:
            yield Hit(
                passing(fetched.block),
                f"${claim} is empty when keys are requested, before the token is verified",
                'choose among key requests: auth_jwt_key_request "/keys/$tenant"',
                fetched.related,
            )


def _claim(names: Iterable[str], block: Block) -> str:
    """A claim on which the value of variables depends, "" if there is none."""
    behind = flow_of(block).influences(names, block)
    return min((name for name in behind if name.startswith(CLAIMS)), default="")
