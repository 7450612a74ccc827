"""One step further: what would have verified a token whose signature does not verify."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from ..conf.parse import Statement
from ..jwt import Key, KeySet, Limits, TokenRefusal
from ..jwt.encoding import decode_base64url, encode_base64url
from ..jwt.token import Signed, parse_signed
from .lines import key_text

SHORTEST = 4  # bytes of a secret that is read in another way
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_HEX = frozenset(string.hexdigits)


class Written(NamedTuple):
    """A secret as the configuration or key set has it; `noun` names it."""

    noun: str
    text: bytes
    form: str


def hint_for_signature(
    token: str, key: Key, statement: Statement | None, limits: Limits, *, in_jwk: bool
) -> str:
    """What would verify the token's signature instead of `key` as it is read, "" if unknown."""
    signed = parse_signed(token, limits)
    if isinstance(signed, TokenRefusal):
        return ""
    if isinstance(key.material, bytes):
        return _hint_of_secret(signed, key, written_as(key.material, statement, in_jwk=in_jwk))
    if key.kty == "EC" and _is_der(signed.signature):
        return "the signature is DER: JWS requires R and S side by side (RFC 7518, section 3.4)"
    return ""


def hint_of_other_key(
    token: str, tried: Iterable[Key], key_sets: Iterable[KeySet], limits: Limits
) -> str:
    """The key of another name that verifies the signature, "" if there is none."""
    signed = parse_signed(token, limits)
    if isinstance(signed, TokenRefusal):
        return ""
    for key in (key for key_set in key_sets for key in key_set.keys if key not in tried):
        if _verifies(signed, key):
            return f"would verify with {key_text(key)}: the token's kid names another key"
    return ""


def _verifies(signed: Signed, key: Key) -> bool:
    check = key.checks.get(signed.alg)
    return check is not None and check(signed.signature, signed.signed)


# -- secrets ------------------------------------------------------------------------------------


def _hint_of_secret(signed: Signed, key: Key, written: list[Written]) -> str:
    for secret in written:
        for form, octets in readings(secret.text):
            other = Key.of(octets, "oct", alg=signed.alg) if octets != key.material else None
            if len(octets) >= SHORTEST and other is not None and _verifies(signed, other):
                return f"would verify with {secret.noun} as {form}; it is read as {secret.form}"
    return f"does not verify with {written[0].noun} as text, hex, base64 or base64url either"


def readings(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The octets that the text of a secret can mean, by the name of its encoding."""
    yield "text", text
    bare = text.rstrip(b"\r\n")
    if bare != text:
        yield "text without the line break at its end", bare
    else:
        yield "text with a line break at its end", text + b"\n"
    if len(bare) % 2 == 0 and bare and _HEX.issuperset(bare.decode("latin-1")):
        yield "hex", bytes.fromhex(bare.decode())
    form = "base64url" if {*b"-_"} & {*bare} else "base64"
    with suppress(ValueError):
        yield form, decode_base64url(bare.rstrip(b"=").translate(_TO_URLSAFE), canonical=False)


def written_as(material: bytes, statement: Statement | None, *, in_jwk: bool) -> list[Written]:
    """The secret as it is written, and its octets where they may be a text of their own."""
    if in_jwk:
        return [
            Written('the "k" of the JWK', encode_base64url(material), "base64url"),
            Written('the decoded "k" of the JWK', material, "octets"),
        ]
    words = statement.args if statement is not None and statement.name == "auth_jwt_key" else ()
    for text in (word.encode("latin-1") for word in words[:1]):
        for form, octets in readings(text):
            if octets == material:
                return [Written("the secret", text, form)]
    return [Written("the secret", material, "text")]


# -- ECDSA --------------------------------------------------------------------------------------


def _is_der(signature: bytes) -> bool:
    """Whether it is a SEQUENCE of two INTEGERs, as OpenSSL signs (RFC 3279, section 2.2.3)."""
    long = signature[1:2] == b"\x81"
    length = signature[1 + long : 2 + long]
    return (
        signature[:1] == b"\x30"
        and bool(length)
        and length[0] == len(signature) - 2 - long
        and signature[2 + long : 3 + long] == b"\x02"
    )
