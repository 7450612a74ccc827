"""Validates JSON Web Tokens, in the words of whichever nginx module a configuration is for.

dialects: which one that is.  plus, kjdev, tesla, maxlt, tizp: the directives of each, and what
they mean, as a plan.  conf, settings: what they share.  sources, keyring, sharing, secrets,
revocation: keys.  conditions: the language of kjdev's module.  gate, demands, wire, words,
variables, watch: requests.
"""

from __future__ import annotations

from .dialects.choose import DEFAULT, Choice, MixedDialects, choose_dialect, foreign_directive
from .dialects.kjdev import auth_jwt_kjdev
from .dialects.maxlt import auth_jwt_maxlt
from .dialects.plus import auth_jwt, auth_jwt_pyngx
from .dialects.tesla import auth_jwt_tesla
from .dialects.tizp import auth_jwt_tizp
from .readable import check_readable, warn_of_unreadable
from .settings import jwt_settings, prepare_key_sets

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
    "check_readable",
    "choose_dialect",
    "foreign_directive",
    "prepare_key_sets",
    "warn_of_unreadable",
]
