"""A directive or location that provides keys has no effect.

A key location that no "auth_jwt_key_request" uses, a key source that is configured twice on one
level, or an "auth_jwt_key_cache" without a source that can be cached (URIs with variables never
are).  This is harmless by itself, but usually something else was intended.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass https://idp.example.com/jwks.json;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_request /_jwks;
        proxy_pass http://127.0.0.1:9000;
    }
    location = /_jwks {
        internal;
        proxy_pass https://idp.example.com/jwks.json;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.jwks import REQUEST, key_locations
from ..model.block import Block
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D26", "idle-key-line", Severity.INFO, missing=True)
SOURCES = ("auth_jwt_key_file", "auth_jwt_key_request")


@rule.whole
def check_locations(conf: Configuration) -> Iterator[Hit]:
    """Locations that only key requests can reach, and none does."""
    if not any(True for _ in conf.statements("auth_jwt", *SOURCES)):
        return
    if any("$" in statement.args[0] for _, statement in conf.statements(REQUEST)):
        return
    used = {id(key_location.block) for key_location in key_locations(conf)}
    for block in conf.answering:
        if _is_for_keys(block) and id(block) not in used:
            message = f"no block that requires tokens uses {block} for keys"
            yield Hit(block.statement, message, 'use it with "auth_jwt_key_request"')


def _is_for_keys(block: Block) -> bool:
    """Whether it is there for nothing but keys, by its name."""
    if not block.is_location or not block.is_internal or block.target is None:
        return False
    return "jwks" in block[CoreConf].name.lower()


@rule.each_block
def check_twice(block: Block) -> Iterator[Hit]:
    first_uses: dict[tuple[str, ...], Statement] = {}
    for statement in block.given(*SOURCES):
        first = first_uses.setdefault((statement.name, *statement.args), statement)
        if first is not statement:
            message = "this key source is configured twice"
            yield Hit(statement, message, related=((first, "first configured here"),))


@rule.each_location
def check_cache(block: Block) -> Iterator[Hit]:
    conf = block.auth.conf
    if not conf.key_lifetime or not conf.has_key_source:
        return
    if not any(name.text.is_constant for name in (*conf.key_files, *conf.key_requests)):
        message = "keys are not cached, because their sources have variables in their names"
        yield Hit(block.set_by("auth_jwt_key_cache"), message)
