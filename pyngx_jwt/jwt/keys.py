"""JWK Sets (RFC 7517), read once into keys that are ready to check signatures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from .algorithms import ALGORITHMS, Check, Material
from .encoding import Json, decode_base64url, decode_json, encode_base64url, quote

SET_SIZE = 256 * 1024  # bytes of a JWK Set
SET_KEYS = 64  # keys in it, usable or not
RSA_BITS = range(1024, 16384 + 1)
SAFE_RSA_BITS = 2048  # RFC 7518, section 3.3; shorter ones are used with a warning
SAFE_SECRET = 32  # bytes: the hash of HS256 (RFC 7518, section 3.2)
EXPONENT_BITS = 64  # longer public exponents serve only to keep the verifier busy

_SIZES = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32, "Ed25519": 32, "Ed448": 57}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


class KeySetError(Exception):
    """The text is no JWK Set, or none of its keys can be used; says which and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key and what it may verify: only algorithms of its type, curve and "alg"."""

    kid: str | None
    kty: str
    crv: str | None
    alg: str | None  # the one algorithm that the JWK allows, if it names one
    material: Material = field(repr=False)  # secret, or public key as jwcrypto hands it out
    checks: Mapping[str, Check] = field(repr=False)  # by algorithm

    @classmethod
    def of(
        cls, material: Material, kty: str, crv: str | None, kid: str | None, alg: str | None
    ) -> Self | None:
        """The key, or None if no algorithm known here fits it."""
        checks = {
            name: algorithm.make(material)
            for name, algorithm in ALGORITHMS.items()
            if algorithm.fits(kty, crv) and alg in (None, name)
        }
        return cls(kid, kty, crv, alg, material, MappingProxyType(checks)) if checks else None


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The usable keys of one source, in their order.  It never changes: a newer version of
    the source is another KeySet, and differs in ``generation`` if the text differs."""

    generation: str
    keys: tuple[Key, ...] = field(repr=False)
    by_kid: Mapping[str, tuple[Key, ...]] = field(repr=False)
    unlabelled: tuple[Key, ...] = field(repr=False)  # keys without "kid"
    warnings: tuple[str, ...] = ()  # printable ASCII: what was skipped, what is weak

    @classmethod
    def parse(cls, source: bytes | str) -> Self:
        """Reads a JWK Set (RFC 7517, section 5) of at most 256 KiB and 64 keys.

        A ``str`` is text as everywhere here, one character per byte.  Keys that are not for
        verifying signatures, or of unknown type, are skipped with a warning.  Of private
        keys only the public part is used.

        Raises KeySetError if the text is malformed or no key is usable.
        """
        octets = _bytes(source) if isinstance(source, str) else source
        keys: list[Key] = []
        warnings: list[str] = []
        for number, jwk in enumerate(_listed(octets)):
            key, remarks = _read_key(jwk, number)
            keys.extend(key)
            warnings.extend(remarks)
        if not keys:
            raise KeySetError("; ".join(["no usable key in the JWK Set", *warnings]))
        return cls.of(keys, hashlib.sha256(octets).hexdigest(), tuple(warnings))

    @classmethod
    def of(cls, keys: Iterable[Key], generation: str, warnings: tuple[str, ...] = ()) -> Self:
        """A set of these keys.  Two sets with different keys must differ in generation."""
        keys = tuple(keys)
        by_kid: dict[str, tuple[Key, ...]] = {}
        for key in keys:
            if key.kid is not None:
                by_kid[key.kid] = (*by_kid.get(key.kid, ()), key)
        unlabelled = tuple(key for key in keys if key.kid is None)
        return cls(generation, keys, MappingProxyType(by_kid), unlabelled, warnings)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise KeySetError("JWK Set is not text of one character per byte") from None


def _listed(octets: bytes) -> list[Json]:
    if len(octets) > SET_SIZE:
        raise KeySetError(f"JWK Set is longer than {SET_SIZE} bytes")
    try:
        document = decode_json(octets)
    except ValueError as error:
        raise KeySetError(f"JWK Set is not valid JSON: {error}") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeySetError('JWK Set is not an object with an array "keys"')
    if len(keys) > SET_KEYS:
        raise KeySetError(f"JWK Set has more than {SET_KEYS} keys")
    return keys


def _read_key(jwk: Json, number: int) -> tuple[list[Key], list[str]]:
    """The key, if it is usable, and remarks about it."""
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    place = f"key {number} (kid {quote(kid)})" if isinstance(kid, str) else f"key {number}"
    try:
        key = _key(jwk)
    except (ValueError, JWException) as error:
        raise KeySetError(f"{place} is malformed: {error}") from None
    if isinstance(key, str):
        return [], [f"{place} is skipped: {key}"]
    return [key], [f"{place}: {weakness}" for weakness in _weaknesses(key, jwk)]


