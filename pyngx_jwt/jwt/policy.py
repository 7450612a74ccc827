"""What a location demands of a token, as data: dialects are policies, not verifiers."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from enum import StrEnum

from .algorithms import ALGORITHMS
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT
from .limits import LIMITS, Limits
from .requirements import TokenDemand


class Form(StrEnum):
    """What tokens are (``auth_jwt_type``); any other form is refused."""

    SIGNED = "signed"
    # With a public key, such as for RSA-OAEP, anyone can make a token that is accepted: such
    # tokens are secret, but prove nothing.
    ENCRYPTED = "encrypted"
    NESTED = "nested"  # signed, then encrypted


class Presence(StrEnum):
    """How a time claim is treated."""

    OPTIONAL = "checked if present"
    REQUIRED = "has to be present"
    IGNORED = "not looked at"


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Demands on a token.  The defaults are those of NGINX Plus.

    Not a matter of policy, ever: "none", and an algorithm that does not fit the key.
    Raises ValueError for unknown algorithms and a leeway that is negative or not finite.
    """

    algorithms: frozenset[str] = frozenset(ALGORITHMS)  # allowed values of "alg"
    leeway: float = 0  # seconds of clock skew
    exp: Presence = Presence.OPTIONAL
    nbf: Presence = Presence.OPTIONAL
    exp_inclusive: bool = False  # whether the token is still good at the second of "exp"
    whole_exp: bool = False  # whether an "exp" with a fraction is not a date
    demands: tuple[TokenDemand, ...] = ()  # all of them have to be met
    check_signature: bool = True  # False: the caller answers for where tokens come from
    padded: bool = False  # whether the parts of tokens may end with base64's "="
    form: Form = Form.SIGNED
    encryption_algorithms: frozenset[str] = frozenset(KEY_MANAGEMENT)  # "alg" if encrypted
    content_encryptions: frozenset[str] = frozenset(CONTENT_ENCRYPTION)  # "enc" if encrypted
    limits: Limits = LIMITS
    id: str = field(init=False, repr=False, compare=False)  # the same for equal policies only

    def __post_init__(self) -> None:
        unknown = self.algorithms.difference(ALGORITHMS)
        unknown |= self.encryption_algorithms.difference(KEY_MANAGEMENT)
        unknown |= self.content_encryptions.difference(CONTENT_ENCRYPTION)
        if unknown:
            raise ValueError(f'unknown algorithm "{min(unknown)}"')
        if not 0 <= self.leeway < math.inf:
            raise ValueError("leeway is out of range")
        parts = (
            sorted(self.algorithms),
            float(self.leeway),
            self.exp.name,
            self.nbf.name,
            self.exp_inclusive,
            self.whole_exp,
            [demand.key for demand in self.demands],
            self.check_signature,
            self.padded,
            self.form.name,
            sorted(self.encryption_algorithms),
            sorted(self.content_encryptions),
            self.limits,
        )
        object.__setattr__(self, "id", hashlib.sha256(repr(parts).encode()).hexdigest())
