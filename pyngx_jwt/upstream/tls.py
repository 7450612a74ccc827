"""TLS to an upstream server: what one handshake needs, and whether its certificate is accepted."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..log import Severity
from ..metrics.handshakes import verify_failure
from ..metrics.kinds import TLS_VERIFY
from ..tls.certificate import error_text
from ..tls.connection import TlsConnection
from ..tls.context import Context
from ..tls.errors import TlsError
from ..tls.pairs import CertificateName
from .errors import ConnectError


class PeerHandshake(NamedTuple):
    """One handshake, for connect().

    `name` is the server's: it is sent (SNI) and verified, if at all.  Protocols of `alpn` are
    offered, the preferred one first; the connection's `ssl_object.alpn` is the chosen one."""

    context: Context
    name: str = ""
    is_sent: bool = False
    verifies: bool = False
    session: Any = None
    alpn: tuple[bytes, ...] = ()
    identity: CertificateName | None = None

    @property
    def certificate(self) -> str:
        """The name of our certificate, "" if the context has the only one."""
        return self.identity.certificate if self.identity is not None else ""

    def start(self) -> TlsConnection:
        """The connection before its handshake; raises ConnectError if there is no certificate."""
        tls = TlsConnection(self.context)
        if self.is_sent:
            tls.name_host(self.name.encode("latin-1"))
        if self.alpn:
            tls.offer(self.alpn)
        if self.session is not None:
            tls.resume(self.session)
        if self.identity is not None:
            try:
                self.identity.show(tls)
            except TlsError as error:
                raise ConnectError(str(error), local=True) from None
        return tls


def check_certificate(tls: TlsConnection, handshake: PeerHandshake) -> None:
    """Raises ConnectError in nginx's words if the certificate is not the server's
    (ngx_http_upstream_ssl_handshake)."""
    error = tls.verify_error
    if error:
        reason = f"({error}:{error_text(error)})"
        raise _refused(f"upstream SSL certificate verify error: {reason}", verify_failure(error))
    if tls.peer is None or not tls.peer.is_for(handshake.name):
        text = f'upstream SSL certificate does not match "{handshake.name}"'
        raise _refused(text, TLS_VERIFY["hostname_mismatch"])


def handshake_error(error: TlsError) -> ConnectError:
    """A failed handshake, in nginx's words."""
    critical = error.severity(Severity.ERR) is Severity.CRIT
    return ConnectError(str(error), handshaking=True, critical=critical, outcome=error.outcome)


def _refused(text: str, outcome: int) -> ConnectError:
    return ConnectError(text, handshaking=True, outcome=outcome)
