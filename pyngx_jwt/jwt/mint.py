"""Keys and tokens for development; ``pyngx token`` is its command.

Not for issuing tokens: keys are kept in plain files.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwa import JWA  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from .algorithms import ALGORITHMS
from .encoding import Json, decode_base64url, encode_base64url, encode_json
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT

Members = Mapping[str, Json]
_NONE: Members = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, or a secret, and the algorithm it is for."""

    alg: str
    jwk: JWK = field(repr=False)

    @classmethod
    def generate(
        cls, alg: str, kid: str | None = None, *, bits: int = 2048, crv: str | None = None
    ) -> Self:
        """A new key; ``bits`` are those of an RSA modulus, ``crv`` chooses among curves.

        Raises KeyError for an unknown algorithm.
        """
        algorithm = ALGORITHMS[alg]
        members: dict[str, str | int] = {"kty": algorithm.kty, "alg": alg, "use": "sig"}
        if algorithm.kty == "RSA":
            members["size"] = bits
        elif algorithm.kty == "oct":
            members["size"] = int(alg[2:])
        else:
            members["crv"] = crv or algorithm.curves[0]
        if kid is not None:
            members["kid"] = kid
        return cls(alg, JWK.generate(**members))

    @classmethod
    def from_members(cls, members: Members) -> Self:
        """The key of a private JWK with "alg"; raises ValueError for anything else."""
        alg = members.get("alg")
        jwk = _private(members)
        algorithm = ALGORITHMS.get(alg) if isinstance(alg, str) else None
        if algorithm is None or not algorithm.fits(str(members["kty"]), _curve(members)):
            raise ValueError(f'it is not a key for "alg" {encode_json(alg)}')
        return cls(str(alg), jwk)

    @classmethod
    def from_secret(cls, alg: str, octets: bytes, kid: str | None = None) -> Self:
        """The key of a secret; raises ValueError if that is empty, or not what `alg` wants."""
        if not octets:
            raise ValueError("the secret is empty")
        named = {} if kid is None else {"kid": kid}
        k = encode_base64url(octets).decode()
        return cls.from_members({"kty": "oct", "k": k, "alg": alg, "use": "sig", **named})

    def members(self, *, private: bool = False) -> dict[str, Json]:
        """The JWK as others need it to verify: the public part, or the secret."""
        whole = private or self.jwk.is_symmetric
        jwk: dict[str, Json] = self.jwk.export(private_key=whole, as_dict=True)
        return jwk

    def pem(self) -> bytes:
        """The public key in PEM; raises ValueError for a secret."""
        if self.jwk.is_symmetric:
            raise ValueError("a secret has no public key")
        text: bytes = self.jwk.export_to_pem()
        return text

    def sign(self, claims: Members | bytes, header: Members = _NONE) -> str:
        """A token (RFC 7515, section 7.1); ``header`` adds to or replaces alg, kid and typ."""
        mine: dict[str, Json] = {"alg": self.alg, "typ": "JWT"}
        if (kid := self.jwk.get("kid")) is not None:
            mine["kid"] = kid
        payload = claims if isinstance(claims, bytes) else encode_json(dict(claims)).encode()
        return self.sign_raw(encode_json({**mine, **header}).encode(), payload)

    def sign_raw(self, header: bytes, payload: bytes) -> str:
        """A token of header and payload as they are."""
        signed = encode_base64url(header) + b"." + encode_base64url(payload)
        signature: bytes
        if self.jwk.is_symmetric:  # jwcrypto would refuse the short ones that are in use
            secret = decode_base64url(self.jwk.export_symmetric(as_dict=True)["k"].encode())
            signature = hmac.digest(secret, signed, f"sha{self.alg[2:]}")
        else:
            name = "EdDSA" if self.jwk.get("kty") == "OKP" else self.alg
            signature = JWA.signing_alg(name).sign(self.jwk, signed)
        return (signed + b"." + encode_base64url(signature)).decode()


def _private(members: Members) -> JWK:
    if "kty" not in members:
        raise ValueError('not a JWK: there is no "kty"')
    try:
        jwk = JWK(**members)
    except (JWException, TypeError, ValueError) as error:
        raise ValueError(f"not a JWK: {error}") from None
    if not (jwk.is_symmetric or jwk.has_private):
        raise ValueError("not a private key")
    return jwk


