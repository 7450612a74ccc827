"""What a server gives clients to show again, and what it does not have to remember for it.

Sources: ngx_event_quic_tokens.c, RFC 9000, 8.1 and 10.3.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RETRY_LIFETIME = 3  # seconds (NGX_QUIC_RETRY_TOKEN_LIFETIME)
LIFETIME = 600  # seconds of tokens for later connections (NGX_QUIC_NEW_TOKEN_LIFETIME)
RESET_SIZE = 16  # bytes
_NONCE = 12
_RETRY, _LATER = b"\x01", b"\x00"
_DIGEST = 16
Address = tuple[str, int]


class BadToken(Exception):
    """A token that we have not made."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token says that is ours."""

    is_good: bool  # for this client, and not too old
    original: bytes | None  # the connection id that a Retry packet has answered, if it is of one


class Tokens:
    """Those of one host key."""

    __slots__ = ("_cipher", "_reset_key")

    def __init__(self, host_key: bytes) -> None:
        self._cipher = AESGCM(_derive(b"address token", host_key))
        self._reset_key = _derive(b"stateless reset", host_key)

    def for_retry(self, client: Address, original: bytes) -> bytes:
        """The token of a Retry packet, for this address and port."""
        return self._seal(_RETRY, RETRY_LIFETIME, _digest(client, with_port=True), original)

    def for_later(self, client: Address) -> bytes:
        """A token that lets a later connection of this address do without a Retry packet."""
        return self._seal(_LATER, LIFETIME, _digest(client, with_port=False), b"")

    def _seal(self, kind: bytes, lifetime: int, client: bytes, original: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        text = kind + (int(time.time()) + lifetime).to_bytes(8) + client + original
        return nonce + self._cipher.encrypt(nonce, text, None)

    def look_at(self, token: bytes, client: Address) -> Shown:
        """What a token says; raises BadToken if it is not ours."""
        try:
            text = self._cipher.decrypt(token[:_NONCE], token[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise BadToken from None
        is_retry = text[:1] == _RETRY
        end = 9 + _DIGEST
        is_theirs = hmac.compare_digest(text[9:end], _digest(client, with_port=is_retry))
        is_good = is_theirs and int.from_bytes(text[1:9]) >= time.time()
        return Shown(is_good, text[end:] if is_retry else None)

    def reset_token(self, connection_id: bytes) -> bytes:
        """What lets a client recognize that we do not know its connection any more."""
        return hmac.digest(self._reset_key, connection_id, "sha256")[:RESET_SIZE]


def _derive(purpose: bytes, host_key: bytes) -> bytes:
    return hashlib.blake2b(host_key, digest_size=16, person=purpose[:16]).digest()


def _digest(client: Address, *, with_port: bool) -> bytes:
    text = f"{client[0]} {client[1]}" if with_port else client[0]
    return hashlib.blake2b(text.encode("latin-1"), digest_size=_DIGEST).digest()
