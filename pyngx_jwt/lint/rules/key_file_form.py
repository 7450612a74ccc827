"""The file of "auth_jwt_key_file" has a format that the module does not read, or contains no keys.

NGINX Plus and kjdev's module require a JWK Set: a JSON object with a list "keys".  A single key,
a PEM key or a URL is not one, and all tokens are refused or answered with 500.  Put a single key
into a list; convert a PEM key to a JWK; fetch a URL with "auth_jwt_key_request" and a location
that passes requests there.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file https://idp.example.com/jwks.json;
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

import json
import os
from collections.abc import Iterator

from ...jwt import LIMITS
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D23", "key-file-form", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if "auth_jwt_key_file" in conf.dialect.own_keys:  # of another form
        return
    for _, statement in conf.statements("auth_jwt_key_file"):
        name, *form = statement.args
        if name.startswith(("http://", "https://")):
            message = "this is a file name, a URL is not fetched"
            hint = 'use "auth_jwt_key_request", and a location with "proxy_pass" for the URL'
            yield Hit(statement, message, hint, word=1)
        elif "$" not in name and form in ([], ["jwks"]):
            mistake = _mistake(conf.scope.conf_name(name))
            if mistake:
                yield Hit(statement, f"{mistake[0]}, not a JWK Set", mistake[1], word=1)


def _mistake(path: str) -> tuple[str, str] | None:
    """What the file is instead of a JWK Set, and what to do; None if it is not known to be
    another thing."""
    try:
        if not os.path.isfile(path.encode("latin-1")):
            return None
        with open(path.encode("latin-1"), "rb") as file:
            octets = file.read(LIMITS.set_size)
    except (OSError, ValueError):
        return None
    if octets.lstrip().startswith(b"-----BEGIN"):
        return "the file is PEM", 'convert the key to a JWK; in a JWK Set it can also have a "kid"'
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict) and "kty" in document and "keys" not in document:
        return "the file is a single key", 'put it into a list: {"keys": [...]}'
    if isinstance(document, list):
        return "the file is a bare list", 'put it into an object: {"keys": [...]}'
    return None
