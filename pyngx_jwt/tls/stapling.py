"""States of our certificates, stapled to handshakes (RFC 6066, 8; ngx_ssl_stapling)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from .context import Context
from .library import openssl
from .ocsp import GOOD, OcspError, Question
from .responder import Responder

_STATUS_CALLBACK = 63  # SSL_CTX_callback_ctrl
_SET_RESPONSE = 71  # SSL_ctrl
_OK, _NO_ACK = 0, 3  # what the callback answers
TIMEOUT = 60.0  # seconds for a responder
_RETRY, _LONGEST, _AHEAD = 300, 3600, 300  # seconds
Log = Callable[[str], None]


class Staple:
    """The response about one certificate, given or renewed as time passes."""

    __slots__ = ("log", "question", "refresh", "responder", "response", "task", "valid")

    def __init__(
        self,
        response: bytes = b"",
        valid: float = inf,
        question: Question | None = None,
        responder: Responder | None = None,
        log: Log | None = None,
    ) -> None:
        self.response = response
        self.valid = valid  # seconds since the epoch
        self.question = question  # together with the next one
        self.responder = responder
        self.log = log  # for what goes wrong
        self.refresh = 0.0
        self.task: asyncio.Task[None] | None = None

    def current(self, store: Any) -> bytes:
        """The response, b"" if there is none yet; starts to fetch the next one if it is time."""
        now = time.time()
        if self.responder is not None and self.task is None and self.refresh < now:
            self.task = asyncio.get_running_loop().create_task(self._renew(store))
        return self.response if self.valid >= now else b""

    async def _renew(self, store: Any) -> None:
        assert self.question is not None and self.responder is not None and self.log is not None
        self.refresh = time.time() + _RETRY
        try:
            async with asyncio.timeout(TIMEOUT):
                answer, response = await self.responder.ask(self.question, store)
            if answer.status != GOOD:
                raise OcspError(f'certificate status "{answer.words}" in the OCSP response')
            self.response, self.valid = response, answer.valid
            now = time.time()
            self.refresh = max(min(answer.valid - _AHEAD, now + _LONGEST), now + _RETRY)
        except OcspError as error:
            self.log(str(error))
        except TimeoutError:
            self.log("OCSP responder timed out (110: Connection timed out)")
        finally:
            self.task = None


class Stapling:
    """The staples of a context, by certificate."""

    def __init__(self, context: Context, staples: Mapping[int, Staple]) -> None:
        self._context, self._staples = context, staples
        callback = context.keep("status_cb", self._answer, _NO_ACK)
        function = openssl.ffi.cast("void (*)(void)", callback)
        openssl.SSL_CTX_callback_ctrl(context.pointer, _STATUS_CALLBACK, function)

    def _answer(self, ssl: Any, _: Any) -> int:
        staple = self._staples.get(address_of(openssl.SSL_get_certificate(ssl)))
        data = staple.current(self._context.store) if staple is not None else b""
        if not data:
            return _NO_ACK
        memory = openssl.CRYPTO_malloc(len(data), b"", 0)  # OpenSSL frees it
        openssl.ffi.memmove(memory, data, len(data))
        openssl.SSL_ctrl(ssl, _SET_RESPONSE, len(data), memory)
        return _OK


def address_of(certificate: Any) -> int:
    """What identifies a certificate that a context shows."""
    return int(openssl.ffi.cast("uintptr_t", certificate))
