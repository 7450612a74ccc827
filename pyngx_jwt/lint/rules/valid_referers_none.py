"""Requests without a Referer field pass a check of that field.

With "none" in "valid_referers" whoever leaves the field out is let in, and a page tells its
visitors' browsers to do so with one word ("no-referrer").  Against the use of pictures by others
that is often meant, as many browsers send none; it protects nothing.

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
from ..place import Place
from ..rule import Hit, Rule

rule = Rule("G06", "valid-referers-none", Severity.INFO)


@rule.each_place
def check(place: Place) -> Iterator[Hit]:
    for statement in place.given("valid_referers"):
        if "none" in statement.args:
            yield Hit(
                statement,
                f"requests without a Referer field pass the check in {place}",
                "it keeps out nobody who leaves the field out",
                word=1 + statement.args.index("none"),
            )
