"""An "if" in a location replaces the location's configuration and loses some of it.

If the condition is true, the configuration inside the "if" serves the request.  Most of the
location is inherited, but "try_files" is not; and if several conditions are true, only the last
block applies, whatever headers, limits or upstreams the others set.  "return" and "rewrite ...
last" are safe, because they leave the location.  Use a "map" for other cases.

Bad:

    location / {
        try_files $uri /index.html;
        if ($http_user_agent ~ bot) { set $bot 1; }
    }

Bad:

    location / {
        if ($arg_a) { add_header X-A 1; }
        if ($arg_b) { add_header X-B 1; }
        return 204;
    }

Good:

    map $http_user_agent $bot {
        default "";
        ~bot 1;
    }
    server {
        listen 8080;
        location / {
            try_files $uri /index.html;
            add_header X-Bot $bot;
        }
    }
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...conf.parse import Statement
from ...http.contexts import LOCATION_IF
from ..finding import Severity
from ..flow.expression import terms
from ..model.block import Block
from ..model.leaving import leaves
from ..rule import Hit, Rule

rule = Rule("G10", "if-is-evil", Severity.WARN)
REWRITING = {"return", "rewrite", "set", "break", "rewrite_log", "uninitialized_variable_warn"}
COLLECTED = {"access_log", "limit_rate", "limit_rate_after"}


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    if not block.is_location:
        return
    conditions = [inner for inner in block.inner(LOCATION_IF) if not _leaves(inner)]
    tries = block.given("try_files")
    for condition in conditions if tries else ():
        yield Hit(
            condition.statement,
            f'"try_files" of {block} has no effect if this condition is true',
            'use a "map" for the condition',
            ((tries[-1], "this is not inherited"),),
        )
    settings = [(inner, statements) for inner in conditions if (statements := _settings(inner))]
    for (one, earlier), (other, later) in pairwise(settings):
        if not _exclude(one, other):
            yield Hit(
                earlier[0],
                f'"{earlier[0].name}" has no effect in {block} if a later condition is also true',
                'use a "map" for the conditions',
                ((later[0], "then only this applies"),),
            )
            return


def _leaves(block: Block) -> bool:
    """Whether no request that comes in is served by it."""
    return any(map(leaves, block.given("return", "rewrite")))


def _exclude(one: Block, other: Block) -> bool:
    """Whether no request has both conditions: one variable, two values."""
    name, sign, value = terms(one.statement)
    other_name, other_sign, other_value = terms(other.statement)
    return name == other_name and sign == other_sign == "=" and value != other_value


def _settings(block: Block) -> list[Statement]:
    return [s for s in block.own if s.name not in REWRITING | COLLECTED]
