"""What is in files for TLS."""

from __future__ import annotations

import re

NOT_PEM = "not PEM"
_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9. ]+)-----")
_MOST = 1 << 20  # bytes of a file that are looked at
_KINDS = (  # by the ends of labels, the first that fits
    ("PRIVATE KEY", "a private key"),
    ("CERTIFICATE REQUEST", "a certificate request"),
    ("CERTIFICATE", "a certificate"),
    ("CRL", "a list of revoked certificates"),
    ("PUBLIC KEY", "a public key"),
    ("PARAMETERS", "parameters"),
)


def labels_of(octets: bytes) -> list[str]:
    """The kinds of what PEM text contains, as RFC 7468 calls them."""
    return [label.decode("ascii") for label in _LABEL.findall(octets)]


def kind_of(octets: bytes) -> str:
    """What a file is, as a message names it."""
    labels = labels_of(octets)
    if not labels:
        return "binary (DER)" if octets[:1] == b"\x30" else NOT_PEM
    return next((kind for end, kind in _KINDS if labels[0].endswith(end)), f"PEM ({labels[0]})")


def read_octets(path: str) -> bytes:
    """The beginning of a file, nothing if it cannot be read."""
    try:
        with open(path.encode("latin-1"), "rb") as file:
            return file.read(_MOST)
    except (OSError, ValueError):
        return b""
