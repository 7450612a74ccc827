"""Sets of keys, read once from JWK Sets (RFC 7517), PEM or a bare secret.

What reads them is imported with the first of them: it takes as long as a tenth of all the rest,
and most configurations have no keys.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from .algorithms import ALGORITHMS
from .encoding import Json, decode_json, quote
from .key import SIG, Key, KeySetError, KeyUse, NoUsableKey
from .limits import LIMITS, Limits

if TYPE_CHECKING:
    from .jwk import Member

_NO_FAULTS: Mapping[str, str] = MappingProxyType({})


def prepare() -> None:
    """Imports what reads keys, before there are requests that would wait for it."""
    from . import jwk, pem  # noqa: F401


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The usable keys of one source, in their order.  It never changes: a newer version of
    the source is another KeySet, and differs in ``generation`` if the text differs.

    Text as a ``str`` is as everywhere here, one character per byte.
    """

    generation: str
    keys: tuple[Key, ...] = field(repr=False)
    by_kid: Mapping[str, tuple[Key, ...]] = field(repr=False)
    unlabelled: tuple[Key, ...] = field(repr=False)  # keys without "kid"
    warnings: tuple[str, ...]  # printable ASCII: what was skipped, what is weak
    unusable: Mapping[str, str] = field(repr=False)  # faults, by kids that no usable key has

    @classmethod
    def parse(
        cls, source: bytes | str, uses: frozenset[KeyUse] = SIG, limits: Limits = LIMITS
    ) -> Self:
        """Reads a JWK Set (RFC 7517, section 5), by default of at most 256 KiB and 64 keys.

        Keys that are for none of the ``uses``, of unknown type or malformed are skipped with a
        warning, and those with which the set would take too long to try on a token.  Of private
        keys only the public part is used, unless they may decrypt.

        Raises KeySetError if the text is malformed or no key is usable: NoUsableKey if that is
        not because keys are malformed.
        """
        octets = _octets(source, "JWK Set", limits)
        members = _read(_numbered(octets, limits), uses, limits)
        warnings = [remark for member in members for remark in member.remarks]
        faults = {member.kid: member.fault for member in members if member.kid and member.fault}
        keys = _unambiguous([m.key for m in members if m.key is not None], warnings, faults)
        if not keys:
            kind = KeySetError if any(m.is_malformed for m in members) else NoUsableKey
            raise kind("; ".join(["no usable key in the JWK Set", *warnings]))
        generation = _generation(octets, "JWK Set", *sorted(uses))
        return cls.of(keys, generation, tuple(warnings), faults)

    @classmethod
    def parse_pem(
        cls, source: bytes | str, kid: str | None = None, limits: Limits = LIMITS
    ) -> Self:
        """Reads a public key, or that of the first certificate, in PEM (RFC 7468).

        The key has no kid unless one is given, and verifies with all algorithms of its type.

        Raises KeySetError if the text holds anything else, such as a private key.
        """
        from .pem import read_pem

        octets = _octets(source, "PEM", limits)
        key, warnings = read_pem(octets, kid or None)
        if isinstance(key, str):
            raise KeySetError(f"no usable key: {key}")
        return cls.of([key], _generation(octets, "PEM", kid or ""), tuple(warnings))

    @classmethod
    def parse_pem_map(cls, source: bytes | str, limits: Limits = LIMITS) -> Self:
        """Reads a JSON object whose members are keys in PEM by kid.

        What is no such key is skipped with a warning.

        Raises KeySetError if the text is malformed or no key is usable.
        """
        octets = _octets(source, "key map", limits)
        keys: list[Key] = []
        warnings: list[str] = []
        faults: dict[str, str] = {}
        for kid, text in _members(octets, limits):
            place = f"key of kid {quote(kid)}"
            key, remarks = _mapped(kid, text)
            if isinstance(key, str):
                warnings.append(f"{place} is skipped: {key}")
                faults[kid] = key
            else:
                keys.append(key)
                warnings += [f"{place}: {remark}" for remark in remarks]
        if not keys:
            raise NoUsableKey("; ".join(["no usable key in the key map", *warnings]))
        return cls.of(keys, _generation(octets, "key map"), tuple(warnings), faults)

    @classmethod
    def of_secret(cls, octets: bytes, alg: str | None = None) -> Self:
        """A set of one secret without kid, for HMAC (RFC 7518, section 3.2) with ``alg``, or
        with any hash if that is None.

        Raises KeySetError if the secret is empty or the algorithm is not HMAC.
        """
        if not octets:
            raise KeySetError("empty secret")
        if alg is not None and (alg not in ALGORITHMS or ALGORITHMS[alg].kty != "oct"):
            raise KeySetError(f"algorithm {quote(alg)} is not for secrets")
        key = Key.of(octets, "oct", alg=alg)
        assert key is not None
        return cls.of([key], _generation(octets, "secret", alg or ""), tuple(key.weaknesses()))

    def bound_to(self, issuers: frozenset[str]) -> Self:
        """The same keys, for tokens of these issuers only."""
        keys = tuple(replace(key, issuers=issuers) for key in self.keys)
        generation = _generation(self.generation.encode(), "bound", *sorted(issuers))
        return self.of(keys, generation, self.warnings, self.unusable)

    @classmethod
    def of(
        cls,
        keys: Iterable[Key],
        generation: str,
        warnings: tuple[str, ...] = (),
        unusable: Mapping[str, str] = _NO_FAULTS,
    ) -> Self:
        """A set of these keys.  Two sets with different keys must differ in generation."""
        keys = tuple(keys)
        by_kid: dict[str, tuple[Key, ...]] = {}
        for key in keys:
            if key.kid is not None:
                by_kid[key.kid] = (*by_kid.get(key.kid, ()), key)
        unlabelled = tuple(key for key in keys if key.kid is None)
        faults = {kid: fault for kid, fault in unusable.items() if kid not in by_kid}
        return cls(
            generation,
            keys,
            MappingProxyType(by_kid),
            unlabelled,
            warnings,
            MappingProxyType(faults),
        )


