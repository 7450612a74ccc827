"""A list of addresses permits some and denies none, so it restricts nothing.

"allow" alone has no effect: an address that no line matches is permitted.  End the list with
"deny all".  With "satisfy any", the list needs no "deny": other addresses need another permission.

Bad:

    location /admin/ {
        allow 192.0.2.0/24;
        proxy_pass http://127.0.0.1:9000;
    }

Bad:

    stream {
        server {
            listen 5432;
            allow 192.0.2.0/24;
            proxy_pass 127.0.0.1:5433;
        }
    }

Good:

    location /admin/ {
        allow 192.0.2.0/24;
        deny all;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.access import AccessConf
from ...modules.core import CoreConf
from ..finding import Severity
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.said import Said
from ..rule import Hit, Rule

rule = Rule("G13", "access-list-open", Severity.WARN, missing=True)
EVERYONE = ("all", "0.0.0.0/0", "::/0")


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    if block[CoreConf].satisfy != "any":
        yield from _check(block)


@rule.whole
def check_stream(conf: Configuration) -> Iterator[Hit]:
    for block in conf.stream:
        if not block.is_partial:
            yield from _check(block)


def _check(block: Said) -> Iterator[Hit]:
    own = block.given("allow")
    rules = block[AccessConf].rules
    if not own or any(one.deny for one in rules) or any(s.args[0] in EVERYONE for s in own):
        return
    yield Hit(own[-1], f'{block} permits all addresses: there is no "deny"', 'add "deny all"')
