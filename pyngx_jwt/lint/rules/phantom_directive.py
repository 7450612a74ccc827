"""A JWT directive that no module has, or none has any more.

Web pages and generated configurations are full of such names: "auth_jwt_public_key" has never
existed, and others went with an early version of their module.  Nobody checks what they are
meant to check.  The finding names the directive that does.

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_issuer https://idp.example.com;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_claim iss https://idp.example.com;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from ..finding import Severity
from ..rule import Rule

# Its findings are errors of the configuration itself: see "diagnose".
rule = Rule("D06", "phantom-directive", Severity.ERROR)
