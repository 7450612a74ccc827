"""RSA signatures for those who have no token: code that verifies one by itself."""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

MOST_KEYS = 128
DIGESTS: dict[str, hashes.HashAlgorithm] = {"SHA256": hashes.SHA256(), "SHA512": hashes.SHA512()}


@lru_cache(maxsize=MOST_KEYS)
def public_key(pem: bytes) -> RSAPublicKey:
    """Raises ValueError."""
    return _public(load_pem_public_key(pem))


@lru_cache(maxsize=MOST_KEYS)
def key_of_certificate(text: bytes) -> RSAPublicKey:
    """Of PEM or DER; raises ValueError."""
    load = load_pem_x509_certificate if text.startswith(b"-----") else load_der_x509_certificate
    return _public(load(text).public_key())


def _public(key: object) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


@lru_cache(maxsize=MOST_KEYS)
def private_key(pem: bytes) -> RSAPrivateKey:
    """Raises ValueError, or TypeError for an encrypted one."""
    key = load_pem_private_key(pem, None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def verify(key: RSAPublicKey, message: bytes, signature: bytes, digest: str) -> bool:
    """Whether a signature of PKCS #1 v1.5 is right."""
    try:
        key.verify(signature, message, padding.PKCS1v15(), DIGESTS[digest])
    except InvalidSignature:
        return False
    return True


def sign(key: RSAPrivateKey, message: bytes, digest: str) -> bytes:
    """A signature of PKCS #1 v1.5."""
    return key.sign(message, padding.PKCS1v15(), DIGESTS[digest])
