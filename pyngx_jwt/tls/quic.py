"""TLS whose messages QUIC carries, instead of records over TCP (RFC 9001).

OpenSSL before 3.5 has no functions for it. So its messages are taken where it announces them, and
its secrets where it would log them; what the client says comes in records of our own making
(ngx_event_quic_openssl_compat.c). Early data cannot be had in this way.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from .connection import TlsConnection
from .context import Context
from .errors import TlsError
from .library import SIZE, openssl

PARAMETERS = 57  # the extension with the parameters of the transport
_HELLO, _ENCRYPTED_EXTENSIONS = 0x80, 0x400  # messages that an extension is part of
_HANDSHAKE, _ALERT = 22, 21  # kinds of records
# What secrets are called where OpenSSL logs them.
CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT, SERVER = (
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
)
SECRETS = frozenset({CLIENT_HANDSHAKE, SERVER_HANDSHAKE, CLIENT, SERVER})


def carry_quic(context: Context) -> None:
    """Prepares a context for connections of this kind, once.  Raises TlsError."""
    if context in _prepared:
        return
    _prepared.add(context)
    log = context.keep("keylog_cb", lambda _, line: _note_secret(context, line))
    openssl.SSL_CTX_set_keylog_callback(context.pointer, log)
    add = context.keep("add_extension_cb", lambda *values: _add(context, *values), 0)
    parse = context.keep("parse_extension_cb", lambda *values: _parse(context, *values), 0)
    messages, null = _HELLO | _ENCRYPTED_EXTENSIONS, openssl.ffi.NULL
    if not openssl.SSL_CTX_add_custom_ext(
        context.pointer, PARAMETERS, messages, add, null, null, parse, null
    ):
        raise TlsError("SSL_CTX_add_custom_ext() failed")


_prepared: weakref.WeakSet[Context] = weakref.WeakSet()


class QuicTlsConnection(TlsConnection):
    """`told` is what OpenSSL has said since that was last looked at, in order."""

    __slots__ = ("_message", "_parameters", "alert", "peer_parameters", "told")

    def __init__(
        self,
        context: Context,
        choose: Callable[[Iterable[bytes]], bytes | None],
        certify: Callable[[], bool],
        host: str,
    ) -> None:
        super().__init__(context, choose, certify, host)
        self.told: list[tuple[str, bytes]] = []  # the name of a secret, "" for a message
        self.alert = 0  # that would be sent
        self.peer_parameters: bytes | None = None
        self._parameters: Any = None
        self._message = openssl.ffi.callback("message_cb", self._hear)
        openssl.SSL_set_msg_callback(self.pointer, self._message)
        openssl.SSL_set_max_early_data(self.pointer, 0)

    def set_parameters(self, parameters: bytes) -> None:
        """Sets what the client is told of the transport."""
        self._parameters = openssl.ffi.new("unsigned char[]", list(parameters))

    @property
    def parameters(self) -> Any:
        """That, where OpenSSL can read it."""
        return self._parameters

    def hear_secret(self, name: str, secret: bytes) -> None:
        """OpenSSL has made a secret."""
        self.told.append((name, secret))

    def _hear(
        self, writes: int, _: int, kind: int, data: Any, size: int, __: Any, ___: Any
    ) -> None:
        if not writes:
            return
        if kind == _HANDSHAKE:
            self.told.append(("", bytes(openssl.ffi.buffer(data, size))))
        elif kind == _ALERT and size > 1:
            self.alert = bytes(openssl.ffi.buffer(data, size))[1]

    @property
    def suite(self) -> int:
        """The number of the cipher suite."""
        cipher = openssl.SSL_get_current_cipher(self.pointer)
        number: int = openssl.SSL_CIPHER_get_protocol_id(cipher)
        return number

    def go_on(self) -> bool:
        """Looks at what was fed: whether the handshake is complete.  Raises TlsError."""
        try:
            return self.handshake()
        finally:
            while len(self.take()) == SIZE:  # the records themselves are not sent
                pass


def _current(context: Context) -> QuicTlsConnection | None:
    current = context.current
    return current if isinstance(current, QuicTlsConnection) else None


def _note_secret(context: Context, line: Any) -> None:
    context.note_keys(line)
    connection = _current(context)
    if connection is None:
        return
    name, _, secret = openssl.ffi.string(line).decode().split()
    if name in SECRETS:
        connection.hear_secret(name, bytes.fromhex(secret))


def _add(context: Context, _: Any, __: Any, ___: Any, out: Any, size: Any, *____: Any) -> int:
    connection = _current(context)
    if connection is None or connection.parameters is None:
        return 0
    out[0], size[0] = connection.parameters, len(connection.parameters)
    return 1


def _parse(context: Context, _: Any, __: Any, ___: Any, data: Any, size: int, *____: Any) -> int:
    connection = _current(context)
    if connection is not None:
        connection.peer_parameters = bytes(openssl.ffi.buffer(data, size))
    return 1
