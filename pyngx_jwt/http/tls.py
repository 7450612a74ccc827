"""What servers and upstreams share of TLS."""

from __future__ import annotations

import ssl
import warnings

from ..errors import ConfError

ALPN = (b"http/1.1", b"http/1.0", b"http/0.9")  # what all clients can be served
H2 = "h2"  # HTTP/2, for servers that speak it
VERSIONS = (
    ("TLSv1", ssl.TLSVersion.TLSv1),
    ("TLSv1.1", ssl.TLSVersion.TLSv1_1),
    ("TLSv1.2", ssl.TLSVersion.TLSv1_2),
    ("TLSv1.3", ssl.TLSVersion.TLSv1_3),
)
_OFF = {
    "TLSv1": ssl.OP_NO_TLSv1,
    "TLSv1.1": ssl.OP_NO_TLSv1_1,
    "TLSv1.2": ssl.OP_NO_TLSv1_2,
    "TLSv1.3": ssl.OP_NO_TLSv1_3,
}


def alpn_of(speaks_http2: bool) -> tuple[bytes, ...]:
    """What a server takes of the protocols that a client offers, the preferred one first."""
    return (H2.encode(), *ALPN) if speaks_http2 else ALPN


def set_protocols(context: ssl.SSLContext, names: frozenset[str]) -> None:
    """Enables exactly these protocols; SSLv2 and SSLv3 do not exist any more."""
    wanted = [version for name, version in VERSIONS if name in names]
    with warnings.catch_warnings():  # a configuration with TLSv1 gets it
        warnings.simplefilter("ignore", DeprecationWarning)
        if wanted:
            context.minimum_version, context.maximum_version = wanted[0], wanted[-1]
        for name in _OFF.keys() - names:
            context.options |= _OFF[name]


def load_chain(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Loads a certificate chain and its key; raises ConfError in nginx's words."""
    for name, what in ((certificate, "certificate"), (key, "certificate key")):
        try:
            with open(name, "rb"):
                pass
        except OSError as error:
            number, text = error.errno or 0, error.strerror
            reason = (
                f"BIO_new_file() failed (SSL: error:{0x80000000 + number:08X}:"
                f"system library::{text}"
                f":calling fopen({name}, r) error:10000080:BIO routines::no such file)"
            )
            raise ConfError(f'cannot load {what} "{name}": {reason}').nowhere() from None
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfError(
            cannot_load("cannot load certificate", certificate, error)
        ).nowhere() from None


def cannot_load(what: str, name: str, error: Exception) -> str:
    """A sentence about a file that OpenSSL would not take."""
    return f'{what} "{name}" failed (SSL: {getattr(error, "reason", None) or error})'
