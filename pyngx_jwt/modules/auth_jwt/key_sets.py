"""Key sets as sources hold them: the forms in which keys are written down, what was parsed,
and the reason why there is nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from ...http.template import Template
from ...jwt import KeySet, Limits

REMEMBERED = 64  # parsed key sets

Report = Callable[[str], None]


class Parse(Protocol):
    """Makes keys of a text; raises KeySetError."""

    def __call__(self, source: bytes, *, limits: Limits) -> KeySet: ...


class KeyForm(NamedTuple):
    """How keys are written down; `name` is what kjdev's module calls it."""

    name: str
    parse: Parse


JWKS = KeyForm("jwks", KeySet.parse)


class KeyName(NamedTuple):
    """A file or URI with keys, and the form that they have there."""

    text: Template
    form: KeyForm


class Failure(NamedTuple):
    """Why a source has no keys; `sentence` is what kjdev's module says of it.  Fatal is what
    other sources do not make up for, `withdraws` a set without keys, `kept` an answer that a
    cache has given.  `unavailable`: requests are answered 503."""

    text: str
    sentence: str = ""
    fatal: bool = False
    withdraws: bool = False
    kept: bool = False
    unavailable: bool = False


Keys = KeySet | Failure
NOTHING = Failure("")


class KeySets:
    """Key sets by their text, so that the same text is not parsed again."""

    def __init__(self) -> None:
        self.limits = Limits()  # those of the configuration, known before it is read
        self.lacks_files = False  # the configuration is of another machine
        self._known: dict[tuple[str, str], KeySet] = {}

    def parse(self, octets: bytes, form: KeyForm, place: str, report: Report) -> KeySet:
        """The key set; remarks about a new one are reported.  Raises KeySetError."""
        digest = (form.name, hashlib.sha256(octets).hexdigest())
        key_set = self._known.pop(digest, None)
        if key_set is None:
            key_set = form.parse(octets, limits=self.limits)
            for remark in key_set.warnings:
                report(f"auth_jwt: {place}: {remark}")
        self._known[digest] = key_set  # the latest stands last
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return key_set

    def stand_in(self, octets: bytes | None, form: KeyForm, place: str) -> KeySet:
        """What takes the place of a source that cannot be read: these keys, or none."""
        if octets is None:
            return KeySet.of((), place)
        return self.parse(octets, form, place, lambda text: None)
