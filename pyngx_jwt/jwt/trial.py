"""Which keys are tried on a token, and what comes of it (RFC 7515 and 7516, sections 5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .claims import Members
from .encoding import Json, quote
from .encryption import decrypt
from .key import Key
from .keys import KeySet
from .policy import TokenPolicy
from .refusal import Reason, TokenRefusal
from .token import Encrypted, Signed


def select(key_sets: Iterable[KeySet], kid: str | None) -> list[Key]:
    """The keys to try, in order.

    With a kid: in sets that have keys of that kid, those and no others; after them, of sets
    that do not, the keys without kid.  Without: all keys.
    """
    if kid is None:
        return [key for key_set in key_sets for key in key_set.keys]
    owned: list[Key] = []
    others: list[Key] = []
    for key_set in key_sets:
        keys = key_set.by_kid.get(kid)
        if keys is None:
            others += key_set.unlabelled
        else:
            owned += keys
    return owned + others


def check_signature(
    token: Signed, key_sets: Sequence[KeySet], policy: TokenPolicy
) -> TokenRefusal | None:
    """Whether a key verifies the signature, by an algorithm that the policy allows."""
    outcome = find_key(token, key_sets, policy)
    return outcome if isinstance(outcome, TokenRefusal) else None


def find_key(
    token: Signed, key_sets: Sequence[KeySet], policy: TokenPolicy
) -> Key | TokenRefusal | None:
    """The key that verifies the signature; None if signatures are not checked."""
    alg, kid = token.alg, token.kid
    if alg not in policy.algorithms:
        return TokenRefusal(Reason.ALGORITHM, quote(alg), {"alg": alg})
    if not policy.check_signature:
        return None
    tried = 0
    for key in select(key_sets, kid):
        check = key.checks.get(alg)
        if check is not None:
            if check(token.signature, token.signed):
                return key
            tried += 1
    return _failure(alg, kid, key_sets, tried, Reason.SIGNATURE)


def open_encrypted(
    token: Encrypted, key_sets: Sequence[KeySet], policy: TokenPolicy
) -> bytes | TokenRefusal:
    """The plaintext, if a key decrypts the token by algorithms that the policy allows.

    Reason.DECRYPTION does not say why decryption failed.
    """
    outcome = decrypt_with(token, key_sets, policy)
    return outcome if isinstance(outcome, TokenRefusal) else outcome[0]


def decrypt_with(
    token: Encrypted, key_sets: Sequence[KeySet], policy: TokenPolicy
) -> tuple[bytes, Key] | TokenRefusal:
    """The plaintext, and the key that decrypts the token."""
    alg, enc, kid = token.alg, token.enc, token.kid
    if alg not in policy.encryption_algorithms:
        return TokenRefusal(Reason.ALGORITHM, quote(alg))
    if enc not in policy.content_encryptions:
        return TokenRefusal(Reason.ALGORITHM, quote(enc))
    tried = 0
    for key in select(key_sets, kid):
        unwrap = key.decrypts.get(alg)
        if unwrap is not None:
            plaintext = decrypt(token, unwrap)
            if plaintext is not None:
                return plaintext, key
            tried += 1
    return _failure(alg, kid, key_sets, tried, Reason.DECRYPTION)


def foreign_key(keys: Iterable[Key], claims: Members) -> TokenRefusal | None:
    """The refusal of a token whose issuer has not the keys that vouch for it."""
    issuer = claims.get("iss")
    for key in keys:
        if key.issuers is not None and (not isinstance(issuer, str) or issuer not in key.issuers):
            which = "without kid" if key.kid is None else f"of kid {quote(key.kid)}"
            return TokenRefusal(Reason.ISSUER, f'the key {which} is not for the "iss" of the token')
    return None


def _failure(
    alg: str, kid: str | None, key_sets: Sequence[KeySet], tried: int, reason: Reason
) -> TokenRefusal:
    """The refusal if no key did.  Its facts have the kid if a key set has it."""
    wanted, facts = f"alg {alg}", dict[str, Json](alg=alg)
    if kid is not None:
        wanted = f"kid {quote(kid)} and {wanted}"
        # Where no key has a name, newer ones are not to be hoped for.
        named = any(key_set.by_kid or key_set.unusable for key_set in key_sets)
        if any(kid in key_set.by_kid for key_set in key_sets):
            facts["kid"] = kid
        elif named:
            text = f"{wanted}, keys without kid tried: {tried}"
            fault = next((s.unusable[kid] for s in key_sets if kid in s.unusable), "")
            if fault:
                facts["unusable"] = fault
                text += f"; its key is skipped: {fault}"
            return TokenRefusal(Reason.UNKNOWN_KID, text, facts)
    if not tried:
        return TokenRefusal(Reason.NO_KEY, wanted, facts)
    return TokenRefusal(reason, f"{wanted}, keys tried: {tried}", facts)
