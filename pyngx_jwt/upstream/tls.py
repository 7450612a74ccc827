"""What nginx's TLS to upstreams can do and asyncio's cannot by itself: names that are verified
and not sent, sessions that are resumed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, cast

from .errors import ConnectError

_TOO_LONG = "(22:certificate chain too long)"


@dataclass(frozen=True, slots=True)
class PeerHandshake:
    """One handshake, for connect() in the place of a context.

    `depth` is how many certificates may stand between the server's and a trusted one; -1: the
    certificate is not looked at.
    """

    context: ssl.SSLContext
    name: str
    is_sent: bool
    depth: int = -1
    session: ssl.SSLSession | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> ssl.SSLObject:
        """What asyncio wants of a context."""
        # bytes: a str would be taken for a name to be encoded
        name = self.name.encode("ascii") if self.is_sent else None
        return self.context.wrap_bio(incoming, outgoing, server_hostname=name, session=self.session)


def check_certificate(ssl_object: ssl.SSLObject, handshake: PeerHandshake) -> None:
    """Raises ConnectError in nginx's words if the certificate is not the server's.

    The context has verified it already; hosts are OpenSSL's X509_check_host."""
    if exceeds_depth(ssl_object, handshake.depth):
        raise _refused(f"upstream SSL certificate verify error: {_TOO_LONG}")
    certificate = ssl_object.getpeercert()
    if not certificate or not names_host(certificate, handshake.name):
        raise _refused(f'upstream SSL certificate does not match "{handshake.name}"')


def exceeds_depth(ssl_object: ssl.SSLObject, depth: int) -> bool:
    """Whether more certificates stand between the server's and a trusted one."""
    # None for a resumed session, which was looked at when it was new
    chain: list[Any] | None = cast(Any, ssl_object)._sslobj.get_verified_chain()
    return bool(chain) and len(chain or ()) - 2 > depth


def verify_error(error: ssl.SSLCertVerificationError) -> ConnectError:
    """The error of the handshake, in nginx's words."""
    reason = f"({error.verify_code}:{error.verify_message})"
    return _refused(f"upstream SSL certificate verify error: {reason}")


def _refused(text: str) -> ConnectError:
    return ConnectError(text, handshaking=True)


def names_host(certificate: Any, host: str) -> bool:
    """Whether a certificate, as getpeercert() tells it, is for the host: by its DNS names, by
    its common names if it has none."""
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        subject = [field for fields in certificate.get("subject", ()) for field in fields]
        names = [value for key, value in subject if key == "commonName"]
    return any(_matches(name.lower(), host.lower()) for name in names)


def _matches(pattern: str, host: str) -> bool:
    """A wildcard stands for the whole first label, and two more must follow it."""
    if not pattern.startswith("*.") or pattern.count(".") < 2:
        return bool(host) and pattern == host
    label, _, rest = host.partition(".")
    return bool(label) and rest == pattern[2:]
