"""What a configuration loads of TLS: each file is read once, however many servers name it, and not
again by a reload if it is the same (ngx_ssl_cache_fetch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from .context import Context
from .credentials import (
    DATA,
    Pair,
    Passwords,
    is_encrypted,
    load_authorities,
    load_chain,
    load_crls,
    load_key,
)
from .errors import TlsError
from .pairs import FileMark, file_of

Key = tuple[Callable[..., Any], str]  # what loads it, and its name


class _Object(NamedTuple):
    value: Any
    file: FileMark


class TlsObjects:
    """Certificates, keys and lists by their names; what is loaded raises TlsError."""

    running: ClassVar[TlsObjects | None] = None  # whose objects a reload can take over

    def __init__(self) -> None:
        self._objects: dict[Key, _Object] = {}
        self.is_inheritable = True

    def start(self) -> None:
        """The configuration is in use from now on."""
        TlsObjects.running = self if self.is_inheritable else None

    def use(self, context: Context, certificate: str, key: str, passwords: Passwords) -> None:
        """Lets a context show a certificate.

        A file can be replaced without a trace: if the two do not fit, both are read again."""
        try:
            context.use(self.pair(certificate, key, passwords))
        except TlsError as error:
            if TlsObjects.running is None or not error.is_mismatch:
                raise
            self._load((load_chain, certificate), lambda: load_chain(certificate))
            self._load((load_key, key), lambda: load_key(key, passwords))
            context.use(self.pair(certificate, key, passwords))

    def pair(self, certificate: str, key: str, passwords: Passwords) -> Pair:
        """A certificate and its key."""
        chain = self._once(load_chain, certificate)
        found = self._find((load_key, key), lambda: load_key(key, passwords))
        return Pair(certificate, chain, key, found)

    def authorities(self, name: str) -> tuple[Any, ...]:
        """Certificates that are trusted."""
        found: tuple[Any, ...] = self._once(load_authorities, name)
        return found

    def crls(self, name: str) -> tuple[Any, ...]:
        """Lists of revoked certificates."""
        found: tuple[Any, ...] = self._once(load_crls, name)
        return found

    def _once(self, load: Callable[[str], Any], name: str) -> Any:
        return self._find((load, name), lambda: load(name))

    def _find(self, key: Key, load: Callable[[], Any]) -> Any:
        if key not in self._objects and not self._inherit(key):
            return self._load(key, load)
        return self._objects[key].value

    def _inherit(self, key: Key) -> bool:
        """Takes over what the running configuration has, if the file is the same."""
        running = TlsObjects.running
        found = None if running is None else running._objects.get(key)
        if found is None:
            return False
        if not key[1].startswith(DATA) and (found.file != file_of(key[1]) or not found.file.number):
            return False
        self._objects[key] = found
        return True

    def _load(self, key: Key, load: Callable[[], Any]) -> Any:
        """What needs a password is not kept: another server may not have it."""
        file = file_of(key[1])
        value = load()
        if key[0] is not load_key or not is_encrypted(key[1]):
            self._objects[key] = _Object(value, file)
        return value
