"""A block with its own "add_header" loses the security headers of outer blocks.

nginx inherits "add_header" if and only if the level has none of its own: one more header in a
location, and "Strict-Transport-Security" or "Content-Security-Policy" is missing there.  Repeat
the headers, include a file that sets them, or set "add_header_inherit merge".

Bad:

    server {
        listen 8080;
        add_header X-Content-Type-Options nosniff always;
        location /files/ {
            add_header Cache-Control no-store;
        }
    }

Good:

    server {
        listen 8080;
        add_header X-Content-Type-Options nosniff always;
        location /files/ {
            add_header X-Content-Type-Options nosniff always;
            add_header Cache-Control no-store;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conf.parse import Statement
from ...modules.headers import HeadersFilterConf
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("G05", "add-header-redefinition", Severity.WARN, missing=True)
SECURITY = {
    *("strict-transport-security", "content-security-policy", "x-frame-options"),
    *("x-content-type-options", "referrer-policy", "permissions-policy"),
    *("cross-origin-opener-policy", "cross-origin-embedder-policy"),
    *("cross-origin-resource-policy", "content-security-policy-report-only"),
}


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    outer = block.outer
    given = block.given("add_header") if outer is not None else []
    if not given or outer is None:
        return
    own = {field.name.lower() for field in block[HeadersFilterConf].fields}
    around = outer[HeadersFilterConf].fields
    lost = [f.name for f in around if f.name.lower() in SECURITY - own and f.value.text]
    if lost:
        yield Hit(
            given[0],
            f'{block} does not send {_listed(lost)}, because it has its own "add_header"',
            'repeat it, or set "add_header_inherit merge"',
            ((_adding(outer, lost[0]), "this is not inherited"),),
        )


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in dict.fromkeys(names))


def _adding(block: Block, name: str) -> Statement:
    for outer in block.outward():
        for statement in outer.given("add_header"):
            if statement.args[0] == name:
                return statement
    return block.statement
