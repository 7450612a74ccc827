"""Verification of JSON Web Tokens (RFC 7515, 7517, 7518, 7519, 8037, 8725), without any HTTP.

A key set and a policy make a verifier::

    key_set = KeySet.parse(jwks_json)  # KeySetError; log key_set.warnings
    policy = Policy(leeway=10, claims=(ClaimRequirement.of("iss", ["https://issuer"]),))
    verifier = Verifier(policy, [key_set], memory)  # one Memory for all of a process

    outcome = verifier.verify(token, now)
    if isinstance(outcome, Refusal):
        log(outcome.text)  # which check failed, and how
    else:
        sub = getter("sub")(outcome.claims)

Outcomes are values: only ``KeySet.parse`` and the constructors of policies raise.

- ``Reason.UNKNOWN_KID`` says that no key set has the token's kid: the caller may fetch newer
  ones (seldom: anybody can send such a token), make another ``Verifier`` and ask again.
- A ``Verified`` may be handed out many times; its contents are not to be changed.
- ``read(token)`` takes a token apart without verifying anything.
- Text of tokens and of configuration, and rendered claims, are one character per byte;
  claims, headers and kids inside of ``Verified``, ``Token`` and ``KeySet`` are Unicode.
- ``pyngx_jwt.jwt.mint`` makes keys and tokens for development.
"""

from .algorithms import ALGORITHMS, PLUS_ALGORITHMS
from .claims import getter, render, render_payload
from .encoding import Json
from .keys import Key, KeySet, KeySetError
from .memory import Memory
from .policy import PLUS, ClaimRequirement, Policy, Presence
from .refusal import Reason, Refusal
from .token import Token, read
from .verify import Verified, Verifier, verify

__all__ = [
    "ALGORITHMS",
    "PLUS",
    "PLUS_ALGORITHMS",
    "ClaimRequirement",
    "Json",
    "Key",
    "KeySet",
    "KeySetError",
    "Memory",
    "Policy",
    "Presence",
    "Reason",
    "Refusal",
    "Token",
    "Verified",
    "Verifier",
    "getter",
    "read",
    "render",
    "render_payload",
    "verify",
]
