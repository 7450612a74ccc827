"""Verification of JSON Web Tokens (RFC 7515 to 7519, 8037, 8725), without any HTTP.

A key set and a policy make a verifier::

    key_set = KeySet.parse(jwks_json)  # KeySetError; log key_set.warnings
    policy = TokenPolicy(leeway=10, demands=(ClaimRequirement.of("iss", ["https://issuer"]),))
    verifier = Verifier(policy, [key_set], memory)  # one TokenMemory for all of a process

    outcome = verifier.verify(token, now)
    if isinstance(outcome, TokenRefusal):
        log(outcome.text)  # which check failed, and how
    else:
        sub = getter("sub")(outcome.claims)

Tokens are signed, encrypted, or signed and then encrypted, as ``TokenPolicy.form`` says; keys that
decrypt have to be asked for: ``KeySet.parse(jwks_json, SIG_AND_ENC)``.  There are also
``KeySet.parse_pem``, ``KeySet.parse_pem_map`` and ``KeySet.of_secret``.

Outcomes are values: only making key sets, policies and limits raises.

- ``Reason.UNKNOWN_KID`` says that no key set has the token's kid: the caller may fetch newer
  ones (seldom: any client can send such a token), make another ``Verifier`` and ask again.
- A ``Verified`` may be handed out many times; its contents are not to be changed.
- ``read(token)`` takes a token apart without verifying anything.
- Text of tokens and of configuration, and rendered claims, are one character per byte;
  claims, headers and kids inside of ``Verified``, ``Token`` and ``KeySet`` are Unicode.
- ``check_signature`` and ``open_encrypted`` do for any content what a verifier does for claims.
- ``pyngx_jwt.jwt.examine`` reports each check of a token, to explain a refusal.
- ``pyngx_jwt.jwt.mint`` makes keys and tokens for development.
"""

from .algorithms import ALGORITHMS, all_names
from .claims import (
    getter,
    render,
    render_flat,
    render_payload,
    render_plain,
    render_sorted,
    render_string,
)
from .encoding import Json
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from .key import SIG, SIG_AND_ENC, Key, KeySetError, KeyUse, NoUsableKey
from .keys import KeySet, prepare
from .limits import LIMITS, Limits
from .memory import TokenMemory
from .policy import Form, Presence, TokenPolicy
from .refusal import Reason, TokenRefusal
from .requirements import (
    ClaimRequirement,
    Requirement,
    Revocation,
    TextRequirement,
    TokenDemand,
    find,
    parse_operator,
    parse_path,
    split_name,
    with_leeway,
)
from .token import Encrypted, Signed, Token, parse_encrypted, parse_signed, read
from .trial import check_signature, open_encrypted
from .verified import Verified
from .verify import Verifier, verify

__all__ = [
    "ALGORITHMS",
    "CONTENT_ENCRYPTION",
    "KEY_MANAGEMENT",
    "LIMITS",
    "SIG",
    "SIG_AND_ENC",
    "ClaimRequirement",
    "Encrypted",
    "Form",
    "Json",
    "Key",
    "KeySet",
    "KeySetError",
    "KeyUse",
    "Limits",
    "NoUsableKey",
    "Presence",
    "Reason",
    "Requirement",
    "Revocation",
    "Signed",
    "TextRequirement",
    "Token",
    "TokenDemand",
    "TokenMemory",
    "TokenPolicy",
    "TokenRefusal",
    "Verified",
    "Verifier",
    "all_names",
    "check_signature",
    "find",
    "getter",
    "open_encrypted",
    "parse_encrypted",
    "parse_operator",
    "parse_path",
    "parse_signed",
    "prepare",
    "read",
    "render",
    "render_flat",
    "render_payload",
    "render_plain",
    "render_sorted",
    "render_string",
    "split_name",
    "verify",
    "with_leeway",
]
