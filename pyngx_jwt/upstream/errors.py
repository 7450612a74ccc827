"""What can go wrong with an upstream, in nginx's words: str(error) is the log line's start.

ConnectError, PrematureClose -> "error" of proxy_next_upstream, unless they are .local: those are
answered with 500
*Timeout, ConnectError with .timed_out -> "timeout"
BadResponse -> "invalid_header"
"""

from __future__ import annotations

import errno

from ..log import errno_text


class UpstreamError(Exception):
    """Anything that stops an exchange with an upstream."""

    timed_out = False
    handshaking = False  # the connection was there, TLS was not
    critical = False  # nginx logs it as [crit], everything else as [error]
    local = False  # the fault is here, not the server's


class ConnectError(UpstreamError):
    """No connection: refused, unreachable, a failed handshake, or a timeout."""

    def __init__(
        self,
        message: str,
        *,
        timed_out: bool = False,
        handshaking: bool = False,
        outcome: int = 0,
        critical: bool = False,
        local: bool = False,
    ) -> None:
        super().__init__(message)
        self.timed_out, self.handshaking, self.critical = timed_out, handshaking, critical
        self.local = local
        self.outcome = outcome  # what statistics count a handshake as, beside "failed"


class SendTimeout(UpstreamError):
    """The upstream took nothing for send_timeout."""

    timed_out = True


class ReadTimeout(UpstreamError):
    """The upstream sent nothing for read_timeout."""

    timed_out = True


class PrematureClose(UpstreamError):
    """The connection ended before the response did."""


class BadResponse(UpstreamError):
    """The upstream sent something that is not a response."""


_TIMEOUT = OSError(errno.ETIMEDOUT, "")
TIMED_OUT = f"upstream timed out {errno_text(_TIMEOUT)}"
