"""The TLS of a QUIC connection: OpenSSL's, where aioquic expects its own.

It has the attributes and methods of `aioquic.tls.Context` that a connection uses.
"""

from __future__ import annotations

from collections.abc import Callable

from aioquic import tls
from aioquic._buffer import Buffer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from ..tls.errors import TlsError
from ..tls.hello import Hello, HelloReader
from ..tls.quic import CLIENT, CLIENT_HANDSHAKE, SERVER_HANDSHAKE, QuicTlsConnection

RECORD = 16384  # bytes of a message in one record
_HANDSHAKE, _APPLICATION_DATA = 22, 23
_MAJOR_MINOR = b"\x03\x03"
_TAG, _IV = 16, 12
_SUITES: dict[int, tuple[tls.CipherSuite, int, hashes.HashAlgorithm]] = {
    0x1301: (tls.CipherSuite.AES_128_GCM_SHA256, 16, hashes.SHA256()),
    0x1302: (tls.CipherSuite.AES_256_GCM_SHA384, 32, hashes.SHA384()),
    0x1303: (tls.CipherSuite.CHACHA20_POLY1305_SHA256, 32, hashes.SHA256()),
}
UNEXPECTED_MESSAGE, HANDSHAKE_FAILURE = 10, 40
MISSING_EXTENSION, NO_APPLICATION_PROTOCOL = 109, 120
Extension = tuple[int, bytes]


class Refused(Exception):
    """The handshake fails, with an alert; the text is logged."""

    def __init__(self, alert: int, text: str) -> None:
        super().__init__(text)
        self.alert = alert


class Alert(tls.Alert):
    """What the client is told of a failure."""

    def __init__(self, alert: int, text: str = "") -> None:
        super().__init__(text)
        self.description = alert  # type: ignore[assignment]


class _Sealer:
    """Makes the records in which OpenSSL expects what the client has encrypted for QUIC."""

    def __init__(self, suite: int, secret: bytes) -> None:
        _, size, digest = _SUITES[suite]
        key = tls.hkdf_expand_label(digest, secret, b"key", b"", size)
        self._iv = int.from_bytes(tls.hkdf_expand_label(digest, secret, b"iv", b"", _IV))
        self._cipher = ChaCha20Poly1305(key) if suite == 0x1303 else AESGCM(key)
        self._number = 0

    def seal(self, data: bytes) -> bytes:
        length = (len(data) + 1 + _TAG).to_bytes(2)
        head = bytes((_APPLICATION_DATA,)) + _MAJOR_MINOR + length
        nonce = (self._iv ^ self._number).to_bytes(_IV)
        self._number += 1
        return head + self._cipher.encrypt(nonce, data + bytes((_HANDSHAKE,)), head)


