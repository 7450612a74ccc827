"""The compact serializations of tokens, taken apart (RFC 7515 and 7516, sections 7.1).

Nothing here is verified, and nothing is done that grows with a text beyond the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .claims import Members
from .encoding import decode_base64url, decode_json, quote
from .limits import LIMITS, Limits
from .refusal import Reason, TokenRefusal


class Signed(NamedTuple):
    """A well-formed JWS, whatever its payload is."""

    header: Members
    payload: bytes
    signed: bytes  # the JWS Signing Input
    signature: bytes
    alg: str
    kid: str | None  # "" and what is not a string count as absent


class Encrypted(NamedTuple):
    """A well-formed JWE."""

    header: Members
    encrypted_key: bytes
    iv: bytes
    ciphertext: bytes
    tag: bytes
    aad: bytes  # the Additional Authenticated Data: the header as it was sent
    alg: str
    enc: str
    kid: str | None  # as above


class Token(NamedTuple):
    """What can be seen of a token without a key; nothing of it is verified."""

    header: Members
    claims: Members  # none if the token is encrypted
    payload: bytes  # the claims as they were signed; empty if the token is encrypted


def read(text: str, limits: Limits = LIMITS, *, padded: bool = False) -> Token | TokenRefusal:
    """An unverified look at a token (RFC 7519, section 7.2): of an encrypted one, its header."""
    if len(text) <= limits.token_size and text.count(".") == 4:
        encrypted = parse_encrypted(text, limits, padded=padded)
        return (
            encrypted if isinstance(encrypted, TokenRefusal) else Token(encrypted.header, {}, b"")
        )
    signed = parse_signed(text, limits, padded=padded)
    if isinstance(signed, TokenRefusal):
        return signed
    claims = parse_claims(signed.payload, limits)
    return (
        claims if isinstance(claims, TokenRefusal) else Token(signed.header, claims, signed.payload)
    )


Headers = dict[bytes, Signed]  # by the segment: a token with that header, and nothing else
_NONE: Mapping[bytes, Signed] = MappingProxyType({})


def parse_signed(
    text: str,
    limits: Limits = LIMITS,
    known: Mapping[bytes, Signed] = _NONE,
    *,
    padded: bool = False,
) -> Signed | TokenRefusal:
    """Takes a compact JWS apart (RFC 7515, section 5.2, steps 1 to 7).  Headers that are
    ``known`` are not read again.

    The header has to be a JSON object, all segments canonical base64url, which with ``padded``
    may have the padding that base64 has (the signature covers it then).  A token with a
    "crit" header is refused (RFC 7515, section 4.1.11: no extension is understood here), and
    so is "b64" other than true (RFC 7797).  Whether "alg" is acceptable is left to the policy.
    """
    if len(text) > limits.token_size:
        return too_long(limits)
    try:
        raw = text.encode("ascii")
        segments = raw.split(b".", 5)
        if len(segments) != 3:
            return _malformed(_SEGMENTS.get(len(segments), "not three segments"))
        first, second, third = segments
        if len(first) > limits.header_size:
            return _long_header(limits)
        payload = _decode("payload", second, padded)
        signature = _decode("signature", third, padded)
        signed = raw[: len(first) + 1 + len(second)]
        like = known.get(first)
        if like is not None:
            return Signed(like.header, payload, signed, signature, like.alg, like.kid)
        header = decode_json(_decode("header", first, padded), limits.depth)
    except ValueError as error:
        return _malformed(_sentence(error))
    if not isinstance(header, dict):
        return _malformed("header is not a JSON object")
    alg = header.get("alg")
    if not isinstance(alg, str):
        return _malformed('"alg" is not a string')
    if "crit" in header or header.get("b64", True) is not True:
        return TokenRefusal(Reason.UNSUPPORTED, "critical or unencoded-payload extension")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        kid = None
    return Signed(header, payload, signed, signature, alg, kid)


def remember_header(token: Signed, known: Headers, most: int) -> None:
    """Keeps the header of an accepted token in the place of the oldest of ``most``."""
    first = token.signed[: token.signed.index(b".")]
    if first not in known:
        if len(known) >= most:
            del known[next(iter(known))]
        known[first] = Signed(token.header, b"", b"", b"", token.alg, token.kid)


def parse_encrypted(
    text: str, limits: Limits = LIMITS, *, padded: bool = False
) -> Encrypted | TokenRefusal:
    """Takes a compact JWE apart (RFC 7516, section 5.2, steps 1 to 5).

    As ``parse_signed``; what is compressed ("zip") is refused, too.
    """
    if len(text) > limits.token_size:
        return too_long(limits)
    try:
        segments = text.encode("ascii").split(b".", 5)
        if len(segments) != 5:
            return _malformed("not five segments: not an encrypted token")
        aad = segments[0]
        if len(aad) > limits.header_size:
            return _long_header(limits)
        header = decode_json(_decode("header", aad, padded), limits.depth)
        encrypted_key, iv, ciphertext, tag = (
            _decode(name, segment, padded)
            for name, segment in zip(_ENCRYPTED, segments[1:], strict=True)
        )
    except ValueError as error:
        return _malformed(_sentence(error))
    if not isinstance(header, dict):
        return _malformed("header is not a JSON object")
    alg, enc = header.get("alg"), header.get("enc")
    if not isinstance(alg, str) or not isinstance(enc, str):
        return _malformed('"alg" or "enc" is not a string')
    if "crit" in header or "zip" in header:
        return TokenRefusal(Reason.UNSUPPORTED, "critical extension or compression")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        kid = None
    return Encrypted(header, encrypted_key, iv, ciphertext, tag, aad, alg, enc, kid)


def parse_claims(octets: bytes, limits: Limits = LIMITS) -> Members | TokenRefusal:
    """The claims set (RFC 7519, section 7.2, step 10): a JSON object."""
    try:
        claims = decode_json(octets, limits.depth)
    except ValueError as error:
        return _malformed(_sentence(error))
    return claims if isinstance(claims, dict) else _malformed("payload is not a JSON object")


_SEGMENTS = {5: "five segments: an encrypted token"}
_ENCRYPTED = ("encrypted key", "initialization vector", "ciphertext", "authentication tag")
_QUANTUM = 4  # characters of base64 that padding fills up


def _decode(name: str, segment: bytes, padded: bool) -> bytes:
    """The octets of a segment; raises ValueError that says which one is wrong, and how."""
    if segment[-1:] == b"=":
        bare = segment.rstrip(b"=")
        if not padded:
            raise ValueError(f"{name} is padded base64url")
        if len(segment) != -(-len(bare) // _QUANTUM) * _QUANTUM:
            raise ValueError(f"{name} has wrong padding")
        segment = bare
    try:
        return decode_base64url(segment)
    except ValueError:
        raise ValueError(f"{name} is not canonical base64url") from None


def too_long(limits: Limits) -> TokenRefusal:
    """The refusal of a token that is longer than the limit."""
    return _malformed(f"longer than {limits.token_size} bytes")


def _long_header(limits: Limits) -> TokenRefusal:
    return _malformed(f"header longer than {limits.header_size} bytes")


def _malformed(detail: str) -> TokenRefusal:
    return TokenRefusal(Reason.MALFORMED, detail)


def _sentence(error: ValueError) -> str:
    """What went wrong, without the pieces of the token that Python's texts may quote."""
    if isinstance(error, UnicodeError):
        return "not UTF-8, or not ASCII"
    return quote(str(error)).strip('"')
