"""Certificates made for tests."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


class Authority:
    """A certificate with its key, that can sign others."""

    def __init__(
        self,
        name: str,
        hosts: Iterable[str] = (),
        issuer: Authority | None = None,
        end: datetime.datetime = NOW + DAY,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = (
            x509.CertificateBuilder(signer.name, self.name, self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        if hosts:
            names = [x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(PEM).decode()

    @property
    def thumbprint(self) -> str:
        """As the claim x5t#S256 has it (RFC 8705)."""
        digest = hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def key_pem(self, password: bytes = b"") -> str:
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        kind = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(PEM, kind, encryption).decode()

    def revoked(self, *others: Authority) -> str:
        """A list of revoked certificates."""
        builder = x509.CertificateRevocationListBuilder(self.name, NOW - DAY, NOW + DAY)
        for other in others:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(other.certificate.serial_number, NOW - DAY).build()
            )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()
