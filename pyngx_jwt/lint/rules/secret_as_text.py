"""A secret is written in the configuration.

Configurations are copied, stored in repositories and shown to others; anyone who has the secret
can create tokens.  Keep it in a file that only the server can read: with "auth_jwt_key FILE
file" of max-lt's module, or a JWK Set with "auth_jwt_key_file".  A public key is not reported.
Also, max-lt's module does not treat a hexadecimal text as such unless "hex" follows it: the
secret is then not the issuer's.

Bad:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_location HEADER=Authorization;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt_location HEADER=Authorization;
        auth_jwt_key_file keys/jwks.json;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D17", "secret-as-text", Severity.WARN)
HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    has_encodings = conf.dialect.encodes_keys
    for _, statement in conf.statements("auth_jwt_key"):
        key, encoding = (*statement.args, "utf8")[:2]
        if not key or "-----BEGIN" in key or encoding == "file":
            continue
        hint = 'keep it in a file: "auth_jwt_key_file" with a JWK Set'
        if has_encodings:
            hint = 'keep it in a file: "auth_jwt_key FILE file"'
        yield Hit(statement, "the secret is written in the configuration", hint, word=1)
        if has_encodings and len(statement.args) == 1 and HEX.fullmatch(key):
            message = f"the secret is these {len(key)} characters, not the bytes that they encode"
            yield Hit(statement, message, 'add "hex" or "utf8" after it', word=1)
