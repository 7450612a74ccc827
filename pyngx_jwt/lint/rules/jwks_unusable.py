"""A key set has no key that can verify a token.

The file is well-formed, but no signature can be verified with it: "keys" is empty, all keys are
for encryption, their type or curve is unknown, or none is for an allowed algorithm.  After the
next reload, every request is refused or answered with 500.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/empty.json;
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_algorithm RS256;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_algorithm HS256;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...jwt import Form, KeySet, KeySetError
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.keys import KeySource, allowed_for, key_sets_of, key_sources, policy_of
from ..rule import Hit, Rule

rule = Rule("J02", "jwks-unusable", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for source in key_sources(conf):
        if source.key_set is None:
            if isinstance(source.document, dict) and "keys" in source.document:
                yield Hit(source.statement, _reason(source))
            continue
        block = next((block for block in source.blocks if not _verifies(block)), None)
        if block is not None:
            yield Hit(source.statement, *_misfit(block))


def _reason(source: KeySource) -> str:
    """What the server says of the file when it reads it."""
    try:
        KeySet.parse(json.dumps(source.document).encode())
    except KeySetError as error:
        return str(error)
    return "no usable key in the JWK Set"


def _verifies(block: Block) -> bool:
    """Whether a key is for an algorithm that is allowed, as far as that is known."""
    policy = policy_of(block)
    if policy.form is not Form.SIGNED or not policy.check_signature:
        return True
    return any(
        key_set is None or any(allowed_for(key, block) for key in key_set.keys)
        for key_set in key_sets_of(block)
    )


def _misfit(block: Block) -> tuple[str, str]:
    allowed = sorted(policy_of(block).algorithms)
    if not allowed:
        return f"every token is refused in {block}: no algorithm is allowed", 'set "auth_jwt_alg"'
    allowance = f", which allows {', '.join(allowed)}" if len(allowed) < 4 else ""
    return f"no key can verify signatures in {block}{allowance}: every token is refused", ""
