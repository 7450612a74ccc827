"""Public keys in PEM (RFC 7468): bare ones, and those of certificates."""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from .encoding import quote
from .key import Key, unfit_rsa

_BEGIN = re.compile(rb"^-----BEGIN ([^\r\n]*)-----[ \t]*\r?$", re.MULTILINE)
_CURVES = {
    "secp256r1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
    "secp256k1": "secp256k1",
}


def read_pem(octets: bytes, kid: str | None) -> tuple[Key | str, list[str]]:
    """The first key of the text, or why there is none, and remarks.

    Taken are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE, of which only the key counts.
    """
    labels = _BEGIN.findall(octets)
    begin = _BEGIN.search(octets)
    if begin is None:
        return "not in PEM", []
    label = begin[1].decode("latin-1")
    if label.endswith("PRIVATE KEY"):
        return "a private key, where a public one is wanted", []
    if label not in ("PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"):
        return f"PEM of unsupported kind {quote(label)}", []
    footer = b"-----END " + begin[1] + b"-----"
    end = octets.find(footer, begin.end())
    if end < 0:
        return "truncated PEM", []
    block = octets[begin.start() : end] + footer + b"\n"
    try:
        key = _key(block, label == "CERTIFICATE", kid)
    except (ValueError, UnsupportedAlgorithm):  # their texts are of no help
        return "malformed PEM, or unsupported type of key", []
    if isinstance(key, str):
        return key, []
    remarks = key.weaknesses()
    if len(labels) > 1 and label != "CERTIFICATE":
        remarks.append(f"only the first of {len(labels)} parts is used")
    return key, remarks


def _key(block: bytes, certificate: bool, kid: str | None) -> Key | str:
    if certificate:
        material: object = load_pem_x509_certificate(block).public_key()
    else:
        material = load_pem_public_key(block)
    key: Key | None = None
    if isinstance(material, RSAPublicKey):
        numbers = material.public_numbers()
        if unfit := unfit_rsa(numbers.n, numbers.e):
            return unfit
        key = Key.of(material, "RSA", None, kid)
    elif isinstance(material, EllipticCurvePublicKey):
        crv = _CURVES.get(material.curve.name)
        if crv is None:
            return f"unsupported curve {quote(material.curve.name)}"
        key = Key.of(material, "EC", crv, kid)
    elif isinstance(material, Ed25519PublicKey):
        key = Key.of(material, "OKP", "Ed25519", kid)
    elif isinstance(material, Ed448PublicKey):
        key = Key.of(material, "OKP", "Ed448", kid)
    return key or "unsupported type of key"
