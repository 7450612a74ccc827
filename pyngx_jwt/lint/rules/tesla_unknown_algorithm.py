"""The configured algorithm is unknown to TeslaGov's module.

The module supports HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 and ES512, and does
not check the name when it starts.  The first request with a token then crashes the worker
process, and so does every further one.  pyngx does not start.

Bad:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_algorithm hs256;
        auth_jwt_location HEADER=Authorization;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_algorithm HS256;
        auth_jwt_location HEADER=Authorization;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...jwt import ALGORITHMS
from ...modules.auth_jwt.dialects import TESLA
from ..errors.diagnose import reported_by
from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D03", "tesla-unknown-algorithm", Severity.ERROR)
KNOWN = {f"{family}{size}" for family in ("HS", "RS", "ES") for size in (256, 384, 512)}


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    hint = "it knows " + ", ".join(sorted(KNOWN))
    for spot, message in reported_by(rule.name, conf.analysis):
        yield Hit(spot, f"{message}: TeslaGov's module crashes at the first token", hint)
    if conf.dialect is TESLA:
        for _, statement in conf.statements("auth_jwt_algorithm"):
            if statement.args[0] in ALGORITHMS.keys() - KNOWN:
                message = f'TeslaGov\'s module does not know "{statement.args[0]}"'
                yield Hit(statement, f"{message}: it crashes at the first token", hint, word=1)
