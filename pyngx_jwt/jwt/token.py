"""The compact serialization of a signed token, taken apart (RFC 7515, section 7.1)."""

from __future__ import annotations

from typing import NamedTuple

from .encoding import Json, decode_base64url, decode_json, quote
from .refusal import Reason, Refusal

TOKEN_SIZE = 16 * 1024  # bytes of a token
HEADER_SIZE = 8 * 1024  # bytes of its first segment


class Token(NamedTuple):
    """A token that is well-formed; nothing in it has been verified."""

    header: dict[str, Json]
    claims: dict[str, Json]
    payload: bytes  # the claims as they were signed
    signed: bytes  # the JWS Signing Input
    signature: bytes
    alg: str
    kid: str | None  # "" and what is not a string count as absent


def read(text: str) -> Token | Refusal:
    """Takes a compact JWS apart (RFC 7519, section 7.2, steps 1 to 10).

    Both header and payload have to be JSON objects, in canonical base64url.  A token with a
    "crit" header is refused (RFC 7515, section 4.1.11: no extension is understood here), and
    so is "b64" other than true (RFC 7797).  Whether "alg" is acceptable is left to the policy.
    """
    if len(text) > TOKEN_SIZE:
        return _malformed(f"longer than {TOKEN_SIZE} bytes")
    try:
        raw = text.encode("ascii")
        segments = raw.split(b".", 5)
        if len(segments) != 3:
            return _malformed(_SEGMENTS.get(len(segments), "not three segments"))
        first, second, third = segments
        if len(first) > HEADER_SIZE:
            return _malformed(f"header longer than {HEADER_SIZE} bytes")
        header = decode_json(decode_base64url(first))
        payload = decode_base64url(second)
        claims = decode_json(payload)
        signature = decode_base64url(third)
    except ValueError as error:
        return _malformed(_sentence(error))
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return _malformed("header or payload is not a JSON object")
    alg = header.get("alg")
    if not isinstance(alg, str):
        return _malformed('"alg" is not a string')
    if "crit" in header or header.get("b64", True) is not True:
        return Refusal(Reason.UNSUPPORTED, "critical or unencoded-payload extension")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        kid = None
    signed = raw[: len(first) + 1 + len(second)]
    return Token(header, claims, payload, signed, signature, alg, kid)


_SEGMENTS = {5: "five segments: an encrypted token"}


def _malformed(detail: str) -> Refusal:
    return Refusal(Reason.MALFORMED, detail)


def _sentence(error: ValueError) -> str:
    """What went wrong, without the pieces of the token that Python's texts may quote."""
    if isinstance(error, UnicodeError):
        return "not UTF-8, or not ASCII"
    return quote(str(error)).strip('"')
