"""``pyngx token``: tokens, keys and key sets for development."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt import token as command
from pyngx_jwt.jwt import (
    ALGORITHMS,
    KEY_MANAGEMENT,
    SIG_AND_ENC,
    Form,
    Json,
    KeySet,
    TokenPolicy,
    Verified,
    verify,
)
from pyngx_jwt.jwt.encoding import decode_base64url
from pyngx_jwt.jwt.mint import SigningKey

ROOT = Path(__file__).parent.parent.parent
EVERY = frozenset(ALGORITHMS)


class Minting:
    """The command in a folder of its own."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd

    def __call__(self, *words: str) -> str:
        """The token."""
        status, out, err = self.run(*words)
        assert (status, err) == (0, ""), err
        assert out.endswith("\n") and out.count("\n") == 1
        return out[:-1]

    def run(self, *words: str) -> tuple[int, str, str]:
        status = command.main(list(words))
        return (status, *self._capfd.readouterr())

    def fails(self, *words: str) -> str:
        """Why; nothing is printed, and no file is made or changed."""
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        status, out, err = self.run(*words)
        expected = 2 if "(2: No such file or directory)" in err else 4
        assert (status, out) == (expected, "") and err.startswith("pyngx token: ")
        assert {path: path.read_bytes() for path in self.folder.iterdir()} == before
        return err.removeprefix("pyngx token: ").rstrip("\n")

    def json(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / name).read_text())
        return document

    def mode(self, name: str) -> int:
        return (self.folder / name).stat().st_mode & 0o777


@pytest.fixture
def mint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Minting:
    monkeypatch.chdir(tmp_path)
    return Minting(tmp_path, capfd)


def accepted(token: str, keys: KeySet, form: Form = Form.SIGNED) -> Verified:
    outcome = verify(token, [keys], TokenPolicy(EVERY, form=form), time.time())
    assert isinstance(outcome, Verified), outcome
    return outcome


def header_of(token: str) -> dict[str, Json]:
    header: dict[str, Json] = json.loads(decode_base64url(token.split(".")[0].encode()))
    return header


def claims_of(token: str) -> dict[str, Json]:
    claims: dict[str, Json] = json.loads(decode_base64url(token.split(".")[1].encode()))
    return claims


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_token_of_a_new_key(alg: str, mint: Minting) -> None:
    token = mint("--alg", alg, "--kid", "k", "--claim", "sub=u", "--jwks-out", "jwks.json")
    verified = accepted(token, KeySet.parse((mint.folder / "jwks.json").read_bytes()))
    assert verified.header == {"alg": alg, "typ": "JWT", "kid": "k"}
    assert verified.claims["sub"] == "u"
    secret = ALGORITHMS[alg].kty == "oct"
    assert mint.mode("jwks.json") == (0o600 if secret else 0o644)
    assert secret or "d" not in mint.json("jwks.json")["keys"][0]


def test_claims(mint: Minting) -> None:
    words = ("--claim", "sub=a=b", "--claim-json", 'roles=["a", 1]', "--claim", "n=5")
    before = int(time.time())
    claims = claims_of(mint("--alg", "ES256", *words))
    assert claims.items() >= {"sub": "a=b", "roles": ["a", 1], "n": "5"}.items()
    issued = claims["iat"]
    assert isinstance(issued, int) and 0 <= issued - before < 10
    assert claims["exp"] == issued + 3600 and "nbf" not in claims


def test_names_and_values_are_utf8(mint: Minting) -> None:
    word = "na\u00efve=\u20ac".encode().decode("latin-1")  # as main() gets it
    assert claims_of(mint("--alg", "ES256", "--claim", word))["na\u00efve"] == "\u20ac"
    assert mint.fails("--claim", "a=\xff").endswith(" is not UTF-8")


