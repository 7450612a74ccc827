"""All vectors of Project Wycheproof about JWS, JWE and JWK."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pyngx_jwt.jwt import (
    SIG_AND_ENC,
    KeySet,
    KeySetError,
    TokenRefusal,
    check_signature,
    open_encrypted,
    parse_encrypted,
    parse_signed,
)

from .keys import EVERY

FOLDER = Path(__file__).parent.parent / "data" / "wycheproof"
FILES = ("json_web_crypto", "json_web_encryption", "json_web_key", "json_web_signature")

# Valid vectors of what is not supported, by what their key or header says.
UNSUPPORTED = {
    "ECDH-ES": "ECDH-ES: NGINX Plus has it neither",
    "ECDH-ES+A128KW": "ECDH-ES: NGINX Plus has it neither",
    "ECDH-ES+A192KW": "ECDH-ES: NGINX Plus has it neither",
    "ECDH-ES+A256KW": "ECDH-ES: NGINX Plus has it neither",
    "RSA1_5": "RSA1_5: its padding is an oracle",
    "zip": "zip: a decompression bomb",
}

# Vectors of which we think otherwise than their authors.
NOT_A_NAME = 'the key says "alg":"ES521", which no algorithm is called'
OTHER_ALG = 'the key says "alg":"PS256", the token "PS384"'
NO_BASE64 = "a character outside of the alphabet (RFC 7515, section 2)"
REFUSED_THOUGH_VALID = {
    ("json_web_signature", 346): OTHER_ALG,
    ("json_web_signature", 347): NOT_A_NAME,
    ("json_web_signature", 350): OTHER_ALG,
    ("json_web_signature", 351): NOT_A_NAME,
    ("json_web_signature", 372): NO_BASE64,
    ("json_web_signature", 373): NO_BASE64,
}
TYPO = "the very text of vector 357, which is valid: the padding it is about got lost"
WEAK = "a weak key, which is in use for years: taken with a warning"
MIXED = "a set with a secret and a public key: each is bound to its own algorithms"
ACCEPTED_THOUGH_INVALID = {
    ("json_web_crypto", 47): MIXED,
    ("json_web_key", 1): MIXED,
    ("json_web_key", 8): WEAK,
    ("json_web_key", 10): WEAK,
    ("json_web_key", 11): WEAK,
    ("json_web_key", 12): WEAK,
    ("json_web_signature", 367): TYPO,
    ("json_web_signature", 370): TYPO,
}


class Vector(NamedTuple):
    file: str
    number: int
    comment: str
    valid: bool
    keys: dict[str, Any]
    token: str
    encrypted: bool
    plaintext: str | None  # hex

    @property
    def unsupported(self) -> str | None:
        listed = self.keys.get("keys", [self.keys])
        for name in [*(key.get("alg") for key in listed), *self._header()]:
            if name in UNSUPPORTED:
                return UNSUPPORTED[name]
        return None

    def _header(self) -> list[str]:
        parsed = parse_encrypted(self.token)
        told = isinstance(parsed, TokenRefusal) and "compression" in parsed.detail
        return ["zip"] if told else []


def read_vectors(file: str) -> Iterator[Vector]:
    document = json.loads((FOLDER / f"{file}_test.json").read_text())
    count = 0
    for group in document["testGroups"]:
        for test in group["tests"]:
            encrypted = "jwe" in test
            keys = group["private"] if encrypted else group.get("public", group["private"])
            token = test["jwe" if encrypted else "jws"]
            # JSON serialization is an object in the file, and a text to whoever is sent one.
            text = token if isinstance(token, str) else json.dumps(token)
            valid = {"valid": True, "invalid": False}[test["result"]]
            about = file, test["tcId"], f"{group['comment']}: {test['comment']}", valid
            yield Vector(*about, keys, text, encrypted, test.get("pt"))
            count += 1
    assert count == document["numberOfTests"]


VECTORS = [vector for file in FILES for vector in read_vectors(file)]


@cache
def key_set(text: str) -> KeySet | None:
    try:
        return KeySet.parse(text, SIG_AND_ENC)
    except KeySetError:
        return None


def outcome(vector: Vector) -> str:
    """ACCEPTED, the name of the reason, or KEY if that is not even tried."""
    listed = vector.keys if "keys" in vector.keys else {"keys": [vector.keys]}
    keys = key_set(json.dumps(listed))
    if keys is None:
        return "KEY"
    refusal: TokenRefusal | None = None
    if vector.encrypted:
        sealed = parse_encrypted(vector.token)
        opened = (
            sealed if isinstance(sealed, TokenRefusal) else open_encrypted(sealed, [keys], EVERY)
        )
        if isinstance(opened, TokenRefusal):
            refusal = opened
        elif vector.plaintext is not None:
            assert opened.hex() == vector.plaintext
    else:
        signed = parse_signed(vector.token)
        refusal = (
            signed if isinstance(signed, TokenRefusal) else check_signature(signed, [keys], EVERY)
        )
    if ACCEPTED_THOUGH_INVALID.get((vector.file, vector.number)) is WEAK:
        assert any("is weak" in warning for warning in keys.warnings)
    return "ACCEPTED" if refusal is None else refusal.reason.name


@pytest.mark.parametrize("file", FILES)
def test_vectors(file: str) -> None:
    wrong = []
    for vector in VECTORS:
        if vector.file == file:
            place = (vector.file, vector.number)
            expected = vector.valid and vector.unsupported is None
            expected &= place not in REFUSED_THOUGH_VALID
            expected |= place in ACCEPTED_THOUGH_INVALID
            result = outcome(vector)
            if (result == "ACCEPTED") != expected:
                wrong.append((*place, vector.comment, vector.valid, result))
    assert wrong == []


def test_tables_say_what_is_so() -> None:
    """No vector stands in a table by mistake."""
    by_place = {(vector.file, vector.number): vector for vector in VECTORS}
    assert all(by_place[place].valid for place in REFUSED_THOUGH_VALID)
    assert not any(by_place[place].valid for place in ACCEPTED_THOUGH_INVALID)
    texts = {by_place["json_web_signature", n].token for n in (357, 367, 370)}
    assert len(texts) == 1


def test_counts() -> None:
    counts: Counter[str] = Counter()
    for vector in VECTORS:
        accepted = outcome(vector) == "ACCEPTED"
        place = (vector.file, vector.number)
        if vector.valid and not accepted:
            counts[f"refused: {vector.unsupported or REFUSED_THOUGH_VALID[place]}"] += 1
        elif accepted and not vector.valid:
            counts[f"accepted: {ACCEPTED_THOUGH_INVALID[place]}"] += 1
        else:
            counts["valid, accepted" if accepted else "invalid, refused"] += 1
    assert counts == {
        "valid, accepted": 81,
        "invalid, refused": 519,
        f"refused: {UNSUPPORTED['ECDH-ES']}": 26,
        f"refused: {UNSUPPORTED['RSA1_5']}": 8,
        f"refused: {UNSUPPORTED['zip']}": 1,
        f"refused: {OTHER_ALG}": 2,
        f"refused: {NOT_A_NAME}": 2,
        f"refused: {NO_BASE64}": 2,
        f"accepted: {TYPO}": 2,
        f"accepted: {WEAK}": 4,
        f"accepted: {MIXED}": 2,
    }


def test_keys_of_a_faulty_generator() -> None:
    """CVE-2017-15361."""
    (vector,) = (v for v in VECTORS if (v.file, v.number) == ("json_web_key", 7))
    with pytest.raises(KeySetError, match="RSA modulus of a faulty generator"):
        KeySet.parse(json.dumps(vector.keys))
