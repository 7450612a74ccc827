"""Where keys come from: files, and subrequests.

A source holds what it found last, a key set or the reason why there is none, and until when
that counts without another look.  Times are seconds since the epoch.
"""

from __future__ import annotations

import math

from ...http.request import Request
from .key_file import KeyFile
from .key_request import KeyRequest
from .key_sets import JWKS, KeyForm, Keys, KeySets
from .shelf import KeyShelf


class FixedKeys:
    """Keys that the configuration itself holds."""

    __slots__ = ("_keys", "place")

    until = math.inf
    is_bound = False

    def __init__(self, keys: Keys, place: str) -> None:
        self._keys, self.place = keys, place

    @property
    def name(self) -> str:
        """What pyngx_jwt_key_issuer calls it."""
        return self.place

    def current(self, r: Request, now: float) -> Keys:
        """The keys."""
        return self._keys


Source = KeyFile | KeyRequest | FixedKeys


class Sources:
    """The sources of a configuration whose names are constant: levels that have the same
    share it."""

    def __init__(self) -> None:
        self.sets = KeySets()
        self.shelf = KeyShelf()
        self.servers: dict[int, list[KeyRequest]] = {}  # by the server level that it is for
        self._files: dict[tuple[str, str], KeyFile] = {}
        self._requests: dict[tuple[int, str, float, float, str], KeyRequest] = {}
        self.issuers: dict[tuple[str, ...], KeyRequest] = {}

    def file(self, path: str, form: KeyForm = JWKS) -> KeyFile:
        """The file of this full path."""
        return self._files.setdefault((path, form.name), KeyFile(path, self.sets, form))

    @property
    def files(self) -> list[KeyFile]:
        """All files."""
        return [*self._files.values()]

    @property
    def requests(self) -> list[KeyRequest]:
        """All locations."""
        return [*self._requests.values(), *self.issuers.values()]

    @property
    def usable_files(self) -> list[KeyFile]:
        """Those with keys in them."""
        return [file for file in self._files.values() if file.key_set is not None]

    def request(
        self, server: int, uri: str, cache: float, stale: float, form: KeyForm = JWKS
    ) -> KeyRequest:
        """The location of this URI in a server."""
        key = (server, uri, cache, stale, form.name)
        request = self._requests.get(key)
        if request is None:
            request = KeyRequest(uri, cache, stale, self.sets, form, self.shelf)
            self._requests[key] = request
            self.servers.setdefault(server, []).append(request)
        return request
