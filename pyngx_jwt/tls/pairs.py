"""Certificates that are loaded while serving, and kept for a while (ngx_ssl_cache)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .connection import TlsConnection
from .credentials import DATA, Pair, Passwords, is_encrypted, load_chain, load_key
from .errors import TlsError


class FileMark(NamedTuple):
    """What tells a file from another of its name, or from itself before it was written; zeros if
    it cannot be had."""

    written: int = 0  # nanoseconds
    number: int = 0
    size: int = 0


class _Entry:
    __slots__ = ("accessed", "created", "file", "value")

    def __init__(self, value: Any, created: float, accessed: float, file: FileMark) -> None:
        self.value = value
        self.created = created
        self.accessed = accessed
        self.file = file


class PairCache:
    """What was loaded of late, at most so many items; times are seconds.

    After `valid` a file is looked at, whether it has changed; what was not used for `inactive` is
    forgotten."""

    def __init__(self, most: int, valid: float, inactive: float) -> None:
        self._most, self._valid, self._inactive = most, valid, inactive
        self._entries: dict[tuple[str, str], _Entry] = {}  # the longest unused first

    def load(self, certificate: str, key: str, passwords: Passwords, *, afresh: bool) -> Pair:
        """A certificate and its key; raises TlsError."""
        chain = self._fetch("chain", certificate, lambda: load_chain(certificate), afresh)
        found = self._fetch("key", key, lambda: load_key(key, passwords), afresh)
        return Pair(certificate, chain, key, found)

    def _fetch(self, kind: str, name: str, load: Callable[[], Any], afresh: bool) -> Any:
        now = time.monotonic()
        entry = self._entries.pop((kind, name), None)
        if entry is None or not self._is_good(entry, name, now, afresh):
            file = file_of(name)
            value = load()
            if kind == "key" and is_encrypted(name):
                return value
            entry = _Entry(value, now, now, file)
        entry.accessed = now
        self._entries[kind, name] = entry
        self._expire(now)
        return entry.value

    def _is_good(self, entry: _Entry, name: str, now: float, afresh: bool) -> bool:
        if name.startswith(DATA):
            return True
        if afresh:
            return False
        if now - entry.created > self._valid:
            if file_of(name) != entry.file:
                return False
            entry.created = now
        return True

    def _expire(self, now: float) -> None:
        while len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]
        for name, entry in list(self._entries.items()):
            if now - entry.accessed <= self._inactive:
                break
            del self._entries[name]


def file_of(name: str) -> FileMark:
    try:
        status = os.stat(name)
    except OSError:
        return FileMark()
    return FileMark(status.st_mtime_ns, status.st_ino, status.st_size)


class CertificateName(NamedTuple):
    """A certificate to be loaded for one connection; both are names of files, or data."""

    certificate: str
    key: str
    cache: PairCache | None = None
    passwords: tuple[bytes, ...] = ()

    def show(self, tls: TlsConnection) -> None:
        """Lets the connection show it; raises TlsError.

        Files can be replaced one after the other: if they do not fit they are read once more."""
        try:
            tls.show(self._load(afresh=False))
        except TlsError as error:
            if self.cache is None or not error.is_mismatch:
                raise
            tls.show(self._load(afresh=True))

    def _load(self, *, afresh: bool) -> Pair:
        if self.cache is not None:
            return self.cache.load(self.certificate, self.key, self.passwords, afresh=afresh)
        chain = load_chain(self.certificate)
        return Pair(self.certificate, chain, self.key, load_key(self.key, self.passwords))
