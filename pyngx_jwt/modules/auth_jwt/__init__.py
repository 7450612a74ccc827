"""Validates JSON Web Tokens, in the words of whichever nginx module a configuration is for.

dialects: those modules, each in a file with its directives, what they mean, as a plan, and what
sets it apart, as a value (dialect); and which one it is.  conf, settings: what they share.
sources, keyring, level_keys, sharing, secrets, revocation: keys.  conditions: the language of kjdev's module.
plan, gate, demands, contexts, wire, words, variables, watch: requests.
"""

from __future__ import annotations

from .dialect import Dialect, DialectChoice, dialect_of
from .dialects import DEFAULT, DIALECTS, MixedDialects, choose_dialect
from .readable import warn_of_unreadable
from .reading import KnownDialects
from .settings import jwt_settings

JWT_MODULES = (*(dialect.module for dialect in DIALECTS), jwt_settings)

__all__ = [
    "DEFAULT",
    "DIALECTS",
    "JWT_MODULES",
    "Dialect",
    "DialectChoice",
    "KnownDialects",
    "MixedDialects",
    "choose_dialect",
    "dialect_of",
    "warn_of_unreadable",
]
