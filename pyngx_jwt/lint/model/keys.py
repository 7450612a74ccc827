"""The keys that tokens are verified with, as far as files and the configuration contain them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property

from ...conf.parse import Statement
from ...http.subrequest import no_request
from ...jwt import Json, Key, KeySet, TokenPolicy
from ...jwt.encoding import decode_json
from ...jwt.limits import LIMITS
from ...modules.auth_jwt import DIALECTS
from ...modules.auth_jwt.blocks import here
from ...modules.auth_jwt.key_file import KeyFile
from ...modules.auth_jwt.key_request import KeyRequest
from ...modules.auth_jwt.sources import FixedKeys, Source
from .block import Block
from .configuration import Configuration

# The directives that name keys in files and in the configuration itself, of all dialects.
NAMES = tuple(dict.fromkeys(name for dialect in DIALECTS for name in dialect.key_directives))
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})  # of RSA, EC and OKP keys
# Warnings of the server about keys that rules report in more detail.
_COVERED = re.compile(
    r"auth_jwt(:|_key: ).*( is weak|; only its public part is used|: more than one"
    r"|no usable key in the JWK Set.*)\Z",
    re.DOTALL,
)

Jwk = dict[str, Json]


def is_covered(warning: str) -> bool:
    """Whether a rule about keys says the same as a warning."""
    return _COVERED.match(warning) is not None


@dataclass(eq=False)
class KeySource:
    """A file, or a directive, with keys; all blocks that verify tokens with them."""

    statement: Statement
    path: str  # "" if the configuration itself has them
    is_jwk_set: bool
    key_set: KeySet | None  # None if they are of no use
    blocks: list[Block] = field(default_factory=list)

    @cached_property
    def jwks(self) -> list[Jwk]:
        """The members of the JWK Set as they are written; none if it is not such a set."""
        members = self.document.get("keys") if isinstance(self.document, dict) else None
        return (
            [jwk for jwk in members if isinstance(jwk, dict)] if isinstance(members, list) else []
        )

    @cached_property
    def document(self) -> Json:
        """The text of the file as JSON, None if it is none or cannot be read."""
        if not (self.path and self.is_jwk_set):
            return None
        try:
            with open(self.path.encode("latin-1"), "rb") as file:
                return decode_json(file.read(LIMITS.set_size), LIMITS.depth)
        except (OSError, ValueError):
            return None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The usable keys that verify signatures."""
        return tuple(key for key in self.key_set.keys if key.checks) if self.key_set else ()

    @property
    def has_secret(self) -> bool:
        """Whether tokens can be made with what is in it."""
        if any(isinstance(key.material, bytes) for key in self.keys):
            return True
        return any("k" in jwk or is_private(jwk) for jwk in self.jwks)

    def algorithms(self, key: Key) -> set[str]:
        """Those with which some block accepts signatures of a key."""
        allowed: set[str] = set()
        for block in self.blocks:
            allowed |= allowed_for(key, block)
        return allowed


def policy_of(block: Block) -> TokenPolicy:
    """What a block with keys holds tokens against."""
    policy = block.auth.policy
    assert policy is not None
    return policy


def allowed_for(key: Key, block: Block) -> set[str]:
    """The algorithms of a key that a block accepts."""
    return key.checks.keys() & policy_of(block).algorithms


def is_private(jwk: Jwk) -> bool:
    """Whether a member of a JWK Set is the private half of a key pair."""
    return jwk.get("kty") != "oct" and not PRIVATE.isdisjoint(jwk)


def is_for_signatures(jwk: Jwk) -> bool:
    """Whether nothing says that it is for encryption alone."""
    operations = jwk.get("key_ops")
    if isinstance(operations, list) and not {"sign", "verify"}.intersection(map(str, operations)):
        return False
    return jwk.get("use") in (None, "sig")


def key_sources(conf: Configuration) -> list[KeySource]:
    """The files and directives with keys, each once, in the order of their use."""
    described: dict[Source, KeySource] = {}
    for block in conf.answering:
        if block.auth.wanted and not block.has_failed(*NAMES):
            for source in sources_of(block):
                if isinstance(source, KeyRequest):
                    continue
                if source not in described:
                    described[source] = _described(source, block)
                described[source].blocks.append(block)
    return list(described.values())


def sources_of(block: Block) -> tuple[Source, ...]:
    """Where a block has its keys from; nothing if that depends on variables."""
    plan = block.auth.plan
    return plan.keyring.constant_sources if plan is not None and plan.keyring is not None else ()


def key_sets_of(block: Block) -> list[KeySet | None]:
    """The keys that a block has without a request; None for those that are requested."""
    return [key_set_of(source) for source in sources_of(block)]


def key_set_of(source: Source) -> KeySet | None:
    """The keys that a source has without a request."""
    if isinstance(source, KeyFile):
        return source.key_set
    if isinstance(source, FixedKeys):
        key_set = source.current(no_request(), time.time())
        return key_set if isinstance(key_set, KeySet) else None
    return None


def _described(source: KeyFile | FixedKeys, block: Block) -> KeySource:
    key_set = key_set_of(source)
    if isinstance(source, FixedKeys):
        return KeySource(block.set_by("auth_jwt_key"), "", False, key_set)
    return KeySource(naming(source.path, block), source.path, source.is_jwk_set, key_set)


def naming(path: str, block: Block) -> Statement:
    """The statement that names a file."""
    full = block.level.scope.conf_name
    for around in block.outward():
        for statement in around.given(*NAMES):
            if path in (full(statement.args[0]), here(statement.args[0])):
                return statement
    return block.set_by(*NAMES)
