"""Connections whose clients may send data with their hello (RFC 8446, 2.3)."""

from __future__ import annotations

from collections.abc import Callable

from .connection import RECORD, WANT_CERTIFICATE, WANT_READ, Certify, Choose, TlsConnection
from .context import Context
from .errors import TlsError
from .library import openssl

_ERROR, _SUCCESS, _FINISHED = 0, 1, 2  # SSL_read_early_data


class EarlyTlsConnection(TlsConnection):
    """Reads early data first, and goes on with the handshake when they end."""

    __slots__ = ("_early", "_holds", "_kept", "_unsent", "hold")

    def __init__(self, context: Context, choose: Choose, certify: Certify, host: str) -> None:
        super().__init__(context, choose, certify, host)
        self._early = True  # data may come before the handshake is complete
        self._kept = b""
        self._unsent: list[bytes] = []
        self._holds = False
        self.hold: Callable[[bool], None] = lambda holds: None  # told when data have to wait

    def handshake(self) -> bool:
        """Whether requests can be served: the handshake is complete, or early data are there."""
        if not self._early:
            return super().handshake()
        openssl.ERR_clear_error()
        self.context.current = self
        try:
            data = self._read_early()
        finally:
            self.context.current = None
        if data is None:
            return False if self._early else super().handshake()
        self._kept = data
        return True

    def take_early(self) -> bytes:
        data, self._kept = self._kept, b""
        return data

    def _read_early(self) -> bytes | None:
        """None if no more is there, or will be."""
        length = openssl.ffi.new("size_t *")
        answer = openssl.SSL_read_early_data(self.pointer, openssl.buffer, RECORD, length)
        if answer == _SUCCESS:
            data: bytes = openssl.view[: length[0]]
            return data
        if answer == _FINISHED:
            self._early = False
        elif openssl.SSL_get_error(self.pointer, 0) not in (WANT_READ, WANT_CERTIFICATE):
            raise TlsError("SSL_read_early_data() failed")
        return None

    def read(self) -> bytes | None:
        if self._early:
            data = self._read_early()
            if data is not None or self._early:
                return data
        self.context.current = self
        try:
            data = super().read()
        finally:
            self.context.current = None
        self._send_rest()
        return data

    def write(self, data: bytes) -> None:
        """What cannot be sent before the handshake is complete is sent after it."""
        if self._early:
            length = openssl.ffi.new("size_t *")
            if openssl.SSL_write_early_data(self.pointer, data, len(data), length) != 1:
                raise TlsError("SSL_write_early_data() failed")
            return
        self._unsent.append(data)
        self._send_rest()
        if self._unsent:  # the client finishes the handshake when it likes, or never
            self._holds = True
            self.hold(True)

    def _send_rest(self) -> None:
        while self._unsent and openssl.SSL_is_init_finished(self.pointer):
            super().write(self._unsent.pop(0))
        if self._holds and not self._unsent:
            self._holds = False
            self.hold(False)