def _curve(members: Members) -> str | None:
    return str(members["crv"]) if "crv" in members else None


_OAEP = {  # what jwcrypto has not
    "RSA-OAEP-384": OAEP(MGF1(hashes.SHA384()), hashes.SHA384(), None),
    "RSA-OAEP-512": OAEP(MGF1(hashes.SHA512()), hashes.SHA512(), None),
}


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key to encrypt for, with the private part to decrypt, and the algorithms it is for."""

    alg: str
    enc: str
    jwk: JWK = field(repr=False)

    @classmethod
    def generate(
        cls, alg: str, enc: str = "A128CBC-HS256", kid: str | None = None, *, bits: int = 2048
    ) -> Self:
        """A new key; ``bits`` are those of an RSA modulus.

        Raises KeyError for an unknown algorithm.
        """
        management, content = KEY_MANAGEMENT[alg], CONTENT_ENCRYPTION[enc]
        members: dict[str, str | int] = {"kty": management.kty, "alg": alg, "use": "enc"}
        if alg == "dir":
            members |= {"alg": enc, "size": 8 * content.key_size}
        else:
            members["size"] = 8 * management.sizes[0] if management.sizes else bits
        if kid is not None:
            members["kid"] = kid
        return cls(alg, enc, JWK.generate(**members))

    @classmethod
    def from_members(cls, alg: str, enc: str, members: Members) -> Self:
        """The key of a private JWK; raises ValueError if it is none for these algorithms."""
        jwk = _private(members)
        made_for = members.get("alg")
        if members["kty"] != KEY_MANAGEMENT[alg].kty or made_for not in (None, alg, enc):
            raise ValueError(f"it is not a key for {alg} and {enc}")
        return cls(alg, enc, jwk)

    def members(self) -> dict[str, Json]:
        """The JWK as it is needed to decrypt, private part and all."""
        jwk: dict[str, Json] = self.jwk.export(private_key=True, as_dict=True)
        return jwk

    def encrypt(self, content: Members | bytes | str, header: Members = _NONE) -> str:
        """A token (RFC 7516, section 7.1) of claims, or of a token (a ``str``), which makes it
        nested; ``header`` adds to or replaces alg, enc, kid, typ and cty."""
        mine: dict[str, Json] = {"alg": self.alg, "enc": self.enc, "typ": "JWT"}
        if (kid := self.jwk.get("kid")) is not None:
            mine["kid"] = kid
        if isinstance(content, str):
            return self.encrypt_raw({**mine, "cty": "JWT", **header}, content.encode())
        plaintext = content if isinstance(content, bytes) else encode_json(dict(content)).encode()
        return self.encrypt_raw({**mine, **header}, plaintext)

    def encrypt_raw(self, header: Members, plaintext: bytes) -> str:
        """A token of this header, which may say anything, and plaintext."""
        content = JWA.encryption_alg(self.enc)
        if self.alg in _OAEP:
            key: bytes = os.urandom(CONTENT_ENCRYPTION[self.enc].key_size)
            encrypted: bytes = self.jwk.get_op_key("encrypt").encrypt(key, _OAEP[self.alg])
        else:
            wrap = JWA.keymgmt_alg(self.alg).wrap
            wrapped = wrap(self.jwk, content.wrap_key_size, None, dict(header))
            key, encrypted = wrapped["cek"], wrapped.get("ek", b"")
            header = {**wrapped.get("header", {}), **header}
        aad = encode_base64url(encode_json(dict(header)).encode())
        parts = (encrypted, *content.encrypt(key, aad, plaintext))
        return b".".join([aad, *map(encode_base64url, parts)]).decode()


def key_set(*keys: SigningKey | EncryptionKey) -> str:
    """The JWK Set with which tokens of these keys are verified and decrypted."""
    return json.dumps({"keys": [key.members() for key in keys]})


class Minted(NamedTuple):
    token: str
    key_set: str
    key: SigningKey


def mint(alg: str, claims: Members | bytes, kid: str | None = None) -> Minted:
    """A token signed with a new key, and the JWK Set to verify it with."""
    key = SigningKey.generate(alg, kid)
    return Minted(key.sign(claims), key_set(key), key)
