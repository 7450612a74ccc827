"""Records of servers that clients can resume: a cache that all workers share
(ngx_ssl_new_session)."""

from __future__ import annotations

import time
from typing import Any

from ..zones.store import Records
from .context import Context
from .library import openssl

OFF, SERVER, NO_AUTO_CLEAR, NO_INTERNAL, NO_INTERNAL_STORE = 0, 0x2, 0x80, 0x300, 0x200
_LARGEST = 4096  # bytes of a session
_TLS13, _NO_TICKET = 0x0304, 1 << 14


class SharedSessions:
    """Keeps the sessions of a context in a zone."""

    def __init__(self, context: Context, store: Records, timeout: int) -> None:
        """`timeout` is in seconds."""
        self._store, self._timeout = store, timeout
        pointer = context.pointer
        openssl.SSL_CTX_sess_set_new_cb(pointer, context.keep("new_session_cb", self._new, 0))
        openssl.SSL_CTX_sess_set_get_cb(pointer, context.keep("get_session_cb", self._get))
        openssl.SSL_CTX_sess_set_remove_cb(pointer, context.keep("remove_session_cb", self._remove))

    def _new(self, ssl: Any, session: Any) -> int:
        """0: OpenSSL keeps the session that it has."""
        # Those of tickets come here as well, and are with the client.
        has_tickets = not openssl.SSL_get_options(ssl) & _NO_TICKET
        if openssl.SSL_version(ssl) == _TLS13 and has_tickets:
            return 0
        ffi = openssl.ffi
        size = openssl.i2d_SSL_SESSION(session, ffi.NULL)
        if 0 < size <= _LARGEST and (name := _name(session)):
            data = ffi.new("unsigned char[]", size)
            openssl.i2d_SSL_SESSION(session, ffi.new("unsigned char **", data))
            self._store.put(name, bytes(ffi.buffer(data, size)), time.time() + self._timeout)
        return 0

    def _get(self, ssl: Any, name: Any, length: int, copy: Any) -> Any:
        """The session is OpenSSL's from now on."""
        copy[0] = 0
        ffi = openssl.ffi
        data = self._store.get(bytes(ffi.buffer(name, length)), time.time())
        if data is None:
            return ffi.NULL
        memory = ffi.new("unsigned char[]", data)
        start = ffi.new("const unsigned char **", memory)
        return openssl.d2i_SSL_SESSION(ffi.NULL, start, len(data))

    def _remove(self, context: Any, session: Any) -> None:
        if name := _name(session):
            self._store.remove(name)


def _name(session: Any) -> bytes:
    length = openssl.ffi.new("unsigned int *")
    data = openssl.SSL_SESSION_get_id(session, length)
    return bytes(openssl.ffi.buffer(data, length[0]))
