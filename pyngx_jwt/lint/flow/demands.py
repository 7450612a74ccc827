"""What blocks require of claims, in the same terms for all JWT dialects."""

from __future__ import annotations

from ...conf.parse import Statement
from ...http.template import Template
from ...modules.auth_jwt.settings import JwtConf
from ...modules.auth_request import AuthRequestConf
from ...modules.auth_require import AuthRequireConf
from ..model.block import Block
from .doors import is_guard, notes_of
from .expression import names_in, names_in_condition
from .flow import flow_of

REQUIRE = "auth_jwt_require"
WHOLE = {"jwt_claims", "jwt_payload"}  # variables with all claims
_CLAIM = "jwt_claim_"


def required_texts(block: Block) -> list[Template]:
    """The texts of auth_jwt_require that count in a block."""
    return [text for one in block.auth.conf.demanded_values for text in one.values]


def requiring(block: Block, text: Template) -> tuple[Statement, int]:
    """The auth_jwt_require that has a text, and which word of it that is."""
    for around in block.outward():
        for statement in around.given(REQUIRE):
            if text.text in statement.args:
                return statement, statement.args.index(text.text) + 1
    return block.set_by(REQUIRE), 0


def claims_looked_at(block: Block) -> set[str]:
    """The names of claims on which it depends whether a request passes: of requirements, and of
    conditions in the blocks around.  "*" is there if all claims are passed on."""
    members = block.auth.conf.compared
    claims = {member.claim for member in members if member.claim}
    has_others = bool(block.auth.key_files or block.auth.key_requests)
    if block.level[JwtConf].key_issuers or (block.auth.conf.issuers and not has_others):
        claims.add("iss")
    texts = [*required_texts(block), *(text for member in members for text in member.values)]
    names = [name for text in texts for name in text.names]
    for key in (*block.auth.key_files, *block.auth.key_requests):
        names += key.text.names  # a claim that chooses the keys
    for around in block.outward():
        names += [name for one in around.given("if") for name in names_in_condition(one)]
        names += [
            n for one in around.given("auth_require") for word in one.args for n in names_in(word)
        ]
        for guard in filter(is_guard, notes_of(around)):  # which may look at all of them
            names += [name for word in guard.args for name in names_in(word)] or ["jwt_claims"]
    for required in block[AuthRequireConf].required:
        names += [name for value in required.values for name in value.names]
    if block[AuthRequestConf].uri:
        names.append("jwt_claims")
    behind = flow_of(block).influences(names, block)
    if behind & WHOLE:
        claims.add("*")
    return claims | {n.removeprefix(_CLAIM) for n in behind if n.startswith(_CLAIM)}
