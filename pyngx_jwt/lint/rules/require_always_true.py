"""A requirement is met by every token.

"auth_jwt_require" refuses values that are empty or "0".  A "map" with "default 1", a variable
with a constant value, or text after the variable never is: the requirement has no effect.

Bad:

    map $jwt_claim_role $ok { default 1; admin 1; }
    server {
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require $ok;
            proxy_pass http://127.0.0.1:9000;
        }
    }

Bad:

    location / {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_require "$jwt_claim_role:$jwt_claim_team";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    map $jwt_claim_role $ok { default 0; admin 1; }
    server {
        location / {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            auth_jwt_require $ok $jwt_claim_team;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...http.template import Template
from ..finding import Severity
from ..flow.demands import REQUIRE, required_texts, requiring
from ..flow.flow import flow_of
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("J26", "require-always-true", Severity.ERROR)
REFUSED = {"", "0"}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for block in conf.answering:
        if not block.auth.wanted or (block.is_condition and not block.given(REQUIRE)):
            continue  # where a condition is true, more is known than where it is required
        for text in required_texts(block):
            if _is_always_met(text, block):
                statement, word = requiring(block, text)
                yield Hit(
                    statement,
                    f'"{text.text}" is never empty and never "0": every token meets this',
                    word=word,
                )


def _is_always_met(text: Template, block: Block) -> bool:
    literal = "".join(part for is_variable, part in text.parts if not is_variable)
    if literal not in REFUSED:
        return True
    values = flow_of(block).values(text, block)
    return bool(values) and not values & REFUSED
