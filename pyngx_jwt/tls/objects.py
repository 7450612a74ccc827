"""What a configuration loads of TLS: each file is read once, however many servers name it
(ngx_ssl_cache_fetch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .credentials import (
    Pair,
    Passwords,
    is_encrypted,
    load_authorities,
    load_chain,
    load_crls,
    load_key,
)


class TlsObjects:
    """Certificates, keys and lists by their names; what is loaded raises TlsError."""

    def __init__(self) -> None:
        self._objects: dict[tuple[Callable[..., Any], str], Any] = {}

    def pair(self, certificate: str, key: str, passwords: Passwords) -> Pair:
        """A certificate and its key."""
        chain = self._once(load_chain, certificate)
        return Pair(certificate, chain, key, self._key(key, passwords))

    def authorities(self, name: str) -> tuple[Any, ...]:
        """Certificates that are trusted."""
        found: tuple[Any, ...] = self._once(load_authorities, name)
        return found

    def crls(self, name: str) -> tuple[Any, ...]:
        """Lists of revoked certificates."""
        found: tuple[Any, ...] = self._once(load_crls, name)
        return found

    def _key(self, name: str, passwords: Passwords) -> Any:
        """What needs a password is not kept: another server may not have it."""
        if (load_key, name) in self._objects:
            return self._objects[load_key, name]
        key = load_key(name, passwords)
        if not is_encrypted(name):
            self._objects[load_key, name] = key
        return key

    def _once(self, load: Callable[[str], Any], name: str) -> Any:
        if (load, name) not in self._objects:
            self._objects[load, name] = load(name)
        return self._objects[load, name]
