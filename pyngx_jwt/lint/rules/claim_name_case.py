"""A claim variable has capital letters in its name, which nginx converts to lower case.

nginx converts variable names to lower case: "$jwt_claim_userId" is the claim "userid", which
most tokens do not have, so the value is empty.  With an empty value, proxy_set_header removes
the header and auth_jwt_require refuses the request.  If the claim's name has capital letters,
define a variable with "auth_jwt_claim_set".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        proxy_set_header X-User $jwt_claim_userId;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    auth_jwt_claim_set $user userId;
    server {
        location /api/ {
            auth_jwt "api";
            auth_jwt_key_file keys/jwks.json;
            proxy_set_header X-User $user;
            proxy_pass http://127.0.0.1:9000;
        }
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..finding import Severity
from ..flow.claims import uses
from ..model.configuration import Configuration
from ..rule import Hit, Rule

rule = Rule("D11", "claim-name-case", Severity.WARN)
NAME = re.compile(r"jwt_(?:claim|header)_\w*[A-Z]\w*")


@rule.whole
def check(conf: Configuration) -> Iterator[Hit]:
    if conf.dialect.exact_variables:  # they are declared with the claim's own name
        return
    for use in uses(conf, NAME):
        member = use.name.split("_", 2)[2]
        what = "claim" if "_claim_" in use.name else "header"
        hint = (
            f'write "auth_jwt_{what}_set $variable {member}"'
            if conf.dialect.has(f"auth_jwt_{what}_set")
            else ""
        )
        yield Hit(
            use.statement,
            f'"${use.name}" is the {what} "{member.lower()}", not "{member}"',
            hint,
            word=use.word,
        )