class Handshake:
    """The server's side of a handshake, and what aioquic wants to know of it."""

    def __init__(
        self,
        open_tls: Callable[[Hello], QuicTlsConnection],
        put: Callable[[tls.Epoch, bytes], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """`open_tls` finds the server for a client, or raises Refused; `put` takes messages to
        the client; `failed` is told why there is an alert."""
        self._open_tls, self._put, self._failed = open_tls, put, failed
        self._reader = HelloReader()
        self._early = b""  # records that have come before the hello was whole
        self._sealer: _Sealer | None = None
        self._write_epoch = tls.Epoch.INITIAL
        self.connection: QuicTlsConnection | None = None
        self.epoch = tls.Epoch.INITIAL  # of what comes
        # What aioquic looks at.
        self.state = tls.State.SERVER_EXPECT_CLIENT_HELLO
        self.alpn_negotiated: str | None = None
        self.early_data_accepted = self.session_resumed = False
        self.legacy_session_id = b""
        self.received_extensions: list[Extension] = []
        self.handshake_extensions: list[Extension] = []
        self.alpn_cb: Callable[[str], None] = lambda name: None
        self.update_traffic_key_cb: Callable[
            [tls.Direction, tls.Epoch, tls.CipherSuite, bytes], None
        ] = lambda direction, epoch, suite, secret: None

    def handle_message(self, data: bytes, _: dict[tls.Epoch, Buffer]) -> None:
        """Takes what the client says; raises tls.Alert."""
        if self.state == tls.State.SERVER_POST_HANDSHAKE or self.epoch == tls.Epoch.ONE_RTT:
            raise Alert(UNEXPECTED_MESSAGE)
        for at in range(0, len(data), RECORD):
            part = data[at : at + RECORD]
            if self.epoch == tls.Epoch.INITIAL:
                self._take_hello(part)
            else:
                self._take_sealed(part)

    def _take_hello(self, part: bytes) -> None:
        record = bytes((_HANDSHAKE,)) + _MAJOR_MINOR + len(part).to_bytes(2) + part
        if self.connection is not None:  # another hello, as we have asked for
            self._go_on(self.connection, record)
            return
        self._early += record
        hello = self._reader.feed(record)
        if hello is None:
            return
        try:
            self.connection = self._open_tls(hello)
        except Refused as refused:
            self._failed(refused)
            raise Alert(refused.alert, str(refused)) from None
        self.connection.set_parameters(self.handshake_extensions[0][1])
        self._go_on(self.connection, self._early)

    def _take_sealed(self, part: bytes) -> None:
        if self._sealer is None or self.connection is None:
            raise Alert(UNEXPECTED_MESSAGE)
        self._go_on(self.connection, self._sealer.seal(part))

    def _go_on(self, connection: QuicTlsConnection, records: bytes) -> None:
        connection.feed(records)
        done, failure = False, None
        try:
            done = connection.go_on()
        except TlsError as error:
            failure = error
        self._learn(connection)
        if failure is not None:
            self._failed(failure)
            raise Alert(connection.alert or HANDSHAKE_FAILURE, "handshake failed")
        self._pass_on(connection)
        if done:
            self.session_resumed = connection.is_resumed
            self.state = tls.State.SERVER_POST_HANDSHAKE

    def _learn(self, connection: QuicTlsConnection) -> None:
        """Tells aioquic of the client's hello, before the first secret."""
        if self.state != tls.State.SERVER_EXPECT_CLIENT_HELLO or not any(
            name for name, _ in connection.told
        ):
            return
        self.state = tls.State.SERVER_EXPECT_FINISHED
        self.alpn_negotiated = connection.alpn
        if not self.alpn_negotiated:
            raise Alert(NO_APPLICATION_PROTOCOL, "unsupported protocol in ALPN extension")
        if connection.peer_parameters is None:
            raise Alert(MISSING_EXTENSION, "missing transport parameters")
        kind = int(tls.ExtensionType.QUIC_TRANSPORT_PARAMETERS)
        self.received_extensions = [(kind, connection.peer_parameters)]
        self.alpn_cb(self.alpn_negotiated)

    def _pass_on(self, connection: QuicTlsConnection) -> None:
        """Gives aioquic the secrets, and the messages at the level of the latest one."""
        told, connection.told = connection.told, []
        for name, data in told:
            if not name:
                self._put(self._write_epoch, data)
                continue
            suite = connection.suite
            if suite not in _SUITES:
                raise Alert(HANDSHAKE_FAILURE, "unexpected cipher")
            is_handshake = name in (CLIENT_HANDSHAKE, SERVER_HANDSHAKE)
            epoch = tls.Epoch.HANDSHAKE if is_handshake else tls.Epoch.ONE_RTT
            if name in (CLIENT_HANDSHAKE, CLIENT):
                direction = tls.Direction.DECRYPT
                self._sealer = _Sealer(suite, data)
            else:
                direction, self._write_epoch = tls.Direction.ENCRYPT, epoch
            self.update_traffic_key_cb(direction, epoch, _SUITES[suite][0], data)
