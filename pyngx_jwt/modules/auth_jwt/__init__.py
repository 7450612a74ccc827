"""Validates JSON Web Tokens, in the words of whichever nginx module a configuration is for.

dialects: those modules, each in a file with its directives, what they mean, as a plan, and what
sets it apart, as a value (dialect); and which one it is.  conf, settings: what they share.
sources, keyring, sharing, secrets, revocation: keys.  conditions: the language of kjdev's module.
gate, demands, wire, words, variables, watch: requests.
"""

from __future__ import annotations

from .dialect import Choice, Dialect, dialect_of
from .dialects import DEFAULT, DIALECTS, MixedDialects, choose_dialect, foreign_directive
from .readable import check_readable, warn_of_unreadable
from .settings import jwt_settings, prepare_key_sets

JWT_MODULES = (*(dialect.module for dialect in DIALECTS), jwt_settings)

__all__ = [
    "DEFAULT",
    "DIALECTS",
    "JWT_MODULES",
    "Choice",
    "Dialect",
    "MixedDialects",
    "check_readable",
    "choose_dialect",
    "dialect_of",
    "foreign_directive",
    "jwt_settings",
    "prepare_key_sets",
    "warn_of_unreadable",
]
