"""What places demand of claims, told alike for all JWT dialects."""

from __future__ import annotations

from ...conf.parse import Statement
from ...http.template import Template
from ..model.place import Place
from .expression import names_in_condition
from .flow import flow_of

REQUIRE = "auth_jwt_require"
WHOLE = {"jwt_claims", "jwt_payload"}  # variables with all claims
_CLAIM = "jwt_claim_"


def required_texts(place: Place) -> list[Template]:
    """The texts of auth_jwt_require that count in a place."""
    return [text for one in place.auth.conf.demanded_values for text in one.values]


def requiring(place: Place, text: Template) -> tuple[Statement, int]:
    """The auth_jwt_require that has a text, and which word of it that is."""
    for around in place.outward():
        for statement in around.given(REQUIRE):
            if text.text in statement.args:
                return statement, statement.args.index(text.text) + 1
    return place.set_by(REQUIRE), 0


def claims_looked_at(place: Place) -> set[str]:
    """The names of claims on which it depends whether a request passes: of requirements, and of
    conditions in the blocks around.  "*" is there if all claims are handed to somebody."""
    members = place.auth.conf.compared
    found = {member.claim for member in members if member.claim}
    texts = [*required_texts(place), *(text for member in members for text in member.values)]
    names = [name for text in texts for name in text.names]
    for around in place.outward():
        names += [name for one in around.given("if") for name in names_in_condition(one)]
    behind = flow_of(place.conf).influences(names, place)
    if behind & WHOLE:
        found.add("*")
    return found | {n.removeprefix(_CLAIM) for n in behind if n.startswith(_CLAIM)}
