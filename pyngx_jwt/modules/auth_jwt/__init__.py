"""Validates JSON Web Tokens, in the words of whichever nginx module a configuration is for.

dialects: which one that is.  plus, kjdev, tesla, maxlt, tizp: the directives of each, and what
they mean, as a plan.  conf, settings: what they share.  sources, keyring, sharing, secrets,
revocation: keys.  conditions: the language of kjdev's module.  gate, demands, wire, words,
variables, watch: requests.
"""

from __future__ import annotations

from .dialects import DEFAULT, Choice, MixedDialects, choose_dialect
from .kjdev import auth_jwt_kjdev
from .maxlt import auth_jwt_maxlt
from .plus import auth_jwt, auth_jwt_pyngx
from .readable import warn_of_unreadable
from .settings import jwt_settings
from .tesla import auth_jwt_tesla
from .tizp import auth_jwt_tizp

JWT_MODULES = (
    auth_jwt,
    auth_jwt_pyngx,
    auth_jwt_kjdev,
    auth_jwt_tesla,
    auth_jwt_maxlt,
    auth_jwt_tizp,
    jwt_settings,
)

__all__ = [
    "DEFAULT",
    "JWT_MODULES",
    "Choice",
    "MixedDialects",
    "choose_dialect",
    "warn_of_unreadable",
]
