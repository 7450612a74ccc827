"""Why a text does not have the form of a token: which part, what is wrong, and what to do."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import NamedTuple

from ..jwt.encoding import decode_base64url, decode_json
from .lines import printable

SIGNED = ("header", "claims", "signature")
ENCRYPTED = ("header", "encrypted key", "initialization vector", "ciphertext", "tag")
PLACEHOLDERS = frozenset(
    ("undefined", "null", "none", "nil", "[object object]", "nan", "true", "false")
)
KINDS = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
ISSUED = "send the token exactly as the issuer returned it"
_ALPHABET = frozenset(string.ascii_letters + string.digits + "-_")
_SCHEME = "bearer "


class FormFault(NamedTuple):
    """`part` is "token", or the name of a part of it."""

    part: str
    text: str
    advice: str = ""


def faults_of(token: str, *, encrypted: bool = False) -> Iterator[FormFault]:
    """The faults of a text, one character per byte, that should be a token: of the whole text,
    then of each part as if the others were corrected."""
    faults, bare = _unwrapped(token)
    yield from faults
    if not bare:
        return
    parts, wanted = bare.split("."), ENCRYPTED if encrypted else SIGNED
    if len(parts) != len(wanted):
        yield _wrong_count(parts, wanted)
    names = ENCRYPTED if len(parts) == len(ENCRYPTED) else SIGNED
    if len(parts) in (2, 3, 5):
        for name, part in zip(names, parts, strict=False):
            yield from _faults_of_part(name, part)


# -- the whole text -----------------------------------------------------------------------------


def _unwrapped(text: str) -> tuple[list[FormFault], str]:
    """Faults around the parts, and the text without them, "" if it cannot be corrected."""
    faults: list[FormFault] = []
    bare = text.strip()
    if bare != text:
        faults.append(FormFault("token", "has spaces around it", "send it without them"))
    while bare.lower().startswith(_SCHEME):
        faults.append(FormFault("token", 'begins with a second "Bearer"', "send the scheme once"))
        bare = bare[len(_SCHEME) :].strip()
    if bare.strip("\"'") != bare:
        faults.append(FormFault("token", "has quotes around it", "send it without them"))
        bare = bare.strip("\"'")
    if (fault := _unfit(bare)) is not None:
        return [*faults, fault], ""
    return faults, bare


def _unfit(text: str) -> FormFault | None:
    """What makes a text something else than a token."""
    if text.lower() in PLACEHOLDERS:
        return FormFault("token", f'is the word "{text}"', "the client has no token: let it log in")
    if text[:1] in ("$", "<") or text.startswith("{{"):
        return FormFault("token", "is a placeholder", "the client must insert the token")
    if text.startswith("{"):
        return FormFault("token", "is a JSON object", "send its member with the token only")
    if "%" in text:
        return FormFault("token", "is percent-encoded", ISSUED)
    for at, character in enumerate(text):
        if character.isspace() or character == ",":
            return FormFault("token", f"has {_name_of(character)} after {at} bytes", ISSUED)
    return None


def _name_of(character: str) -> str:
    if character == " ":
        return "a space"
    return "a comma" if character == "," else "a line break or tab"


def _wrong_count(parts: list[str], wanted: tuple[str, ...]) -> FormFault:
    names = f"{', '.join(wanted[:-1])} and {wanted[-1]}"
    if len(parts) == 1:
        advice = "a JWT is required; an opaque token can be checked with auth_request"
        return FormFault("token", "has no dots: an opaque token, or a part of one", advice)
    if len(parts) == 2:
        return FormFault("token", "has two parts, the signature is missing", ISSUED)
    if len(parts) == len(ENCRYPTED):
        return FormFault("token", "has five parts: it is encrypted", 'see "auth_jwt_type"')
    if len(parts) == len(SIGNED):
        return FormFault(
            "token", "has three parts: it is signed, not encrypted", 'see "auth_jwt_type"'
        )
    return FormFault("token", f"has {len(parts)} parts instead of {names}", ISSUED)


# -- one part -----------------------------------------------------------------------------------


def _faults_of_part(name: str, part: str) -> Iterator[FormFault]:
    bare = part.rstrip("=")
    if not bare:
        if name != "encrypted key":
            yield FormFault(name, "is empty", ISSUED)
        return
    if bare != part:
        advice = "base64url in tokens has no padding (RFC 7515, section 2)"
        yield FormFault(name, f'is padded with "{part[len(bare) :]}"', advice)
    if "+" in bare or "/" in bare:
        advice = '"-" and "_" stand for "+" and "/" (RFC 4648, section 5)'
        yield FormFault(name, "is base64 instead of base64url", advice)
        bare = bare.replace("+", "-").replace("/", "_")
    for at, character in enumerate(bare):
        if character not in _ALPHABET:
            text = f'has "{printable(character)}" after {at} bytes, which is not base64url'
            yield FormFault(name, text, ISSUED)
            return
    if len(bare) % 4 == 1:
        yield FormFault(name, f"has {len(bare)} characters, one too few or too many", ISSUED)
        return
    yield from _faults_of_octets(name, bare.encode("latin-1"))


def _faults_of_octets(name: str, text: bytes) -> Iterator[FormFault]:
    octets = decode_base64url(text, canonical=False)
    try:
        decode_base64url(text)
    except ValueError:
        yield FormFault(name, "has a last character with unused bits that are not zero", ISSUED)
    if name in ("header", "claims"):
        yield from faults_of_json(name, octets)


def faults_of_json(name: str, octets: bytes) -> Iterator[FormFault]:
    """The faults of a decoded part that should be a JSON object."""
    if octets.startswith((b"eyJ", b'"eyJ')):
        yield FormFault(name, "is encoded twice", "encode it once")
        return
    try:
        value = decode_json(octets)
    except UnicodeError:
        yield FormFault(name, "is not UTF-8", "the issuer must send UTF-8")
        return
    except ValueError as error:
        yield FormFault(name, f"is not JSON: {printable(str(error))}", "the issuer must send JSON")
        return
    if not isinstance(value, dict):
        kind = KINDS.get(type(value), "a number")
        yield FormFault(name, f"is {kind}, not a JSON object", "the issuer must send an object")
    elif name == "header" and not isinstance(value.get("alg"), str):
        text = 'has no "alg"' if "alg" not in value else 'has an "alg" that is not a string'
        yield FormFault(name, text, "the issuer must name the algorithm")
    elif name == "header" and "crit" in value:
        yield FormFault(
            name, 'has "crit": extensions, which are not supported', "do not issue them"
        )
