"""What a level wants of a token, as data: what a dialect compiles its directives to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...http.request import OK, Request, Status
from ...jwt import Reason, Token, TokenRefusal, Verified, read
from .demands import RequestDemand
from .keyring import Keyring
from .words import Words

FindToken = Callable[[Request], str]
# What to challenge with: of the request, the token ("" if there is none), and the status,
# OK for a request that passes.  "" is no challenge.
Challenger = Callable[[Request, str, Status], str]

NO_TOKEN = TokenRefusal(Reason.MISSING, "")


def without_token(r: Request) -> TokenRefusal:
    """The refusal of a request without a token, if there is nothing more to say."""
    return NO_TOKEN


@dataclass(frozen=True, slots=True)
class Plan:
    """What a level wants of a token, in its dialect."""

    find_token: FindToken
    keyring: Keyring | None
    challenge: Challenger
    words: Words
    demands: tuple[RequestDemand, ...] = ()
    enforced: bool = True
    success: Status | None = OK  # None: other access modules have their say, too
    no_token: Callable[[Request], TokenRefusal] = without_token
    broken_keys: Status = 500  # answers if keys cannot be had
    unavailable: Status = 500  # the same of keys that are asked for
    no_keys: str = "no keys are configured"
    read: Callable[[str], Token | TokenRefusal] = read  # a token, where there are no keys
    # Whether the level cares about this request at all; None: about all of them.
    applies: Callable[[Request], bool] | None = None
    # Methods whose requests pass with whatever token, which is looked at nonetheless.
    excused: frozenset[str] = frozenset()
    lasting: bool = False  # whether variables have values of the token in other locations, too
    early: bool = True  # whether they have them before the phase in which it is checked
    before: Callable[[Request], None] | None = None  # runs for each request
    accepted: Callable[[Request, Verified], None] | None = None
    # What answers instead of a refusal's status.
    answer: Callable[[Request, Status], Status] | None = None
    # Which of several reasons is logged.
    explain: Callable[[Request, str, TokenRefusal], TokenRefusal] | None = None
