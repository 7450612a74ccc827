"""Directives of two JWT modules stand in one configuration.

nginx can hold only one of the modules, so one half of the directives is unknown to it, whichever
that is.  Mostly the lines come from two examples.  Decide for one module and say the rest in its
words; or, if pyngx takes the wrong one for the intended, name it with "pyngx_jwt_dialect".

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
