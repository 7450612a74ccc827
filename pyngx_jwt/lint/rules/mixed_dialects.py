"""One configuration has directives of two JWT modules.

nginx can load only one of the modules, so the directives of the other one are unknown to it.
Usually the lines come from two examples.  Choose one module and convert the rest; or, if pyngx
detects the wrong one, set "pyngx_jwt_dialect".

Bad:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_exp on;
        auth_jwt_redirect on;
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    location /api/ {
        auth_jwt "api";
        auth_jwt_key_file keys/jwks.json;
        auth_jwt_validate_exp on;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from ..finding import Severity
from ..rule import Rule

# Its findings are errors of the configuration itself: see "diagnose".
rule = Rule("D01", "mixed-dialects", Severity.ERROR)
