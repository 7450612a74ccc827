"""The $ssl_* variables."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from ...http.module import Module
from ...http.session import Session
from ...tls.certificate import PeerCertificate, error_text
from .conf import SslConf

# Names without "ssl_", what they mean, and how the values are found.
_CONNECTION: tuple[tuple[str, str, Callable[[Session], str]], ...] = (
    ("protocol", "Protocol of the TLS connection.", lambda r: r.connection.ssl.version),
    ("cipher", "Cipher of the TLS connection.", lambda r: r.connection.ssl.cipher),
    (
        "ciphers",
        "Ciphers of the client; unknown ones as numbers. Of new sessions only.",
        lambda r: ":".join(r.connection.ssl.ciphers),
    ),
    ("curve", "Group of the key exchange.", lambda r: r.connection.ssl.curve),
    (
        "curves",
        "Groups of the client; unknown ones as numbers. Of new sessions only.",
        lambda r: ":".join(r.connection.ssl.curves),
    ),
    (
        "sigalg",
        "Algorithm of the server's signature. Requires OpenSSL 3.5.",
        lambda r: r.connection.ssl.sigalg,
    ),
    (
        "sigalgs",
        "Signature algorithms of the client, as numbers. Of new sessions only.",
        lambda r: ":".join(r.connection.ssl.sigalgs),
    ),
    (
        "session_reused",
        '"r" if the TLS session was resumed, "." otherwise.',
        lambda r: "r" if r.connection.ssl.is_resumed else ".",
    ),
    (
        "session_id",
        "Identifier of the TLS session, in hexadecimal.",
        lambda r: r.connection.ssl.session_id.hex(),
    ),
    ("alpn_protocol", "Protocol selected by ALPN.", lambda r: r.connection.ssl.alpn),
    ("server_name", "Server name that the client requests with SNI.", lambda r: r.connection.sni),
    (
        "early_data",
        '"1" while the handshake is not complete: the request is early data and can be a replay.',
        lambda r: "1" if r.connection.ssl.is_early else "",
    ),
    (
        "client_verify",
        'Result of the verification of the client certificate: "SUCCESS", "FAILED:reason", or '
        '"NONE" if there is none.',
        lambda r: verification(r),
    ),
    (
        "client_sigalg",
        "Algorithm of the client's signature. Requires OpenSSL 3.5.",
        lambda r: r.connection.ssl.peer_sigalg,
    ),
)
_CERTIFICATE: tuple[tuple[str, str, Callable[[PeerCertificate], str]], ...] = (
    (
        "cert",
        "Client certificate in PEM, with a tab before every line but the first. It is meant for "
        "request headers, but $ssl_client_escaped_cert is better.",
        lambda x: x.pem.removesuffix("\n").replace("\n", "\n\t"),
    ),
    ("raw_cert", "Client certificate in PEM.", lambda x: x.pem),
    (
        "escaped_cert",
        "Client certificate in PEM, URL-encoded.",
        lambda x: quote(x.pem, safe=""),
    ),
    ("fingerprint", "SHA-1 of the client certificate, in hexadecimal.", lambda x: x.sha1),
    (
        "thumbprint",
        "SHA-256 of the client certificate in base64url, as the claim cnf.x5t#S256 of a token has "
        "it (RFC 8705). nginx does not have this variable.",
        lambda x: x.thumbprint,
    ),
    ("serial", "Serial number of the client certificate, in hexadecimal.", lambda x: x.serial),
    ("s_dn", "Subject of the client certificate, as in RFC 2253.", lambda x: x.subject),
    ("i_dn", "Issuer of the client certificate, as in RFC 2253.", lambda x: x.issuer),
    (
        "s_dn_legacy",
        "Subject of the client certificate in the format of old nginx versions.",
        lambda x: x.subject_line,
    ),
    (
        "i_dn_legacy",
        "Issuer of the client certificate in the format of old nginx versions.",
        lambda x: x.issuer_line,
    ),
    ("v_start", "Date from which the client certificate is valid.", lambda x: x.start),
    ("v_end", "Date on which the client certificate expires.", lambda x: x.end),
    (
        "v_remain",
        "Days until the client certificate expires.",
        lambda x: str(x.days_left(time.time())),
    ),
)


def verification(r: Session) -> str:
    """The value of $ssl_client_verify (ngx_ssl_get_client_verify)."""
    tls = r.connection.ssl
    if tls.peer is None:
        return "NONE"
    wrong: str = error_text(tls.verify_error) if tls.verify_error else tls.status_error
    return f"FAILED:{wrong}" if wrong else "SUCCESS"


def add_variables(module: Module[SslConf]) -> None:
    """Declares all of them."""
    for name, meaning, of_request in _CONNECTION:
        _add(module, name, meaning, of_request)
    for name, meaning, of_certificate in _CERTIFICATE:
        _add(module, f"client_{name}", meaning, _of_peer(of_certificate))
    for name in ("ech_outer_server_name", "ech_status"):
        _add(module, name, "Empty: encrypted hellos are not supported.", lambda r: "")


def _add(module: Module[SslConf], name: str, meaning: str, value: Callable[[Session], str]) -> None:
    def get(r: Session) -> str | None:
        return (value(r) or None) if r.connection.ssl is not None else None

    get.__doc__ = meaning
    module.variable(f"ssl_{name}", changeable=True)(get)


def _of_peer(value: Callable[[PeerCertificate], str]) -> Callable[[Session], str]:
    def get(r: Session) -> str:
        peer = r.connection.ssl.peer
        return value(peer) if peer is not None else ""

    return get
