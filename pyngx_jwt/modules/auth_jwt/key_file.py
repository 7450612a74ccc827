"""Keys in a file."""

from __future__ import annotations

import errno
import math
import os
import stat
import time
from collections.abc import Callable
from functools import partial

from ...conf.parse import Statement
from ...conf.scope import Scope
from ...http.request import Request
from ...jwt import KeySet, KeySetError
from ...log import Severity, errno_text
from .key_sets import JWKS, NOTHING, Failure, KeyForm, Keys, KeySets, Report

LOOK = 1.0  # seconds between two looks
GONE = (errno.ENOENT, errno.ENOTDIR)


class KeyFile:
    """Keys in a file, read again when the file has changed."""

    __slots__ = (
        *("_bad", "_form", "_keys", "_identity", "_path", "_sentence", "_sets", "_since"),
        "_usable_at",
        *("place", "statement", "until"),
    )

    def __init__(self, path: str, sets: KeySets, form: KeyForm = JWKS) -> None:
        self._path, self._sets, self._form = path.encode("latin-1"), sets, form
        self.place = f'key file "{path}"'
        self.statement: Statement | None = None  # that names it first
        self._sentence = f'failed to load {form.name} file: "{path}"'
        self._since = self.until = 0.0
        self._keys: Keys = NOTHING
        self._identity: tuple[int, int, int] | None = None
        self._bad = 0.0  # since when, if keys from before are still used
        self._usable_at = 0.0

    def load(self, scope: Scope) -> None:
        """Reads the file with the configuration.  What is wrong is but a warning, as it may
        be mended before the first request."""
        failure = self.read(scope)
        if failure is not None:
            scope.warn(f"auth_jwt: {failure.text}")

    def read(self, scope: Scope, statement: Statement | None = None) -> Failure | None:
        """Reads the file with the configuration; what is wrong with it, None if nothing is.
        Errors name the statement, or else the one that is being read."""
        self.statement = self.statement or statement or scope.statement
        if self.is_elsewhere:
            return None
        self._look(time.time(), scope.warn, scope.warn)
        return self._keys if isinstance(self._keys, Failure) else None

    @property
    def path(self) -> str:
        """The full path."""
        return self._path.decode("latin-1")

    @property
    def name(self) -> str:
        """What pyngx_jwt_key_issuer calls it."""
        return self.path

    @property
    def is_jwk_set(self) -> bool:
        """Whether a JWK Set is expected in it."""
        return self._form.name == JWKS.name

    is_awaited = True
    is_bound = False

    @property
    def state(self) -> tuple[int, float, float] | None:
        """How many keys there are, when the file was last found usable, and until when they may be
        used; None if the file has not been of use."""
        keys = self.key_set
        return None if keys is None else (len(keys.keys), self._usable_at, math.inf)

    @property
    def key_set(self) -> KeySet | None:
        """What was in the file when it was last looked at, None if it was of no use."""
        return self._keys if isinstance(self._keys, KeySet) else None

    def current(self, r: Request, now: float) -> Keys:
        """What is in the file; it is looked at not more than once in a second."""
        self.look(now, r.log)
        return self._keys

    def look(self, now: float, log: Callable[[Severity, str], None]) -> None:
        """Looks at the file, if that was not done within the last second."""
        if not self._since <= now < self.until:
            self._since, self.until = now, now + LOOK
            self._look(now, partial(log, Severity.WARN), partial(log, Severity.ERR))

    @property
    def is_elsewhere(self) -> bool:
        """Whether the file is on the machine of the configuration only."""
        return self._sets.lacks_files and not os.path.lexists(self._path)

    def stand_in(self, octets: bytes | None) -> None:
        """As KeyRequest.stand_in(), of a file that is on another machine."""
        self._keys = self._sets.stand_in(octets, self._form, self.place)
        self._since, self.until = -math.inf, math.inf

    def look_again(self) -> None:
        """Has the next request look at the file."""
        self._since = self.until = 0.0

    def _look(self, now: float, report: Report, complain: Report) -> None:
        try:
            status = os.stat(self._path)
            if not stat.S_ISREG(status.st_mode):  # a pipe would never end
                raise ValueError("not a regular file")
            identity = status.st_mtime_ns, status.st_ino, status.st_size
            if identity == self._identity:
                self._usable_at = now
                return
            with open(self._path, "rb") as file:
                octets = file.read(self._sets.limits.set_size + 1)
            self._keys = self._sets.parse(octets, self._form, self.place, report)
        except OSError as error:
            self._fail(errno_text(error), now, complain, lasts=error.errno not in GONE)
        except (KeySetError, ValueError) as error:  # ValueError: NUL in the path
            self._fail(str(error), now, complain)
        else:
            self._identity, self._bad, self._usable_at = identity, 0.0, now

    def _fail(self, reason: str, now: float, complain: Report, *, lasts: bool = False) -> None:
        """The file may be in the middle of being written: only if a later look finds it bad
        again the keys from before are given up.  What cannot be read at all has not changed,
        as far as can be known: then they last."""
        failure = Failure(f"{self.place} cannot be used: {reason}", self._sentence)
        self._identity = None
        is_over = self._bad and now - self._bad >= LOOK and not lasts
        if not isinstance(self._keys, KeySet) or is_over:
            self._keys = failure
        elif not self._bad:
            self._bad = now
            complain(f"auth_jwt: {failure.text}; its last keys are still used")
