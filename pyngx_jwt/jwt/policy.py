"""What a location demands of a token, as data: dialects are policies, not verifiers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from .algorithms import ALGORITHMS, PLUS_ALGORITHMS
from .encoding import Json, decode_json, unicode
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from .limits import LIMITS, Limits


class Form(StrEnum):
    """What tokens are (``auth_jwt_type``); any other form is refused."""

    SIGNED = "signed"
    # Of a key that is public, such as for RSA-OAEP, whatever can be decrypted is accepted,
    # whoever made it: such tokens are secret, but prove nothing.
    ENCRYPTED = "encrypted"
    NESTED = "nested"  # signed, then encrypted


class Presence(StrEnum):
    """How a time claim is treated."""

    OPTIONAL = "checked if present"
    REQUIRED = "has to be present"
    IGNORED = "not looked at"


Scalar = tuple[bool, int | float]  # whether it is a boolean: in Python, True equals 1


@dataclass(frozen=True, slots=True)
class ClaimRequirement:
    """A claim that has to be there with one of some values (``auth_jwt_validate_claim``).

    A string must equal a value, by code points; a number or boolean the JSON reading of
    one.  An array needs one such element.  Null and objects never match.
    """

    name: str
    values: tuple[str, ...]
    _texts: frozenset[str] = field(init=False, repr=False, compare=False)
    _scalars: frozenset[Scalar] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scalars = frozenset(s for value in self.values if (s := _scalar(_reading(value))))
        object.__setattr__(self, "_texts", frozenset(self.values))
        object.__setattr__(self, "_scalars", scalars)

    @classmethod
    def of(cls, name: str, values: Iterable[str]) -> Self:
        """The requirement from configuration text, one character per byte.

        Raises ValueError if the text is not UTF-8.
        """
        return cls(unicode(name), tuple(unicode(value) for value in values))

    def met(self, claims: dict[str, Json]) -> bool:
        """Whether the claims set has the claim with one of the values."""
        value = claims.get(self.name)
        if isinstance(value, list):
            return any(self._equals(element) for element in value)
        return self._equals(value)

    def _equals(self, value: Json) -> bool:
        if isinstance(value, str):
            return value in self._texts
        return (scalar := _scalar(value)) is not None and scalar in self._scalars


def _scalar(value: Json) -> Scalar | None:
    return (isinstance(value, bool), value) if isinstance(value, bool | int | float) else None


def _reading(text: str) -> Json:
    try:
        return decode_json(text.encode())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """Demands on a token.  The defaults are those of NGINX Plus.

    Not a matter of policy, ever: "none", and an algorithm that does not fit the key.
    Raises ValueError for unknown algorithms and a leeway that is negative or not finite.
    """

    algorithms: frozenset[str] = PLUS_ALGORITHMS  # allowed values of "alg"
    leeway: float = 0  # seconds of clock skew
    exp: Presence = Presence.OPTIONAL
    nbf: Presence = Presence.OPTIONAL
    exp_inclusive: bool = False  # whether the token is still good at the second of "exp"
    claims: tuple[ClaimRequirement, ...] = ()  # all of them have to be met
    check_signature: bool = True  # False: the caller answers for where tokens come from
    form: Form = Form.SIGNED
    encryption_algorithms: frozenset[str] = frozenset(KEY_MANAGEMENT)  # "alg" if encrypted
    content_encryptions: frozenset[str] = frozenset(CONTENT_ENCRYPTION)  # "enc" if encrypted
    limits: Limits = LIMITS
    id: str = field(init=False, repr=False, compare=False)  # the same for equal policies only

    def __post_init__(self) -> None:
        unknown = self.algorithms - ALGORITHMS.keys()
        unknown |= self.encryption_algorithms - KEY_MANAGEMENT.keys()
        unknown |= self.content_encryptions - CONTENT_ENCRYPTION.keys()
        if unknown:
            raise ValueError(f'unknown algorithm "{min(unknown)}"')
        if not 0 <= self.leeway < math.inf:
            raise ValueError("leeway is out of range")
        demands = (
            sorted(self.algorithms),
            float(self.leeway),
            self.exp.name,
            self.nbf.name,
            self.exp_inclusive,
            [(claim.name, claim.values) for claim in self.claims],
            self.check_signature,
            self.form.name,
            sorted(self.encryption_algorithms),
            sorted(self.content_encryptions),
            self.limits,
        )
        object.__setattr__(self, "id", hashlib.sha256(repr(demands).encode()).hexdigest())


PLUS = Policy()
