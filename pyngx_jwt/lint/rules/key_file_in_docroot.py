"""A key file is in a directory that is served to clients.

Clients can download the secret that signs tokens by requesting the file's name.  Keep keys next
to the configuration, in a directory that no "root" or "alias" covers.  A file with public keys
only is not reported.

Bad:

    root /srv/www;
    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file /srv/www/keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    root /srv/www;
    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file /srv/keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...modules.core import CoreConf
from ..finding import Severity
from ..flow.doors import is_guarded, serves_files
from ..model.block import Block
from ..model.configuration import Configuration
from ..model.keys import KeySource, key_sources
from ..model.probe import located
from ..rule import Hit, Rule

rule = Rule("J07", "key-file-in-docroot", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    sources = [source for source in key_sources(conf) if source.path and _matters(source)]
    directories = list(_directories(conf)) if sources else []
    for source in sources:
        for server, directory, around in directories:
            uri = _uri(source.path, directory, around)
            block = _serving(server, uri, source.path) if uri else None
            if block is not None:
                yield Hit(
                    source.statement,
                    f'"{source.path}" is served by {block} as {uri}',
                    "move it to a directory that is not served",
                    ((block.set_by("root", "alias"), "this directory is served"),),
                    severity=Severity.ERROR if source.has_secret else Severity.WARN,
                )
                break


def _matters(source: KeySource) -> bool:
    """Whether it has a secret, or cannot be looked into."""
    return source.has_secret or not source.keys


def _directories(conf: Configuration) -> Iterator[tuple[Block, str, str]]:
    """The directories that are served, each with its server and the URI that leads to it."""
    reported: set[tuple[int, str, str]] = set()
    for block in conf.answering:
        core = block[CoreConf]
        if not core.root_path.is_constant or core.alias_length < 0:
            continue
        around = "" if core.alias_of is None else core.alias_of[CoreConf].name
        directory = conf.scope.full_name(core.root_path.text)
        if (id(block.server), directory, around) not in reported:
            reported.add((id(block.server), directory, around))
            yield block.server, directory, around


def _uri(path: str, directory: str, around: str) -> str:
    """The URI of a file, "" if it is not in the directory."""
    for name, base in (
        (os.path.normpath(path), os.path.normpath(directory)),
        (_real(path), _real(directory)),
    ):
        if name.startswith(f"{base.rstrip('/')}/"):
            rest = name[len(base.rstrip("/")) :]
            return around + (rest[1:] if around.endswith("/") else rest) if around else rest
    return ""


def _real(path: str) -> str:
    """Without symbolic links; a path with a NUL, which no file can have, as it is."""
    try:
        return os.path.realpath(path.encode("latin-1")).decode("latin-1")
    except ValueError:
        return path


def _serving(server: Block, uri: str, path: str) -> Block | None:
    """The block that gives the file to clients, None if none does."""
    request, block, _ = located(server, uri)
    if block is None or block.is_internal or block.is_left:
        return None
    if is_guarded(block) and not block.auth.wanted:
        return None
    if not serves_files(block):
        return None
    location = block.level.location
    assert location is not None
    return block if _real(location.path_of(request)) == _real(path) else None