@pytest.mark.parametrize(
    "text, away", [("2h", 7200), ("+1m", 60), ("-5m", -300), ("90", 90), ("1h30m", 5400), ("0", 0)]
)
def test_times(text: str, away: int, mint: Minting) -> None:
    claims = claims_of(mint("--alg", "EdDSA", f"--exp={text}", f"--nbf={text}", "--iat", "0"))
    assert isinstance(claims["iat"], int)
    assert claims["exp"] == claims["nbf"] == claims["iat"] + away


def test_absolute_times_and_none(mint: Minting) -> None:
    words = ("--exp", "@2000000000", "--nbf", "2026-01-31T12:00:00Z", "--iat", "none")
    claims = claims_of(mint("--alg", "EdDSA", *words))
    assert claims == {"exp": 2000000000, "nbf": 1769860800}
    assert claims_of(mint("--alg", "EdDSA", "--exp", "none", "--iat", "2026-01-31")) == {
        "iat": 1769817600
    }
    # a claim that is written out counts
    assert claims_of(mint("--alg", "EdDSA", "--claim-json", "exp=5"))["exp"] == 5


def test_header(mint: Minting) -> None:
    words = ("--header", "typ=at+jwt", "--header-json", "n=[1]", "--header", "kid=x")
    token = mint("--alg", "ES256", *words)
    assert header_of(token) == {"alg": "ES256", "typ": "at+jwt", "kid": "x", "n": [1]}


def test_key_is_made_once_and_kept(mint: Minting) -> None:
    words = ("--key", "key.json", "--jwks-out", "jwks.json")
    first = mint("--alg", "ES384", "--kid", "k", *words)
    made = (mint.folder / "key.json").read_bytes()
    second = mint(*words)
    keys = KeySet.parse((mint.folder / "jwks.json").read_bytes())
    assert accepted(first, keys).header == accepted(second, keys).header
    assert (mint.folder / "key.json").read_bytes() == made
    assert mint.mode("key.json") == 0o600


def test_key_without_an_algorithm(mint: Minting) -> None:
    members = SigningKey.generate("RS256", "k").members(private=True)
    del members["alg"]
    (mint.folder / "key.json").write_text(json.dumps(members))
    assert header_of(mint("--key", "key.json", "--alg", "PS512"))["alg"] == "PS512"
    assert mint.fails("--key", "key.json") == 'key.json: it is not a key for "alg" null'


def test_curves_and_sizes(mint: Minting) -> None:
    mint("--alg", "EdDSA", "--crv", "Ed448", "--key", "e.json")
    assert mint.json("e.json")["crv"] == "Ed448"
    mint("--bits", "3072", "--key", "r.json")
    assert len(decode_base64url(mint.json("r.json")["n"].encode())) == 384


@pytest.mark.parametrize(
    "word, octets",
    [
        ("hex:00FF10", b"\0\xff\x10"),
        ("base64:AP8Q", b"\0\xff\x10"),
        ("base64:_-8=", b"\xff\xef"),
        ("text:hex:00", b"hex:00"),
        ("a secret", b"a secret"),
        ("\xc3\xa9", b"\xc3\xa9"),
    ],
)
def test_secret(word: str, octets: bytes, mint: Minting) -> None:
    token = mint("--secret", word, "--jwks-out", "jwks.json")
    assert accepted(token, KeySet.of_secret(octets)).header["alg"] == "HS256"
    assert accepted(token, KeySet.parse((mint.folder / "jwks.json").read_bytes()))
    assert header_of(mint("--secret", word, "--alg", "HS512"))["alg"] == "HS512"


def test_public_key_in_pem(mint: Minting) -> None:
    token = mint("--alg", "ES256", "--pem-out", "key.pem")
    assert accepted(token, KeySet.parse_pem((mint.folder / "key.pem").read_bytes()))
    assert mint.fails("--alg", "HS256", "--pem-out", "x") == "--pem-out: a secret has no public key"


