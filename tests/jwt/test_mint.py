"""Keys and tokens for development."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pyngx_jwt.jwt import ALGORITHMS, KeySet, Verified, verify
from pyngx_jwt.jwt.mint import SigningKey, key_set, main, mint

from .keys import EVERY, NOW, accepted, outcome


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_mint(alg: str) -> None:
    token, text, key = mint(alg, {"sub": "u"}, kid="k")
    keys = KeySet.parse(text)
    verified = accepted(token, keys)
    assert verified.header == {"alg": alg, "typ": "JWT", "kid": "k"}
    assert verified.claims == {"sub": "u"}
    assert keys.warnings == ()
    assert "d" not in json.loads(text)["keys"][0]
    assert outcome(key.sign(b'{"n":1}', {"typ": "x"}), keys) == "ACCEPTED"


def test_key_set_of_several_keys() -> None:
    keys = [SigningKey.generate(alg, alg) for alg in ("HS256", "ES256", "EdDSA")]
    parsed = KeySet.parse(key_set(*keys))
    assert [key.kid for key in parsed.keys] == ["HS256", "ES256", "EdDSA"]
    for key in keys:
        assert outcome(key.sign({}), parsed) == "ACCEPTED"


def test_key_survives_its_file() -> None:
    key = SigningKey.generate("ES256", "k")
    again = SigningKey.from_members(json.loads(json.dumps(key.members(private=True))))
    assert outcome(again.sign({}), KeySet.parse(key_set(key))) == "ACCEPTED"


@pytest.mark.parametrize("alg, mode", [("ES256", 0o644), ("HS256", 0o600)])
def test_command(alg: str, mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, jwks = tmp_path / "key.json", tmp_path / "jwks.json"
    files = ["--key", str(key), "--jwks", str(jwks)]
    assert main(['{"sub":"u"}', "--alg", alg, "--kid", "k", *files, "--lifetime", "60"]) == 0
    assert main(["--lifetime", "0", *files]) == 0
    first, second = capsys.readouterr().out.split()
    keys = KeySet.parse(jwks.read_bytes())
    verified = verify(first, [keys], EVERY, time.time())
    assert isinstance(verified, Verified)
    assert verified.claims["sub"] == "u" and verified.header["kid"] == "k"
    assert abs(verified.ends - time.time() - 60) < 30
    assert accepted(second, keys, now=NOW * 10).claims == {}
    assert key.stat().st_mode & 0o777 == 0o600
    assert jwks.stat().st_mode & 0o777 & ~mode == 0
