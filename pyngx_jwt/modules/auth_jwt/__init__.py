"""Validates JSON Web Tokens, in the words of whichever nginx module a configuration is for.

dialects: those modules, each in a file with its directives, their meaning, as a plan, and its
differences from the others, as a value (dialect); and which one applies.  conf, settings: what
they share.  sources, keyring, level_keys, sharing, secrets, revocation: keys.  conditions: the
language of kjdev's module.  plan, gate, demands, contexts, wire, words, variables, watch: requests.
counting: statistics.  issuer: keys of an issuer.
shelf, prefetch: keys for all workers, before they are needed.
"""

from __future__ import annotations

from . import counting, prefetch
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
    "counting",
    "dialect_of",
    "prefetch",
    "warn_of_unreadable",
]
