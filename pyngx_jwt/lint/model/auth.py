"""What a level requires of tokens, in the same terms for all JWT dialects."""

from __future__ import annotations

from dataclasses import dataclass

from ...http.level import Level
from ...http.template import Template
from ...jwt import KeySet, TokenPolicy
from ...modules.auth_jwt import Dialect, dialect_of
from ...modules.auth_jwt.conf import TokenConf
from ...modules.auth_jwt.demands import Required
from ...modules.auth_jwt.dialects.maxlt import ANY_ALGORITHM, MaxltConf
from ...modules.auth_jwt.key_sets import KeyName
from ...modules.auth_jwt.plan import Plan
from ...modules.auth_jwt.sources import Sources


@dataclass(frozen=True, slots=True)
class Auth:
    """`conf` is the merged one of the dialect; `plan` is None where tokens do not matter.

    `demanded`: requests without a valid token are refused.  `wanted`: the configuration says so,
    keys or no keys."""

    dialect: Dialect
    conf: TokenConf
    plan: Plan | None
    demanded: bool
    wanted: bool

    @property
    def has_keys(self) -> bool:
        """Whether any source of keys is named."""
        return self.conf.has_key

    @property
    def key_files(self) -> tuple[KeyName, ...]:
        return self.conf.key_files

    @property
    def key_requests(self) -> tuple[KeyName, ...]:
        return self.conf.key_requests

    @property
    def required(self) -> tuple[Required, ...]:
        """The conditions of auth_jwt_require."""
        return self.conf.required

    @property
    def policy(self) -> TokenPolicy | None:
        """What a token is held against, None where tokens are no matter."""
        keyring = self.plan.keyring if self.plan is not None else None
        return keyring.policy if keyring is not None else None

    @property
    def takes_any_algorithm(self) -> bool:
        """Whether max-lt's module is told no algorithm."""
        return isinstance(self.conf, MaxltConf) and self.conf.auth_jwt_alg == ANY_ALGORITHM

    @property
    def token(self) -> Template | None:
        """The variable that tokens are taken from, None for the Authorization field."""
        return self.conf.token if self.plan is not None else None


def auth_of(level: Level) -> Auth:
    """Of the dialect that the configuration is read in."""
    dialect = dialect_of(level.scope)
    conf = level[dialect.conf]
    plan = conf.gate.plan if conf.gate is not None else None
    demanded = plan is not None and plan.enforced
    return Auth(dialect, conf, plan, demanded, demanded or conf.is_wanted)


def key_set(name: KeyName, level: Level) -> KeySet | None:
    """The keys of a file whose name has no variables, None if they cannot be had."""
    if not name.text.is_constant:
        return None
    source = level.scope.shared(Sources).file(level.scope.conf_name(name.text.text), name.form)
    return source.key_set