def _read(
    numbered: Iterable[tuple[Json, int]], uses: frozenset[KeyUse], limits: Limits
) -> list[Member]:
    from .jwk import read_member

    members: list[Member] = []
    left = limits.set_work
    for jwk, number in numbered:
        member = read_member(jwk, number, uses, left)
        members.append(member)
        left -= member.work
    return members


def _unambiguous(keys: list[Key], warnings: list[str], faults: dict[str, str]) -> list[Key]:
    """Without keys that share their kid and an algorithm with another: a token with that
    kid does not say which of them is meant."""
    uses = Counter((key.kid, name) for key in _distinct(keys) for name in key.uses)
    shared = {kid for (kid, _), count in uses.items() if kid is not None and count > 1}
    for kid in sorted(shared):
        faults[kid] = "more than one"
        warnings.append(f"keys of kid {quote(kid)} are skipped: more than one")
    return [key for key in keys if key.kid not in shared]


def _distinct(keys: Iterable[Key]) -> list[Key]:
    """One of those that are the same under the same name."""
    distinct: dict[object, Key] = {}
    for key in keys:
        distinct.setdefault((key.kid, key.alg, key.identity), key)
    return list(distinct.values())


def _octets(source: bytes | str, what: str, limits: Limits) -> bytes:
    if len(source) > limits.set_size:
        raise KeySetError(f"{what} is longer than {limits.set_size} bytes")
    if isinstance(source, bytes):
        return source
    try:
        return source.encode("latin-1")
    except UnicodeEncodeError:
        raise KeySetError(f"{what} is not text of one character per byte") from None


def _generation(octets: bytes, *kind: str) -> str:
    return hashlib.sha256(repr(kind).encode() + octets).hexdigest()


def _json(octets: bytes, what: str, limits: Limits) -> Json:
    try:
        return decode_json(octets, limits.depth)
    except ValueError as error:
        raise KeySetError(f"{what} is not valid JSON: {error}") from None


def _numbered(octets: bytes, limits: Limits) -> Iterator[tuple[Json, int]]:
    document = _json(octets, "JWK Set", limits)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeySetError('JWK Set is not an object with an array "keys"')
    if len(keys) > limits.set_keys:
        raise KeySetError(f"JWK Set has more than {limits.set_keys} keys")
    return zip(keys, count())


def _members(octets: bytes, limits: Limits) -> list[tuple[str, Json]]:
    document = _json(octets, "key map", limits)
    if not isinstance(document, dict):
        raise KeySetError("key map is not an object")
    if len(document) > limits.set_keys:
        raise KeySetError(f"key map has more than {limits.set_keys} keys")
    return list(document.items())


def _mapped(kid: str, text: Json) -> tuple[Key | str, list[str]]:
    if not kid:
        return 'empty "kid"', []
    if not isinstance(text, str):
        return "not a string", []
    from .pem import read_pem

    return read_pem(text.encode(), kid)
