"""A key, ready to check signatures and to decrypt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .algorithms import ALGORITHMS, Check, Material
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT, Private, Unwrap, pinned

RSA_BITS = range(1024, 16384 + 1)
SAFE_RSA_BITS = 2048  # RFC 7518, section 3.3; shorter ones are used with a warning
SAFE_SECRET = 32  # bytes: the hash of HS256 (RFC 7518, section 3.2)
EXPONENT_BITS = 64  # longer public exponents serve only to keep the verifier busy


class KeySetError(Exception):
    """A text holds no keys, or none that can be used; says why."""


class Use(StrEnum):
    """What keys are for: the values of "use" (RFC 7517, section 4.2)."""

    SIG = "sig"  # verifying signatures
    ENC = "enc"  # decrypting


SIG = frozenset({Use.SIG})
SIG_AND_ENC = frozenset({Use.SIG, Use.ENC})


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """One key and what it may do: only algorithms of its type, curve and "alg"."""

    kid: str | None
    kty: str
    crv: str | None
    alg: str | None  # the one algorithm that the JWK allows, if it names one
    material: Material = field(repr=False)  # secret, or public key as cryptography has it
    checks: Mapping[str, Check] = field(repr=False)  # by "alg" of a JWS
    decrypts: Mapping[str, Unwrap] = field(repr=False)  # by "alg" of a JWE

    @classmethod
    def of(
        cls,
        material: Material,
        kty: str,
        crv: str | None = None,
        kid: str | None = None,
        alg: str | None = None,
        *,
        verifies: bool = True,
        private: Private | None = None,
    ) -> Self | None:
        """The key, which decrypts with ``private`` if there is that.

        None if no algorithm known here fits it.
        """
        checks: dict[str, Check] = {}
        if verifies:
            for name, algorithm in ALGORITHMS.items():
                if algorithm.fits(kty, crv) and alg in (None, name):
                    checks[name] = algorithm.make(material)
        decrypts = {} if private is None else _decrypts(private, alg)
        if not checks and not decrypts:
            return None
        return cls(
            kid, kty, crv, alg, material, MappingProxyType(checks), MappingProxyType(decrypts)
        )

    def weaknesses(self) -> list[str]:
        """What is to be warned of."""
        material = self.material
        if isinstance(material, RSAPublicKey) and material.key_size < SAFE_RSA_BITS:
            return [f"RSA modulus of {material.key_size} bits is weak"]
        if self.checks and isinstance(material, bytes) and len(material) < SAFE_SECRET:
            return [f"secret of {len(material)} bytes is weak"]
        return []


def _decrypts(private: Private, alg: str | None) -> dict[str, Unwrap]:
    found = {
        name: management.make(private)
        for name, management in KEY_MANAGEMENT.items()
        if management.fits(private) and alg in (None, name)
    }
    # A secret that encrypts content itself may name the algorithm of that (RFC 7517, 4.4).
    content = CONTENT_ENCRYPTION.get(alg or "")
    if content and isinstance(private, bytes) and len(private) == content.key_size:
        found["dir"] = pinned(KEY_MANAGEMENT["dir"].make(private), content.name)
    return found


def unfit_rsa(bits: int, exponent: int) -> str | None:
    """Why an RSA key is not used, if it is not."""
    if bits not in RSA_BITS:
        return f"RSA modulus of {bits} bits"
    if exponent % 2 == 0 or exponent < 3 or exponent.bit_length() > EXPONENT_BITS:
        return "unsuitable RSA exponent"
    return None
