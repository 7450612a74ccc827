"""A file with secret or private keys is readable by others, or a key file is writable by others.

Anyone who can read the secret can create arbitrary tokens; anyone who can write to the file does
not even need it.  The master process or the workers' user reads the file, and no other user
needs access.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/world.json;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ..finding import Severity
from ..model.configuration import Configuration
from ..model.keys import key_sources
from ..rule import Hit, Rule

rule = Rule("J05", "key-file-permissions", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for source in key_sources(conf):
        mode = _mode(source.path) if source.path else 0
        text, severity = _fault(mode, has_secret=source.has_secret)
        if text:
            message = f'"{source.path}" is {text} (mode {mode:o})'
            yield Hit(source.statement, message, "chmod 600", severity=severity)


def _mode(path: str) -> int:
    """The permissions of a file, 0 if it cannot be had."""
    try:
        return stat.S_IMODE(os.stat(path.encode("latin-1")).st_mode)
    except (OSError, ValueError):
        return 0


def _fault(mode: int, *, has_secret: bool) -> tuple[str, Severity]:
    if mode & stat.S_IWOTH:
        return "writable by everyone", Severity.WARN
    if has_secret and mode & stat.S_IROTH:
        return "readable by everyone, and its contents can sign tokens", Severity.WARN
    if has_secret and mode & stat.S_IRGRP:  # often that of the workers
        return "readable by its group, and its contents can sign tokens", Severity.INFO
    return "", Severity.INFO