@pytest.mark.parametrize("alg", KEY_MANAGEMENT)
def test_encrypted(alg: str, mint: Minting) -> None:
    words = ("--encrypt", alg, "--encrypt-key", "e.json", "--kid", "e", "--jwks-out", "jwks.json")
    token = mint(*words, "--claim", "sub=u")
    keys = KeySet.parse((mint.folder / "jwks.json").read_bytes(), SIG_AND_ENC)
    verified = accepted(token, keys, Form.ENCRYPTED)
    assert verified.claims["sub"] == "u"
    assert verified.header["enc"] == "A256GCM" and verified.header["kid"] == "e"
    assert mint.mode("e.json") == mint.mode("jwks.json") == 0o600
    assert accepted(mint(*words), keys, Form.ENCRYPTED)


def test_nested(mint: Minting) -> None:
    words = ("--nested", "--encrypt", "RSA-OAEP-256", "--enc", "A128CBC-HS256", "--alg", "ES256")
    token = mint(*words, "--kid", "s", "--jwks-out", "jwks.json", "--claim", "sub=u")
    keys = KeySet.parse((mint.folder / "jwks.json").read_bytes(), SIG_AND_ENC)
    verified = accepted(token, keys, Form.NESTED)
    assert verified.claims["sub"] == "u" and verified.header["cty"] == "JWT"


def test_only_what_was_asked_for_is_written(mint: Minting) -> None:
    mint("--alg", "ES256")
    assert list(mint.folder.iterdir()) == []
    (mint.folder / "jwks.json").write_text("old")
    os.chmod(mint.folder / "jwks.json", 0o644)
    mint("--alg", "HS256", "--jwks-out", "jwks.json")
    assert mint.json("jwks.json")["keys"] and mint.mode("jwks.json") == 0o600


@pytest.mark.parametrize(
    "words, reason",
    [
        (["--claim", "sub"], '--claim requires NAME=VALUE, not "sub"'),
        (["--claim-json", "a={"], "--claim-json a: not JSON: "),
        (["--exp", "soon"], "--exp wants a time such as 1h"),
        (["--exp", "2026-13-01"], "--exp wants a time such as 1h"),
        (["--enc", "A256GCM"], "--enc requires --encrypt"),
        (["--nested"], "--nested requires --encrypt"),
        (["--encrypt", "dir", "--alg", "ES256"], "--alg requires --nested"),
        (["--key", "a", "--secret", "b"], "--key or --secret, not both"),
        (["--key", "a", "--jwks-out", "./a"], "--key and --jwks-out are the same file"),
        (["--secret", "hex:0"], "--secret: the secret is not hex"),
        (["--secret", "base64:!"], "--secret: the secret is not base64"),
        (["--secret", ""], "--secret: the secret is empty"),
        (["--secret", "x", "--alg", "ES256"], '--secret: it is not a key for "alg" "ES256"'),
        (["--key", "jwks.json"], "jwks.json: a JWK Set"),
        (["--key", "public.json"], "public.json: not a private key"),
        (["--key", "private.json", "--alg", "RS256"], "private.json: it is for ES256, not for"),
        (["--key", "private.json", "--kid", "x"], 'private.json: its kid is "k"; --header kid'),
        (["--key", "broken.json"], "broken.json: "),
        (["--key", "none/key.json"], '"none/key.json": (2: No such file or directory)'),
        (["--key", "new.json", "--jwks-out", "none/x"], '"none/x": (2: No such file'),
        (["--encrypt", "dir", "--encrypt-key", "private.json"], "private.json: it is not a key"),
    ],
)
def test_refused(words: list[str], reason: str, mint: Minting) -> None:
    key = SigningKey.generate("ES256", "k")
    (mint.folder / "public.json").write_text(json.dumps(key.members()))
    (mint.folder / "private.json").write_text(json.dumps(key.members(private=True)))
    (mint.folder / "jwks.json").write_text('{"keys": []}')
    (mint.folder / "broken.json").write_text("{")
    assert mint.fails(*words).startswith(reason)


def test_unknown_algorithm(mint: Minting) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(["--alg", "none"])
    assert caught.value.code == 4


def test_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", "token", "--alg", "ES256", "--claim", "sub=\u00e9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert claims_of(ran.stdout)["sub"] == "\u00e9"
