"""Keys and digests for libraries whose own bindings of OpenSSL are too old."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from ...jwt import rsa
from .calls import Calls, LuaError

calls = Calls()


def _loaded(load: Callable[[bytes], Any], text: str) -> Any:
    try:
        return load(text.encode("latin-1"))
    except (ValueError, TypeError) as error:
        return None, str(error)


@calls
def load_public_key(pem: str) -> Any:
    return _loaded(rsa.public_key, pem)


@calls
def load_certificate(text: str) -> Any:
    return _loaded(rsa.key_of_certificate, text)


@calls
def load_private_key(pem: str) -> Any:
    return _loaded(rsa.private_key, pem)


def _check_digest(digest: str) -> None:
    if digest not in rsa.DIGESTS:
        raise LuaError(f'unsupported digest "{digest}"')


@calls
def verify_rsa(key: Any, message: str, signature: str, digest: str) -> bool:
    _check_digest(digest)
    return rsa.verify(key, message.encode("latin-1"), signature.encode("latin-1"), digest)


@calls
def sign_rsa(key: Any, message: str, digest: str) -> bytes:
    _check_digest(digest)
    return rsa.sign(key, message.encode("latin-1"), digest)


@calls
def hmac_digest(algorithm: str, key: str, text: str) -> bytes:
    return hmac.digest(key.encode("latin-1"), text.encode("latin-1"), algorithm)
