"""A JWT directive exists in no current version of any nginx module.

Tutorials and generated configurations often contain such names: "auth_jwt_public_key" has never
existed, and others were removed with an early version of their module.  The check that they are
meant for does not happen.  The finding names the directive to use.

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
