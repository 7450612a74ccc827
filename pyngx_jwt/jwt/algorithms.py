"""Signature algorithms (RFC 7518, section 3; RFC 8037, section 3.1; RFC 8812, section 3.2;
RFC 9864, section 2.2).

An algorithm is bound to one key type and, where it names one, to one curve.  ``ALGORITHMS``
says how to turn a key into its ``Check`` once; the check is then only called.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

Material = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
Check = Callable[[bytes, bytes], bool]  # (signature, signing input) -> whether it verifies
Make = Callable[[Material], Check]


class Algorithm(NamedTuple):
    name: str
    kty: str
    curves: tuple[str, ...]  # values of "crv" that may use it; empty if the key type has none
    make: Make

    def fits(self, kty: str, crv: str | None) -> bool:
        """Whether keys of this type, and of this curve if any, may be used with it."""
        return kty == self.kty and (not self.curves or crv in self.curves)


def _mac(digest: str) -> Make:
    """HMAC (RFC 7518, section 3.2), compared in constant time."""

    def make(key: Material) -> Check:
        if not isinstance(key, bytes):
            raise TypeError("HMAC needs a secret")

        def check(signature: bytes, signed: bytes) -> bool:
            return hmac.compare_digest(signature, hmac.digest(key, signed, digest))

        return check

    return make


def _rsa(scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Make:
    """RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518, sections 3.3 and 3.5)."""

    def make(key: Material) -> Check:
        if not isinstance(key, RSAPublicKey):
            raise TypeError("RSA key expected")
        verify = key.verify
        size = (key.key_size + 7) // 8

        def check(signature: bytes, signed: bytes) -> bool:
            if len(signature) != size:  # RFC 8017, sections 8.1.2 and 8.2.2, step 1
                return False
            try:
                verify(signature, signed, scheme, digest)
            except InvalidSignature:
                return False
            return True

        return check

    return make


def _ecdsa(curve: str, order: int, digest: hashes.HashAlgorithm) -> Make:
    """ECDSA over one curve (RFC 7518, section 3.4): R and S of fixed length, in [1, n-1].

    (R, n-S) verifies where (R, S) does: the text of a token is no identity.
    """
    scheme = ECDSA(digest)
    half = (order.bit_length() + 7) // 8

    def make(key: Material) -> Check:
        if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != curve:
            raise TypeError(f"EC key on {curve} expected")
        verify = key.verify

        def check(signature: bytes, signed: bytes) -> bool:
            if len(signature) != 2 * half:
                return False
            r = int.from_bytes(signature[:half])
            s = int.from_bytes(signature[half:])
            if not (0 < r < order and 0 < s < order):
                return False
            try:
                verify(encode_dss_signature(r, s), signed, scheme)
            except InvalidSignature:
                return False
            return True

        return check

    return make


def _eddsa(*kinds: type[Ed25519PublicKey | Ed448PublicKey]) -> Make:
    """Ed25519 and Ed448 (RFC 8037, section 3.1)."""

    def make(key: Material) -> Check:
        if not isinstance(key, kinds):
            raise TypeError("another OKP key expected")
        verify = key.verify
        size = 64 if isinstance(key, Ed25519PublicKey) else 114  # RFC 8032, 5.1.6 and 5.2.6

        def check(signature: bytes, signed: bytes) -> bool:
            if len(signature) != size:
                return False
            try:
                verify(signature, signed)
            except InvalidSignature:
                return False
            return True

        return check

    return make


def _pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
_PKCS1 = padding.PKCS1v15()

# Orders of the base points: SEC 2 version 2, sections 2.4.1, 2.4.2, 2.5.1 and 2.6.1.
_N256K = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_N384 = int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16)
_N521 = int(
    "1" + "F" * 64 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16
)

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            Algorithm("HS256", "oct", (), _mac("sha256")),
            Algorithm("HS384", "oct", (), _mac("sha384")),
            Algorithm("HS512", "oct", (), _mac("sha512")),
            Algorithm("RS256", "RSA", (), _rsa(_PKCS1, _SHA256)),
            Algorithm("RS384", "RSA", (), _rsa(_PKCS1, _SHA384)),
            Algorithm("RS512", "RSA", (), _rsa(_PKCS1, _SHA512)),
            Algorithm("PS256", "RSA", (), _rsa(_pss(_SHA256), _SHA256)),
            Algorithm("PS384", "RSA", (), _rsa(_pss(_SHA384), _SHA384)),
            Algorithm("PS512", "RSA", (), _rsa(_pss(_SHA512), _SHA512)),
            Algorithm("ES256", "EC", ("P-256",), _ecdsa("secp256r1", _N256, _SHA256)),
            Algorithm("ES384", "EC", ("P-384",), _ecdsa("secp384r1", _N384, _SHA384)),
            Algorithm("ES512", "EC", ("P-521",), _ecdsa("secp521r1", _N521, _SHA512)),
            Algorithm("ES256K", "EC", ("secp256k1",), _ecdsa("secp256k1", _N256K, _SHA256)),
            Algorithm(
                "EdDSA", "OKP", ("Ed25519", "Ed448"), _eddsa(Ed25519PublicKey, Ed448PublicKey)
            ),
            Algorithm("Ed25519", "OKP", ("Ed25519",), _eddsa(Ed25519PublicKey)),
            Algorithm("Ed448", "OKP", ("Ed448",), _eddsa(Ed448PublicKey)),
        )
    }
)
POLYMORPHIC: Mapping[str, frozenset[str]] = MappingProxyType(
    {"EdDSA": frozenset({"Ed25519", "Ed448"})}  # older names, and those that have replaced them
)


def all_names(names: Iterable[str]) -> frozenset[str]:
    """The names, and the newer ones of the algorithms that they stand for."""
    return frozenset(names).union(*(POLYMORPHIC.get(name, ()) for name in names))


def is_same(one: str, other: str) -> bool:
    """Whether two names are of the same algorithm, for a key that fits both."""
    return one == other or other in POLYMORPHIC.get(one, ()) or one in POLYMORPHIC.get(other, ())
