"""Policies are values; claims are compared as the values they are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pyngx_jwt.jwt import (
    ALGORITHMS,
    ClaimRequirement,
    Form,
    Json,
    Limits,
    Presence,
    TokenPolicy,
)

from .keys import accepted, hs, key_set, refused, secret

HS = key_set(secret())
PLAIN = TokenPolicy()


@pytest.mark.parametrize(
    "claim, values, met",
    [
        ("a", ["a"], True),
        ("a", ["b", "a"], True),
        ("a", ["A"], False),
        ("a", ["a "], False),
        ("", [""], True),
        ("", ["a"], False),
        ("a", [], False),
        ("\u00e9", ["\u00e9"], True),
        ("\u00e9", ["e\u0301"], False),
        ("1", ["1"], True),
        ("true", ["true"], True),
        (1, ["1"], True),
        (1, ["1.0"], True),
        (1.0, ["1"], True),
        (1, ["1e0"], True),
        (1, ["01"], False),
        (1, ["one", "1"], True),
        (1, ["true"], False),
        (0, ["false"], False),
        (0, [""], False),
        (True, ["true"], True),
        (True, ["1"], False),
        (True, ["True"], False),
        (False, ["false"], True),
        (False, ["0"], False),
        (False, [""], False),
        (2**60 + 1, [str(2**60 + 1)], True),
        (2**60 + 1, [str(2**60)], False),
        (None, ["null"], False),
        (None, [""], False),
        ({}, ["{}"], False),
        ({"a": "a"}, ["a"], False),
        (["a", "b"], ["b"], True),
        (["a", "b"], ["c", "b"], True),
        (["a", "b"], ["c"], False),
        (["a", "b"], ["a,b"], False),
        ([1, True], ["true"], True),
        ([1], ["true"], False),
        ([], [""], False),
        ([["a"]], ["a"], False),
        ([None], ["null"], False),
    ],
)
def test_claim_requirement(claim: Json, values: list[str], met: bool) -> None:
    requirement = ClaimRequirement("x", tuple(values))
    assert requirement.met({"x": claim}) == met
    assert not requirement.met({"X": claim})
    assert not requirement.met({})


def test_requirement_from_configuration() -> None:
    requirement = ClaimRequirement.of("n\u00c3\u00a9", ["\u00e2\u0082\u00ac", "x"])
    assert requirement == ClaimRequirement("n\u00e9", ("\u20ac", "x"))
    assert requirement.met({"n\u00e9": "\u20ac"})
    with pytest.raises(ValueError):
        ClaimRequirement.of("x", ["\xff"])


def test_all_requirements_have_to_be_met() -> None:
    demand = TokenPolicy(
        demands=(ClaimRequirement("iss", ("i",)), ClaimRequirement("aud", ("a", "b")))
    )
    assert accepted(hs({"iss": "i", "aud": ["b"]}), HS, policy=demand)
    assert refused(hs({"iss": "i"}), HS, policy=demand).detail == '"aud" is missing'
    text = '"iss" has none of the required values'
    assert refused(hs({"iss": "j", "aud": "a"}), HS, policy=demand).detail == text


def test_equal_policies_share_their_id() -> None:
    assert (
        TokenPolicy() == PLAIN
        and PLAIN.id == TokenPolicy().id
        and hash(PLAIN) == hash(TokenPolicy())
    )
    assert TokenPolicy(leeway=5).id == TokenPolicy(leeway=5.0).id
    assert TokenPolicy(algorithms=frozenset(sorted(ALGORITHMS))).id == PLAIN.id


def test_different_policies_have_different_ids() -> None:
    iss, aud = ClaimRequirement("iss", ("a",)), ClaimRequirement("aud", ("a",))
    policies = [
        PLAIN,
        TokenPolicy(algorithms=frozenset({"RS256"})),
        TokenPolicy(algorithms=frozenset({"RS256", "HS256"})),
        TokenPolicy(leeway=1),
        TokenPolicy(leeway=0.5),
        TokenPolicy(exp=Presence.REQUIRED),
        TokenPolicy(exp=Presence.IGNORED),
        TokenPolicy(nbf=Presence.REQUIRED),
        TokenPolicy(nbf=Presence.IGNORED),
        TokenPolicy(exp_inclusive=True),
        TokenPolicy(check_signature=False),
        TokenPolicy(form=Form.ENCRYPTED),
        TokenPolicy(form=Form.NESTED),
        TokenPolicy(encryption_algorithms=frozenset({"dir"})),
        TokenPolicy(content_encryptions=frozenset({"A128GCM"})),
        TokenPolicy(limits=Limits(depth=9)),
        TokenPolicy(demands=(iss,)),
        TokenPolicy(demands=(aud,)),
        TokenPolicy(demands=(iss, aud)),
        TokenPolicy(demands=(ClaimRequirement("iss", ("b",)),)),
        TokenPolicy(demands=(ClaimRequirement("iss", ("a", "b")),)),
        TokenPolicy(demands=(ClaimRequirement("iss", ("a', 'b",)),)),
        TokenPolicy(demands=(ClaimRequirement("iss", ()),)),
    ]
    assert len({policy.id for policy in policies}) == len(set(policies)) == len(policies)
    assert replace(PLAIN, leeway=1).id == TokenPolicy(leeway=1).id


def test_rejected() -> None:
    with pytest.raises(ValueError, match=r'^unknown algorithm "RS255"$'):
        TokenPolicy(algorithms=frozenset({"RS255", "RS256"}))
    for leeway in (-1, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"^leeway is out of range$"):
            TokenPolicy(leeway=leeway)
