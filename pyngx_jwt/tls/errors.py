"""OpenSSL's errors in nginx's words and at its levels (ngx_ssl_error, ngx_ssl_connection_error)."""

from __future__ import annotations

from ..log import Severity
from ..metrics.kinds import TLS_NO_CIPHER, TLS_NO_PROTOCOL, TLS_REJECTED
from .library import openssl

LIBRARY_SSL, LIBRARY_PEM, LIBRARY_X509 = 20, 9, 11
_MISMATCH = 116  # of X509
_TEXT = 2  # the error comes with a string (ERR_TXT_STRING)
_SYSTEM = 1 << 31  # the error is one of the system, and its reason an errno
_ALERTS = range(1000, 1256)  # reasons that are alerts of the peer
# Reasons that are the peer's fault.
_FAULTS = {
    *(101, 102, 103, 108, 110, 111, 112, 115, 118, 122, 129, 133, 137, 145, 146, 149, 150, 151),
    *(152, 154, 155, 156, 159, 160, 182, 183, 186, 187, 193, 198, 205, 213, 220, 226, 227, 234),
    *(235, 244, 245, 246, 252, 253, 256, 258, 266, 267, 270, 271, 281, 291, 292, 293, 298, 300),
    *(306, 313, 335, 336, 337, 338, 345, 373, 376, 377, 396, 409, 443),
}

_OUTCOMES = {
    **dict.fromkeys((193,), TLS_NO_CIPHER),
    **dict.fromkeys((258, 235), TLS_NO_PROTOCOL),  # of versions, of ALPN
    **dict.fromkeys((1070, 1120), TLS_NO_PROTOCOL),  # the same, as alerts
    **dict.fromkeys((1042, 1043, 1044, 1045, 1046, 1048), TLS_REJECTED),  # alerts
}


class TlsError(Exception):
    """What went wrong, with all that OpenSSL says about it.

    `reason` is the number of the last error, `library` that of the part that reports it."""

    def __init__(self, text: str) -> None:
        code = openssl.ERR_peek_last_error()
        self.library, self.reason = library_of(code), reason_of(code)
        super().__init__(text + queued())

    @property
    def outcome(self) -> int:
        """What statistics count a failed handshake as, beside "failed"; 0 if that is all."""
        return _OUTCOMES.get(self.reason, 0) if self.library == LIBRARY_SSL else 0

    @property
    def is_fault_of_peer(self) -> bool:
        """Whether the peer is to blame, not us."""
        return self.reason in _FAULTS or self.reason in _ALERTS

    @property
    def is_mismatch(self) -> bool:
        """Whether certificate and key do not belong together."""
        return (self.library, self.reason) == (LIBRARY_X509, _MISMATCH)

    def severity(self, fault: Severity = Severity.INFO) -> Severity:
        """The level in the log; `fault` is that of a peer's fault."""
        return fault if self.is_fault_of_peer else Severity.CRIT


class PeerClosed(TlsError):
    """The peer has left during the handshake."""

    def __init__(self) -> None:
        super().__init__("peer closed connection in SSL handshake")

    @property
    def is_fault_of_peer(self) -> bool:
        return True


def library_of(code: int) -> int:
    """The number of the part of OpenSSL that reports an error."""
    return 0 if code & _SYSTEM else code >> 23 & 0xFF


def reason_of(code: int) -> int:
    """The number of an error within its part."""
    return code & (_SYSTEM - 1 if code & _SYSTEM else 0x7FFFFF)


def queued() -> str:
    """All that OpenSSL has noted, as " (SSL: error:...)", and forgets it."""
    data, flags = openssl.ffi.new("const char **"), openssl.ffi.new("int *")
    null, texts = openssl.ffi.NULL, []
    while code := openssl.ERR_get_error_all(null, null, null, data, flags):
        openssl.ERR_error_string_n(code, openssl.buffer, 512)
        text = openssl.ffi.string(openssl.buffer, 512).decode("latin-1")
        if flags[0] & _TEXT and data[0] != null and (more := openssl.ffi.string(data[0])):
            text += f":{more.decode('latin-1')}"
        texts.append(text)
    return f" (SSL: {' '.join(texts)})" if texts else ""


def text_of(reason: int, words: str) -> str:
    """An error of the part "SSL", as OpenSSL writes it."""
    return f"(SSL: error:{LIBRARY_SSL << 23 | reason:08X}:SSL routines::{words})"
