"""A location without a trailing slash has an alias with one: files outside the alias are served.

The rest of the URI after the location's name is appended to the alias.  For "/img../secret" and
"location /img" this is "../secret", which is served from the parent directory.  End both with a
slash, or neither.

Bad:

    location /img {
        alias /srv/images/;
    }

Good:

    location /img/ {
        alias /srv/images/;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.core import CoreConf
from ...modules.try_files import TryFilesConf
from ..finding import Severity
from ..model.block import Block
from ..model.probe import location_of
from ..rule import Hit, Rule

rule = Rule("G01", "alias-traversal", Severity.ERROR)


@rule.each_block
def check(block: Block) -> Iterator[Hit]:
    core = block[CoreConf]
    if not block.is_location or core.regex is not None or core.modifier == "=":
        return
    given = block.given("alias")
    if not given or block.is_internal or core.name.endswith("/"):
        return
    uri = f"{core.name}../x"
    if core.root_path.text.endswith("/") and _reaches(block, uri) and not _is_fixed(block):
        yield Hit(
            given[-1],
            f"{uri} maps to {core.root_path.text}../x, which is outside the alias",
            f"end the location with a slash: location {core.name}/",
            ((block.statement, "there is no trailing slash here"),),
            word=1,
        )


def _is_fixed(block: Block) -> bool:
    """Whether "try_files" serves the same files whatever the URI is."""
    tried = block[TryFilesConf].candidates
    return bool(tried) and all(candidate.name.is_constant for candidate in tried)


def _reaches(block: Block, uri: str) -> bool:
    """Whether the location, or one in it, takes such a URI."""
    location = location_of(block.server, uri)
    return location is not None and any(outer is block for outer in location.outward())
