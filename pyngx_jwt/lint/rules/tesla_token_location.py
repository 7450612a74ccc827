""" "auth_jwt_location" is invalid, or has known problems.

"auth_jwt_location" must be "HEADER=name" or "COOKIE=name", in capitals; any other text is
accepted, but no token is ever found.  With a cookie there are two problems: since nginx 1.29.6,
the module finds it only if the client has no other cookie; and browsers send cookies with
requests that other sites cause, so the application needs protection against these.

Bad:

    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_location Authorization;
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

from ..finding import Severity
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D19", "tesla-token-location", Severity.WARN)


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    for _, statement in conf.statements("auth_jwt_location"):
        kind, _, name = statement.args[0].partition("=")
        if kind == "COOKIE" and name:
            message = f'since nginx 1.29.6 the cookie "{name}" is found only if it is the only one'
            hint = "pyngx finds it; protect the application against cross-site requests"
            yield Hit(statement, message, hint, word=1)
        elif statement.args[0] and (kind != "HEADER" or not name):
            message = "no token is ever found there: every request is refused"
            yield Hit(statement, message, "use HEADER=name or COOKIE=name", word=1)
