"""TeslaGov's module ignores its key file and refuses every token.

A key file is a public key for the algorithms RS256 to ES512.  With HS256, which is the default,
or without "auth_jwt_use_keyfile on", the key is that of "auth_jwt_key".  nginx starts with this
configuration and answers every request with 401.  pyngx does not start.

Bad:

    location /api/ {
        auth_jwt_keyfile_path keys/key.pem;
        auth_jwt_algorithm RS256;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_location HEADER=Authorization;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors.diagnose import reported_by
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D04", "tesla-key-file-ignored", Severity.ERROR)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for spot, message in reported_by(rule.name, conf.analysis):
        hint = (
            'a key file needs "auth_jwt_use_keyfile on" and "auth_jwt_algorithm RS256" or similar'
        )
        yield Hit(spot, message, hint)
