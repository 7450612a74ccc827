"""Encryption algorithms (RFC 7518, sections 4 and 5) with which tokens may be encrypted.

As with signatures, an algorithm is bound to one type of key.  ``KEY_MANAGEMENT`` says how to
turn a key into its ``Unwrap`` once, ``CONTENT_ENCRYPTION`` how content is opened then.

Not here: RSA1_5, as its padding is an oracle; PBES2, as a token would choose how long it
keeps us busy; ECDH-ES, which NGINX Plus does not have either; compression.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from secrets import token_bytes
from types import MappingProxyType
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from cryptography.hazmat.primitives.padding import PKCS7

from .claims import Members
from .encoding import decode_base64url
from .token import Encrypted

# (key, iv, ciphertext, tag, additional authenticated data) -> plaintext, None if not authentic
Open = Callable[[bytes, bytes, bytes, bytes, bytes], bytes | None]


class ContentEncryption(NamedTuple):
    name: str
    key_size: int  # octets of the Content Encryption Key
    open: Open


# (encrypted key, header, how content is encrypted) -> Content Encryption Key, None if bad
Unwrap = Callable[[bytes, Members, ContentEncryption], bytes | None]
Private = bytes | RSAPrivateKey
Make = Callable[[Private], Unwrap]


class KeyManagement(NamedTuple):
    name: str
    kty: str
    sizes: tuple[int, ...]  # octets of secrets that may be used with it; empty for RSA
    make: Make

    def fits(self, material: Private) -> bool:
        """Whether the key is of the type and size that the algorithm wants."""
        if isinstance(material, bytes):
            return self.kty == "oct" and len(material) in self.sizes
        return self.kty == "RSA"


def decrypt(token: Encrypted, unwrap: Unwrap) -> bytes | None:
    """The plaintext, None if the token was not made with this key.

    Whatever is wrong with the encrypted key, the content is looked at all the same, with a
    random key: a client must not learn which of the two was bad (RFC 7516, section 11.5).

    Raises KeyError for an unknown "enc".
    """
    encryption = CONTENT_ENCRYPTION[token.enc]
    key = unwrap(token.encrypted_key, token.header, encryption)
    if key is None or len(key) != encryption.key_size:
        key = token_bytes(encryption.key_size)
    return encryption.open(key, token.iv, token.ciphertext, token.tag, token.aad)


def pinned(unwrap: Unwrap, enc: str) -> Unwrap:
    """The same, of a key with which only this content encryption may be used."""

    def unwrap_pinned(
        encrypted: bytes, header: Members, encryption: ContentEncryption
    ) -> bytes | None:
        return unwrap(encrypted, header, encryption) if encryption.name == enc else None

    return unwrap_pinned


# Key management


def _secret(material: Private) -> bytes:
    if not isinstance(material, bytes):
        raise TypeError("a secret is needed")
    return material


def _direct(material: Private) -> Unwrap:
    """The secret encrypts the content itself (RFC 7518, section 4.5)."""
    secret = _secret(material)

    def unwrap(encrypted: bytes, header: Members, encryption: ContentEncryption) -> bytes | None:
        return None if encrypted else secret

    return unwrap


def _aes_kw(material: Private) -> Unwrap:
    """AES Key Wrap (RFC 7518, section 4.4; RFC 3394)."""
    secret = _secret(material)

    def unwrap(encrypted: bytes, header: Members, encryption: ContentEncryption) -> bytes | None:
        if len(encrypted) != encryption.key_size + 8:
            return None
        try:
            return aes_key_unwrap(secret, encrypted)
        except InvalidUnwrap:
            return None

    return unwrap


def _aes_gcmkw(material: Private) -> Unwrap:
    """AES-GCM (RFC 7518, section 4.7), its nonce and tag being members of the header."""
    cipher = AESGCM(_secret(material))

    def unwrap(encrypted: bytes, header: Members, encryption: ContentEncryption) -> bytes | None:
        iv, tag = _octets(header, "iv"), _octets(header, "tag")
        if len(iv) != _NONCE or len(tag) != _TAG or len(encrypted) != encryption.key_size:
            return None
        try:
            return cipher.decrypt(iv, encrypted + tag, b"")
        except InvalidTag:
            return None

    return unwrap


def _octets(header: Members, name: str) -> bytes:
    """The decoded member, empty if it is missing or malformed."""
    text = header.get(name)
    if not isinstance(text, str):
        return b""
    try:
        return decode_base64url(text.encode())
    except ValueError:
        return b""


def _rsa_oaep(digest: hashes.HashAlgorithm) -> Make:
    """RSAES-OAEP (RFC 7518, section 4.3), MGF1 being with the same hash."""
    scheme = padding.OAEP(padding.MGF1(digest), digest, None)

    def make(material: Private) -> Unwrap:
        if not isinstance(material, RSAPrivateKey):
            raise TypeError("private RSA key expected")
        open_key = material.decrypt
        size = (material.key_size + 7) // 8

        def unwrap(
            encrypted: bytes, header: Members, encryption: ContentEncryption
        ) -> bytes | None:
            if len(encrypted) != size:  # RFC 8017, section 7.1.2, step 1
                return None
            try:
                return open_key(encrypted, scheme)
            except ValueError:
                return None

        return unwrap

    return make


# Content encryption

_NONCE = 12  # octets: RFC 7518, sections 4.7.1.1 and 5.3
_TAG = 16


def _gcm(key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes | None:
    """AES-GCM (RFC 7518, section 5.3)."""
    if len(iv) != _NONCE or len(tag) != _TAG:
        return None
    try:
        return AESGCM(key).decrypt(iv, ciphertext + tag, aad)
    except InvalidTag:
        return None


def _cbc_hmac(digest: str) -> Open:
    """AES-CBC with HMAC-SHA-2 (RFC 7518, section 5.2.2.2): nothing is decrypted, and no
    padding looked at, before the tag was found to be good."""
    block = 16

    def open_content(
        key: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes
    ) -> bytes | None:
        half = len(key) // 2
        length = (8 * len(aad)).to_bytes(8)
        mac = hmac.digest(key[:half], aad + iv + ciphertext + length, digest)
        if not hmac.compare_digest(tag, mac[:half]):
            return None
        if len(iv) != block or not ciphertext or len(ciphertext) % block:
            return None
        decryptor = Cipher(AES(key[half:]), CBC(iv)).decryptor()
        unpadder = PKCS7(8 * block).unpadder()
        try:
            padded = decryptor.update(ciphertext) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            return None

    return open_content


CONTENT_ENCRYPTION: Mapping[str, ContentEncryption] = MappingProxyType(
    {
        encryption.name: encryption
        for encryption in (
            ContentEncryption("A128CBC-HS256", 32, _cbc_hmac("sha256")),
            ContentEncryption("A192CBC-HS384", 48, _cbc_hmac("sha384")),
            ContentEncryption("A256CBC-HS512", 64, _cbc_hmac("sha512")),
            ContentEncryption("A128GCM", 16, _gcm),
            ContentEncryption("A192GCM", 24, _gcm),
            ContentEncryption("A256GCM", 32, _gcm),
        )
    }
)

KEY_MANAGEMENT: Mapping[str, KeyManagement] = MappingProxyType(
    {
        management.name: management
        for management in (
            KeyManagement("dir", "oct", (16, 24, 32, 48, 64), _direct),
            KeyManagement("A128KW", "oct", (16,), _aes_kw),
            KeyManagement("A192KW", "oct", (24,), _aes_kw),
            KeyManagement("A256KW", "oct", (32,), _aes_kw),
            KeyManagement("A128GCMKW", "oct", (16,), _aes_gcmkw),
            KeyManagement("A192GCMKW", "oct", (24,), _aes_gcmkw),
            KeyManagement("A256GCMKW", "oct", (32,), _aes_gcmkw),
            KeyManagement("RSA-OAEP", "RSA", (), _rsa_oaep(hashes.SHA1())),
            KeyManagement("RSA-OAEP-256", "RSA", (), _rsa_oaep(hashes.SHA256())),
            KeyManagement("RSA-OAEP-384", "RSA", (), _rsa_oaep(hashes.SHA384())),
            KeyManagement("RSA-OAEP-512", "RSA", (), _rsa_oaep(hashes.SHA512())),
        )
    }
)
