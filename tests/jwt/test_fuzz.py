"""A short run of the fuzzer, and that it would notice."""

from __future__ import annotations

import sys

import pytest

from pyngx_jwt.jwt import ALGORITHMS, CONTENT_ENCRYPTION, Form, Reason

from . import fuzz

VERIFY = sys.modules["pyngx_jwt.jwt.verify"]  # not the function of that name


def test_some_changed_tokens() -> None:
    counts = fuzz.fuzz(2000, 20261129)
    others = {
        "CLAIM",
        "ISSUER",
        "MISSING",
        "NO_SOURCE",
        "REVOKED",
        "CONDITION",
    }  # not of tokens alone
    assert {reason.name for reason in Reason} - others <= counts.keys()
    assert counts["ACCEPTED"] > 20
    assert {f"- {change.__name__}" for change in fuzz.CHANGES} <= counts.keys()


@pytest.mark.interpreted("replaces find_key()")
@pytest.mark.parametrize("name", ["HS256", "RS256", "EdDSA of many"])
def test_a_verifier_that_accepts_everything_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VERIFY, "find_key", lambda *_: None)
    with pytest.raises(fuzz.Unsafe, match="accepted"):
        fuzz.fuzz(500, 1)


@pytest.mark.interpreted("replaces find_key()")
def test_an_exception_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = (s for s in fuzz.make_sources() if s.name == "HS256")

    def raises(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(VERIFY, "find_key", raises)
    with pytest.raises(fuzz.Unsafe, match="KeyError"):
        fuzz.judge(source, source.token)


def test_sources_cover_what_is_supported() -> None:
    sources = fuzz.make_sources()
    names = " ".join(source.name for source in sources)
    assert all(name in names for name in (*ALGORITHMS, *CONTENT_ENCRYPTION))
    assert {source.verifier.policy.form for source in sources} == set(Form)
