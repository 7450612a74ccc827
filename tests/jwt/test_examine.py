"""Checks told one by one are the verifier's."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pyngx_jwt.jwt import (
    ClaimRequirement,
    Form,
    Json,
    Presence,
    Reason,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
)
from pyngx_jwt.jwt.examine import examine

from . import fuzz
from .keys import EVERY, NOW, enc_set, encryption_key, key_set, signing_key, without

KEY = signing_key("ES256", "k1")


def checks(verifier: Verifier, token: str, now: float = NOW) -> dict[str, str]:
    """By the name of each check: "ok", "-" if it is not made, or the reason of its refusal."""
    told = {}
    for check in examine(verifier, token, now).checks:
        outcome = "ok" if check.was_run else "-"
        told[check.name] = outcome if check.refusal is None else check.refusal.reason.name
    return told


def test_first_refusal_is_the_verifiers() -> None:
    """Of tokens that are wrong in every way, and of some that are good."""
    r, sources = random.Random(5), fuzz.make_sources()
    good = 0
    for n in range(1500):
        source = sources[n % len(sources)]
        token = source.token if n < len(sources) else fuzz.mutate(r, source, sources, 2)[0]
        outcome = Verifier(source.verifier.policy, source.verifier.key_sets).verify(token, NOW)
        exam = examine(source.verifier, token, NOW)
        if isinstance(outcome, Verified):
            assert exam.refusal is None and exam.vouched, token
            assert (exam.claims, exam.header) == (outcome.claims, outcome.header)
            good += 1
        else:
            assert exam.refusal == outcome, token
    assert good >= len(sources)


@pytest.mark.parametrize("nbf", [None, NOW - 1, NOW + 1, "1"])
@pytest.mark.parametrize("exp", [None, NOW - 1, NOW, NOW + 1, "1", 1e300])
@pytest.mark.parametrize(
    "policy",
    [
        EVERY,
        replace(EVERY, exp=Presence.REQUIRED, exp_inclusive=True),
        replace(EVERY, exp=Presence.IGNORED, nbf=Presence.IGNORED),
        replace(EVERY, leeway=1, whole_exp=True, nbf=Presence.REQUIRED),
    ],
)
def test_times_are_the_verifiers(nbf: Json, exp: Json, policy: TokenPolicy) -> None:
    claims = {name: value for name, value in (("nbf", nbf), ("exp", exp)) if value is not None}
    verifier = Verifier(policy, [key_set(KEY)])
    token = KEY.sign(claims)
    outcome = verifier.verify(token, NOW)
    told = examine(verifier, token, NOW).refusal
    assert told == (outcome if isinstance(outcome, TokenRefusal) else None)


def test_all_checks_of_a_good_token() -> None:
    policy = replace(EVERY, demands=(ClaimRequirement.of("iss", ["a"]),))
    verifier = Verifier(policy, [key_set(KEY)])
    names = ["form", "algorithm", "key", "signature", "claims", "nbf", "exp", "demand"]
    assert checks(verifier, KEY.sign({"iss": "a"})) == dict.fromkeys(names, "ok")


def test_what_comes_after_a_bad_signature_is_looked_at_all_the_same() -> None:
    policy = replace(EVERY, demands=(ClaimRequirement.of("iss", ["a"]),))
    exam = examine(
        Verifier(policy, [key_set(signing_key("ES256", "k1", copy=1))]),
        KEY.sign({"iss": "b", "exp": NOW - 1}),
        NOW,
    )
    assert not exam.vouched and exam.claims == {"iss": "b", "exp": NOW - 1}
    told = {check.name: check.refusal.reason for check in exam.checks if check.refusal}
    assert told == {
        "signature": Reason.SIGNATURE,
        "exp": Reason.EXPIRED,
        "demand": Reason.CLAIM,
    }
    assert exam.refusal is not None and exam.refusal.reason is Reason.SIGNATURE


def test_keys_are_told_apart() -> None:
    """No such kid, another type of key, and a bad signature are three different things."""
    other = signing_key("RS256", "k2")
    verifier = Verifier(EVERY, [key_set(KEY, other)])

    def told(token: str) -> tuple[dict[str, str], list[str | None], list[str | None]]:
        found = examine(verifier, token, NOW)
        trial = next(check.trial for check in found.checks if check.trial)
        kids = [key.kid for key in trial.candidates], [key.kid for key in trial.tried]
        outcome = checks(verifier, token)
        return {n: outcome[n] for n in ("key", "signature") if n in outcome}, *kids

    assert told(KEY.sign({}, {"kid": "k3"})) == ({"key": "UNKNOWN_KID"}, [], [])
    assert told(KEY.sign({}, {"kid": "k2"})) == ({"key": "NO_KEY"}, ["k2"], [])
    forged = signing_key("ES256", "k1", copy=1)
    bad = {"key": "ok", "signature": "SIGNATURE"}
    assert told(forged.sign({})) == (bad, ["k1"], ["k1"])


def test_key_that_did_it_and_its_set() -> None:
    mine, theirs = key_set(KEY), key_set(signing_key("ES256", "k2"))
    exam = examine(Verifier(EVERY, [theirs, mine]), KEY.sign({}), NOW)
    trial = next(check.trial for check in exam.checks if check.trial)
    assert trial is not None and trial.key is mine.keys[0] and trial.key_set is mine


def test_signature_that_nobody_checks() -> None:
    verifier = Verifier(replace(EVERY, check_signature=False), ())
    assert checks(verifier, KEY.sign({}))["signature"] == "-"
    assert not examine(verifier, KEY.sign({}), NOW).vouched


def test_nested_token_is_looked_at_twice() -> None:
    outer = encryption_key("A128KW", "A128GCM", "e")
    keys = enc_set(without(KEY, "use"), outer)
    verifier = Verifier(replace(EVERY, form=Form.NESTED), [keys])
    exam = examine(verifier, outer.encrypt(KEY.sign({"sub": "u"})), NOW)
    names = [check.name for check in exam.checks]
    assert names[:4] == ["form", "algorithm", "key", "decryption"]
    assert names[4:8] == ["form", "algorithm", "key", "signature"]
    headers = [c.trial.header["alg"] for c in exam.checks if c.name == "algorithm" and c.trial]
    assert headers == ["A128KW", "ES256"]
    assert exam.header["alg"] == "A128KW" and exam.vouched


def test_secrets_of_an_encrypted_token_stay_secret() -> None:
    outer = encryption_key("A128KW", "A128GCM", "e")
    verifier = Verifier(replace(EVERY, form=Form.ENCRYPTED), [enc_set(KEY)])
    exam = examine(verifier, outer.encrypt({"sub": "u"}), NOW)
    assert exam.claims == {} and not exam.vouched
