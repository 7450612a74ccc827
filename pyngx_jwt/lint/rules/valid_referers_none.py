"""Requests without a Referer header pass the check of that header.

With "none" in "valid_referers", a client that omits the header is admitted, and a page can make
browsers omit it with one word ("no-referrer").  To discourage hotlinking this is often intended,
because many browsers send no Referer; it is not a protection.

Bad:

    location /pictures/ {
        valid_referers none server_names;
        if ($invalid_referer) { return 403; }
    }

Good:

    location /pictures/ {
        valid_referers server_names;
        if ($invalid_referer) { return 403; }
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("G06", "valid-referers-none", Severity.INFO)


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    for statement in block.given("valid_referers"):
        if "none" in statement.args:
            yield Hit(
                statement,
                f"requests without a Referer header pass the check in {block}",
                "any client can omit the header",
                word=1 + statement.args.index("none"),
            )
