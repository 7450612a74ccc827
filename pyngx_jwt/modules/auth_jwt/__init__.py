"""Validates JSON Web Tokens, as ngx_http_auth_jwt_module of NGINX Plus does.

conf: directives and what variables see.  dialects: which module's directives these are.
sources, keyring, sharing: keys.  gate, demands, wire: requests.  handler: the module.
"""

from __future__ import annotations

from .conf import AuthJwtConf
from .dialects import other_dialects
from .handler import auth_jwt

__all__ = ["AuthJwtConf", "auth_jwt", "other_dialects"]
