"""Keys of an issuer that is known by its URL: discovered, fetched and bound to it.

The workers fetch them themselves, by OpenID Connect Discovery 1.0 or RFC 8414, and keep them for as
long as the issuer says, within bounds of ours.
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import urlsplit

from ...errors import ConfError
from ...http.request import Request
from ...jwt import KeySet, KeySetError, NoUsableKey
from ...jwt.encoding import decode_json, unicode
from ...upstream.errors import UpstreamError
from ...upstream.fetch import Document, fetch_url
from .key_request import Answered, KeyRequest
from .key_sets import JWKS, Failure, KeyForm, KeySets
from .shelf import KeyShelf, name_of_issuer

SUFFIX = "/.well-known/openid-configuration"
SHORTEST, LONGEST = 60.0, 3600.0  # seconds that keys are used without looking for newer ones
USUAL = 600.0  # if the issuer does not say how long
TIME = 20.0  # seconds for a document
DESCRIPTION = 256 * 1024  # bytes
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.ASCII)
_REUSED_NEVER = re.compile(r"(?:^|[\s,])(?:no-store|no-cache)\b")


def check_url(directive: str, url: str) -> str:
    """The URL without what makes no difference; raises ConfError."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    is_local = host in ("localhost", "127.0.0.1", "::1")
    if not host or parts.scheme not in ("http", "https") or parts.fragment:
        raise ConfError(f'invalid URL "{url}" in "{directive}"')
    if parts.scheme == "http" and not is_local:
        raise ConfError(f'"{directive}" requires https: keys from "{url}" could be anyone\'s')
    return url


class IssuerKeys(KeyRequest):
    """The keys of one issuer; they verify no tokens of others."""

    __slots__ = ("_issuer", "_jwks", "_limits", "_trusted")

    def __init__(
        self,
        issuer: str,
        jwks: str,
        trusted: str,
        stale: float,
        sets: KeySets,
        form: KeyForm = JWKS,
        shelf: KeyShelf | None = None,
    ) -> None:
        super().__init__(issuer, USUAL, stale, sets, form, shelf)
        self._issuer, self._jwks, self._trusted = issuer, jwks, trusted
        self.place = f'issuer "{issuer}"'
        self._on_shelf = name_of_issuer(issuer, jwks, form.name)
        self.is_bound = True

    def concerns(self, issuer: object) -> bool:
        return issuer == unicode(self._issuer)

    @property
    def _sentence(self) -> str:
        return f'failed to load jwks: "{self._issuer}"'

    def _parse(self, octets: bytes, r: Request | None) -> KeySet:
        return super()._parse(octets, r).bound_to(frozenset({unicode(self._issuer)}))

    def stand_in(self, octets: bytes | None) -> None:
        super().stand_in(octets)
        if isinstance(self._keys, KeySet):
            self._keys = self._keys.bound_to(frozenset({unicode(self._issuer)}))

    async def _answer(self, r: Request, refresh: bool) -> Answered:
        asked = time.time()
        try:
            url = self._jwks or await self._discover()
            asked = time.time()
            document = await self._get(url, self._sets.limits.set_size)
            keys = self._parse(document.body, r)
        except (UpstreamError, KeySetError) as error:
            withdraws = isinstance(error, NoUsableKey)
            text = f"{self.place} failed: {error}"
            return Failure(text, self._sentence, withdraws=withdraws, unavailable=True), asked
        self._lifetime = lifetime_of(document.cache_control)
        self._shelf.put(self._on_shelf, document.body, max(self._lifetime, self._stale), asked)
        return keys, asked

    async def _discover(self) -> str:
        """The URL of the keys; raises UpstreamError."""
        url = self._issuer.rstrip("/") + SUFFIX
        document = await self._get(url, DESCRIPTION)
        try:
            description: Any = decode_json(document.body)
        except ValueError:
            raise UpstreamError(f"{url}: no JSON") from None
        if not isinstance(description, dict):
            raise UpstreamError(f"{url}: no JSON object")
        # OpenID Connect Discovery 1.0, section 4.3: it must be the issuer that was asked.
        if description.get("issuer") != unicode(self._issuer):
            raise UpstreamError(f'{url}: "issuer" is not "{self._issuer}"')
        found = description.get("jwks_uri")
        if not isinstance(found, str):
            raise UpstreamError(f'{url}: no "jwks_uri"')
        try:
            return check_url("jwks_uri", found)
        except ConfError as error:
            raise UpstreamError(f"{url}: {error.args[0]}") from None

    async def _get(self, url: str, most: int) -> Document:
        try:
            document = await fetch_url(url, most=most, seconds=TIME, trusted=self._trusted)
        except UpstreamError as error:
            raise UpstreamError(f"{url}: {error}") from None
        if document.status != 200:
            raise UpstreamError(f"{url}: status {document.status}")
        return document


def lifetime_of(cache_control: str) -> float:
    """The seconds for which keys are used without looking for newer ones."""
    text = cache_control.lower()
    if _REUSED_NEVER.search(text):
        return SHORTEST
    match = _MAX_AGE.search(text)
    return min(max(float(match[1]), SHORTEST), LONGEST) if match else USUAL
