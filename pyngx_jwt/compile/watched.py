"""The files that a configuration consists of, for those who look whether they change."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..conf.block import ConfBlock

# Directives that name files which are read with the configuration only.
_READ = re.compile(
    r"(?:\w+_)?ssl_(?:certificate|certificate_key|trusted_certificate|client_certificate|crl"
    r"|dhparam|password_file|stapling_file|session_ticket_key)|xslt_stylesheet|geoip_\w+"
)


def watched_names(root: ConfBlock, files: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The files of the configuration, included ones, certificates and their keys.  What includes
    match is looked up again each time."""
    scope = root.scope
    names = dict.fromkeys(path for path, _ in files)
    for pattern, base in scope.files.patterns:
        names.update(dict.fromkeys(scope.files.expand_again(pattern, base)))
    names.update(dict.fromkeys(_named(root)))
    return tuple(names)


def _named(block: ConfBlock) -> Iterator[str]:
    for name, statements in block.statements.items():
        if _READ.fullmatch(name):
            for statement in statements:
                for word in statement.args:
                    path = block.scope.conf_name(word)
                    if "$" not in word and ":" not in word and os.path.isabs(path):
                        yield path
    for inner in block.levels:
        yield from _named(inner)
