"""Keys of session tickets: from files, or made and replaced by the workers together
(ngx_ssl_ticket_key_callback)."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from ..zones.store import Records
from .context import Context
from .library import openssl

SIZES = (48, 80)  # bytes of a file: 16 for the name, the rest for AES and HMAC
_NAME, _IV = 16, 16
_TLS13 = 0x0304
_ENCRYPT, _GOOD, _RENEW, _UNKNOWN, _FAILED = 1, 1, 2, 0, -1
_RECORD = struct.Struct(">Q80s")  # when it expires, in seconds; the key


class TicketKey(NamedTuple):
    """`expires` is in seconds since the epoch, of keys that are replaced."""

    name: bytes
    aes: bytes
    hmac: bytes
    expires: int = 0


def key_of(data: bytes) -> TicketKey:
    """The key in a file of 48 bytes (AES-128) or 80 bytes (AES-256)."""
    if len(data) == SIZES[0]:
        return TicketKey(data[:16], data[16:32], data[32:])
    return TicketKey(data[:16], data[48:], data[16:48])


class TicketKeys(Protocol):
    """The first key encrypts, all decrypt."""

    def current(self) -> Sequence[TicketKey]:
        """What is good now."""


class GivenKeys:
    """Keys that the configuration names."""

    def __init__(self, keys: Sequence[TicketKey]) -> None:
        self._keys = keys

    def current(self) -> Sequence[TicketKey]:
        return self._keys


class SharedKeys:
    """Keys that are replaced as time passes, the same in all workers and after a reload.

    There are three: that of today, that of yesterday, whose tickets are still good, and that of
    tomorrow, which all workers know before it is used (ngx_ssl_rotate_ticket_keys)."""

    def __init__(self, store: Records, timeout: int) -> None:
        """`timeout` is how long tickets are good, in seconds."""
        self._store, self._timeout = store, timeout
        self._keys: tuple[TicketKey, ...] = ()

    def current(self) -> Sequence[TicketKey]:
        now = int(time.time())
        needed = now + self._timeout
        keys = self._keys
        if not keys or keys[0].expires < needed or keys[1].expires < now:
            self._keys = _unpack(self._store.rotate(lambda old: _rotated(old, now, needed)))[:2]
        return self._keys


def _rotated(old: bytes, now: int, needed: int) -> bytes:
    keys = _unpack(old)
    if not keys:
        first = _new_key()._replace(expires=needed)
        keys = (first, first._replace(expires=0), first)
    today, yesterday, tomorrow = keys
    if yesterday.expires < now:
        today, yesterday, tomorrow = tomorrow, today, _new_key()
    if needed > today.expires:
        today = today._replace(expires=needed)
    return b"".join(map(_pack, (today, yesterday, tomorrow)))


def _new_key() -> TicketKey:
    return key_of(os.urandom(SIZES[1]))


def _pack(key: TicketKey) -> bytes:
    return _RECORD.pack(key.expires, key.name + key.hmac + key.aes)


def _unpack(data: bytes) -> tuple[TicketKey, ...]:
    return tuple(
        key_of(key)._replace(expires=expires) for expires, key in _RECORD.iter_unpack(data)
    )


class Tickets:
    """Encrypts and decrypts the tickets of a context."""

    def __init__(self, context: Context, keys: TicketKeys) -> None:
        self._keys = keys
        digest = openssl.ffi.new("char[]", b"SHA256")
        construct = openssl.OSSL_PARAM_construct_utf8_string
        self._name = openssl.ffi.new("char[]", b"digest")
        self._digest = digest
        self._params = openssl.ffi.new("OSSL_PARAM[2]")
        self._params[0] = construct(self._name, digest, 0)
        self._params[1] = openssl.OSSL_PARAM_construct_end()
        callback = context.keep("ticket_cb", self._call, _FAILED)
        openssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(context.pointer, callback)

    def _call(self, ssl: Any, name: Any, iv: Any, cipher: Any, mac: Any, encrypts: int) -> int:
        keys = self._keys.current()
        return (
            self._encrypt(keys[0], name, iv, cipher, mac)
            if encrypts == _ENCRYPT
            else self._decrypt(ssl, keys, name, iv, cipher, mac)
        )

    def _encrypt(self, key: TicketKey, name: Any, iv: Any, cipher: Any, mac: Any) -> int:
        openssl.ffi.memmove(iv, os.urandom(_IV), _IV)
        openssl.ffi.memmove(name, key.name, _NAME)
        null = openssl.ffi.NULL
        if openssl.EVP_EncryptInit_ex(cipher, _cipher(key), null, key.aes, iv) != 1:
            return _FAILED
        return _GOOD if self._init_mac(mac, key) else _FAILED

    def _decrypt(
        self, ssl: Any, keys: Sequence[TicketKey], name: Any, iv: Any, cipher: Any, mac: Any
    ) -> int:
        wanted = bytes(openssl.ffi.buffer(name, _NAME))
        at = next((at for at, key in enumerate(keys) if key.name == wanted), -1)
        if at < 0:
            return _UNKNOWN
        key, null = keys[at], openssl.ffi.NULL
        if openssl.EVP_DecryptInit_ex(cipher, _cipher(key), null, key.aes, iv) != 1:
            return _FAILED
        if not self._init_mac(mac, key):
            return _FAILED
        return _RENEW if at or openssl.SSL_version(ssl) == _TLS13 else _GOOD

    def _init_mac(self, mac: Any, key: TicketKey) -> bool:
        return bool(openssl.EVP_MAC_init(mac, key.hmac, len(key.hmac), self._params) == 1)


def _cipher(key: TicketKey) -> Any:
    return openssl.EVP_aes_128_cbc() if len(key.aes) == 16 else openssl.EVP_aes_256_cbc()