def _key(jwk: Json) -> Key | str:
    """The key, or why it is skipped."""
    if not isinstance(jwk, dict):
        return "not an object"
    if unfit := _unfit(jwk):
        return unfit
    kty, kid, alg, crv = (_text(jwk, name) for name in ("kty", "kid", "alg", "crv"))
    read = _READERS.get(kty or "")
    if read is None or kty is None:
        return f"unsupported key type {quote(kty or '')}"
    material = read(jwk)
    if isinstance(material, str):
        return material
    if kty not in ("EC", "OKP"):
        crv = None
    return Key.of(material, kty, crv, kid, alg) or f"unsupported algorithm {quote(alg or '')}"


def _unfit(jwk: dict[str, Json]) -> str | None:
    """Why the common members (RFC 7517, section 4) rule out verifying, if they do."""
    if any(not isinstance(jwk.get(name, ""), str) for name in ("kty", "use", "alg", "kid")):
        return '"kty", "use", "alg" or "kid" is not a string'
    if jwk.get("kid") == "":  # rather a mistake than a key without a name
        return 'empty "kid"'
    if jwk.get("use", "sig") != "sig":
        return '"use" is not "sig"'
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return '"key_ops" has no "verify"'
    return None


def _text(jwk: dict[str, Json], name: str) -> str | None:
    value = jwk.get(name)
    return value if isinstance(value, str) else None


def _octets(jwk: dict[str, Json], name: str) -> bytes:
    """The decoded member, empty if there is none.  Padding is let pass, as nginx does."""
    return decode_base64url((_text(jwk, name) or "").rstrip("=").encode())


def _public_key(**members: str | bytes) -> Material:
    # Only members named here ever reach jwcrypto: among others, "generate" makes it do so.
    texts = {
        name: encode_base64url(value).decode() if isinstance(value, bytes) else value
        for name, value in members.items()
    }
    return JWK(**texts).get_op_key("verify")  # type: ignore[no-any-return]


def _read_rsa(jwk: dict[str, Json]) -> Material | str:
    n, e = _octets(jwk, "n"), _octets(jwk, "e")
    bits, exponent = int.from_bytes(n).bit_length(), int.from_bytes(e)
    if bits not in RSA_BITS:
        return f"RSA modulus of {bits} bits"
    if exponent % 2 == 0 or exponent < 3 or exponent.bit_length() > EXPONENT_BITS:
        return "unsuitable RSA exponent"
    return _public_key(kty="RSA", n=n, e=e)


def _read_ec(jwk: dict[str, Json]) -> Material | str:
    crv, x, y = _text(jwk, "crv") or "", _octets(jwk, "x"), _octets(jwk, "y")
    if crv not in ("P-256", "P-384", "P-521", "secp256k1"):
        return f"unsupported curve {quote(crv)}"
    if len(x) != _SIZES[crv] or len(y) != _SIZES[crv]:  # RFC 7518, section 6.2.1
        return '"x" or "y" of wrong length'
    return _public_key(kty="EC", crv=crv, x=x, y=y)


def _read_okp(jwk: dict[str, Json]) -> Material | str:
    crv, x = _text(jwk, "crv") or "", _octets(jwk, "x")
    if crv not in ("Ed25519", "Ed448"):  # X25519 and X448 cannot sign
        return f"unsupported curve {quote(crv)}"
    if len(x) != _SIZES[crv]:
        return '"x" of wrong length'
    return _public_key(kty="OKP", crv=crv, x=x)


def _read_secret(jwk: dict[str, Json]) -> Material | str:
    return _octets(jwk, "k") or "empty secret"


_READERS: Mapping[str, Callable[[dict[str, Json]], Material | str]] = MappingProxyType(
    {"RSA": _read_rsa, "EC": _read_ec, "OKP": _read_okp, "oct": _read_secret}
)


def _weaknesses(key: Key, jwk: Json) -> list[str]:
    found = []
    material = key.material
    if isinstance(material, RSAPublicKey) and material.key_size < SAFE_RSA_BITS:
        found.append(f"RSA modulus of {material.key_size} bits is weak")
    if isinstance(material, bytes) and len(material) < SAFE_SECRET:
        found.append(f"secret of {len(material)} bytes is weak")
    if key.kty != "oct" and isinstance(jwk, dict) and not _PRIVATE.isdisjoint(jwk):
        found.append("private key; only its public part is used")
    return found
