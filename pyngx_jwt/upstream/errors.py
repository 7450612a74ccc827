"""What can go wrong with an upstream, in nginx's words: str(error) is the log line's start.

ConnectError, PrematureClose -> "error" of proxy_next_upstream
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
    is_ours = False  # no other server would do better


class ConnectError(UpstreamError):
    """No connection: refused, unreachable, a failed handshake, or a timeout."""

    def __init__(
        self,
        message: str,
        *,
        timed_out: bool = False,
        handshaking: bool = False,
        critical: bool = False,
        is_ours: bool = False,
    ) -> None:
        super().__init__(message)
        self.timed_out, self.handshaking, self.critical = timed_out, handshaking, critical
        self.is_ours = is_ours


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
