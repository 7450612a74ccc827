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
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("G05", "add-header-redefinition", Severity.WARN, missing=True)
HINT = 'repeat it, or set "add_header_inherit merge"'
SECURITY = {
    *("strict-transport-security", "content-security-policy", "x-frame-options"),
    *("x-content-type-options", "referrer-policy", "permissions-policy"),
    *("cross-origin-opener-policy", "cross-origin-embedder-policy"),
    *("cross-origin-resource-policy", "content-security-policy-report-only"),
}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    """Blocks that lose the same headers of the same level are one finding."""
    losing: dict[tuple[Block, tuple[str, ...]], list[Block]] = {}
    for block in conf.blocks:
        lost = () if block.is_partial else _lost(block)
        if lost and block.outer is not None:
            losing.setdefault((block.outer, lost), []).append(block)
    for (outer, lost), blocks in losing.items():
        adding = _adding(outer, lost[0])
        yield _one(blocks[0], lost, adding) if len(blocks) == 1 else _several(blocks, lost, adding)


def _one(block: Block, lost: tuple[str, ...], adding: Statement) -> Hit:
    return Hit(
        block.given("add_header")[0],
        f'{block} does not send {_listed(lost)}, because it has its own "add_header"',
        HINT,
        ((adding, "this is not inherited"),),
    )


def _several(blocks: list[Block], lost: tuple[str, ...], adding: Statement) -> Hit:
    """At the header that is lost: a comment that accepts it there is for all of them."""
    return Hit(
        adding,
        f"{blocks[0]} and {len(blocks) - 1} more of the blocks inside do not send "
        f'{_listed(lost)}, because they have their own "add_header"',
        HINT,
        tuple((block.given("add_header")[0], f"not sent by {block}") for block in blocks),
    )


def _lost(block: Block) -> tuple[str, ...]:
    """The security headers of the block around that a block with fields of its own has not."""
    outer = block.outer
    if outer is None or not block.given("add_header"):
        return ()
    own = {field.name.lower() for field in block[HeadersFilterConf].fields}
    around = outer[HeadersFilterConf].fields
    return tuple(f.name for f in around if f.name.lower() in SECURITY - own and f.value.text)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in dict.fromkeys(names))


def _adding(block: Block, name: str) -> Statement:
    for outer in block.outward():
        for statement in outer.given("add_header"):
            if statement.args[0] == name:
                return statement
    return block.statement
