"""A key, ready to check signatures and to decrypt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .algorithms import ALGORITHMS, Check, Material, is_same
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT, Private, Unwrap, pinned
from .limits import KEY_WORK

RSA_BITS = range(1024, 16384 + 1)
SAFE_RSA_BITS = 2048  # RFC 7518, section 3.3; shorter ones are used with a warning
SAFE_SECRET = {"HS384": 48, "HS512": 64}  # bytes, by "alg": those of the hash (section 3.2)
MOST_PRIVATE_BITS = 8192  # of keys that decrypt: longer ones take a third of a second
EXPONENT_BITS = 64  # longer public exponents serve only to keep the verifier busy


class KeySetError(Exception):
    """A text holds no keys, or none that can be used; says why."""


class NoUsableKey(KeySetError):
    """A text is well-formed, and holds none."""


class KeyUse(StrEnum):
    """What keys are for: the values of "use" (RFC 7517, section 4.2)."""

    SIG = "sig"  # verifying signatures
    ENC = "enc"  # decrypting


SIG = frozenset({KeyUse.SIG})
SIG_AND_ENC = frozenset({KeyUse.SIG, KeyUse.ENC})


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
    issuers: frozenset[str] | None = None  # "iss" of the tokens that it is for; None: of all

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
        own = ALGORITHMS.get(alg or "")
        if verifies and (own is None or own.fits(kty, crv)):
            for name, algorithm in ALGORITHMS.items():
                if algorithm.fits(kty, crv) and (alg is None or is_same(alg, name)):
                    checks[name] = algorithm.make(material)
        decrypts = {} if private is None else _decrypts(private, alg)
        if not checks and not decrypts:
            return None
        return cls(
            kid, kty, crv, alg, material, MappingProxyType(checks), MappingProxyType(decrypts)
        )

    @property
    def uses(self) -> tuple[str, ...]:
        """What it does: each "alg" of a JWS, and of a JWE."""
        return (*self.checks, *self.decrypts)

    @property
    def identity(self) -> bytes:
        """The same octets for the same key.  They are secret if the key is."""
        material = self.material
        if isinstance(material, bytes):
            return material
        # Reading keys has imported it already.
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def bits(self) -> int:
        """The size of a secret, or of an RSA modulus; 0 of keys whose curve implies it."""
        material = self.material
        if isinstance(material, bytes):
            return 8 * len(material)
        return material.key_size if isinstance(material, RSAPublicKey) else 0

    @property
    def work(self) -> int:
        """How long it takes to try it on a token, in units of about 5 microseconds."""
        material = self.material
        if isinstance(material, RSAPublicKey):
            size = -(-material.key_size // 1024)
            exponent = material.public_numbers().e.bit_length()
            checks = size**2 * max(exponent // 16, 1) if self.checks else 0
            return max(checks, 10 * size**3 if self.decrypts else 0)
        return _WORK.get(self.crv or "", 1)

    def weaknesses(self) -> list[str]:
        """What is to be warned of."""
        material = self.material
        if isinstance(material, RSAPublicKey) and material.key_size < SAFE_RSA_BITS:
            return [f"RSA modulus of {material.key_size} bits is weak"]
        least = SAFE_SECRET.get(self.alg or "", 32)
        if self.checks and isinstance(material, bytes) and len(material) < least:
            return [f"secret of {len(material)} bytes is weak"]
        return []


_WORK = {"P-256": 20, "P-384": 80, "P-521": KEY_WORK, "secp256k1": 80, "Ed25519": 20, "Ed448": 40}


def _decrypts(private: Private, alg: str | None) -> dict[str, Unwrap]:
    unwraps = {
        name: management.make(private)
        for name, management in KEY_MANAGEMENT.items()
        if management.fits(private) and alg in (None, name)
    }
    # A secret that encrypts content itself may name the algorithm of that (RFC 7517, 4.4).
    content = CONTENT_ENCRYPTION.get(alg or "")
    if content and isinstance(private, bytes) and len(private) == content.key_size:
        unwraps["dir"] = pinned(KEY_MANAGEMENT["dir"].make(private), content.name)
    return unwraps


def unfit_rsa(n: int, e: int) -> str | None:
    """Why an RSA key of this modulus and exponent is not used, if it is not."""
    if n.bit_length() not in RSA_BITS:
        return f"RSA modulus of {n.bit_length()} bits"
    if e % 2 == 0 or e < 3 or e.bit_length() > EXPONENT_BITS:
        return "unsuitable RSA exponent"
    if all(n % prime in powers for prime, powers in _ROCA):
        return "RSA modulus of a faulty generator (ROCA)"
    return None


def _powers(prime: int) -> frozenset[int]:
    power, powers = 1, set[int]()
    while power not in powers:
        powers.add(power)
        power = power * 65537 % prime
    return frozenset(powers)


# Moduli of CVE-2017-15361 are powers of 65537 modulo all small primes; of others, one in
# a hundred million is.
_PRIMES = [n for n in range(3, 168) if all(n % m for m in range(2, n))]
_ROCA = [(prime, _powers(prime)) for prime in _PRIMES]
