"""Changes good tokens at random: ``python -m tests.jwt.fuzz --count 200000 --seed 1``.

Whatever comes of it, the verifier raises nothing, and accepts only what another library,
joserfc, finds to be signed or encrypted with one of the keys, and to say the same.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwe, jwk, jws
from joserfc.errors import JoseError, SecurityWarning

from pyngx_jwt.jwt import (
    ALGORITHMS,
    CONTENT_ENCRYPTION,
    KEY_MANAGEMENT,
    Form,
    Json,
    TokenMemory,
    TokenPolicy,
    TokenRefusal,
    Verified,
    Verifier,
)
from pyngx_jwt.jwt.encoding import decode_base64url, encode_base64url
from pyngx_jwt.jwt.mint import EncryptionKey, SigningKey

from .keys import NOW, enc_set, hs, without

# Those that joserfc has, too.
KINDS = [("dir", "A128GCM"), ("dir", "A256CBC-HS512"), ("A128KW", "A128CBC-HS256")]
KINDS += [("A192KW", "A192CBC-HS384"), ("A256GCMKW", "A256GCM"), ("A128GCMKW", "A128CBC-HS256")]
KINDS += [("RSA-OAEP", "A192GCM"), ("RSA-OAEP-256", "A128GCM")]
CLAIMS: dict[str, Json] = {"sub": "u\u00e91", "exp": NOW + 60, "roles": ["a", {"b": 1.5}]}


class AnyJws(jws.JWSRegistry):
    max_header_length = max_payload_length = max_signature_length = 1 << 20

    def check_header(self, header: object, *_: object) -> None:
        """What else is in the header is not for joserfc to judge."""


class AnyJwe(jwe.JWERegistry):
    max_protected_header_length = max_encrypted_key_length = 1 << 20
    max_ciphertext_length = 1 << 20

    def check_header(self, header: object, *_: object) -> None:
        """As above."""


JWS = AnyJws(algorithms=list(ALGORITHMS))
JWE = AnyJwe(algorithms=[*KEY_MANAGEMENT, *CONTENT_ENCRYPTION])
Named = tuple[str, jwk.Key]  # its kid, "" if none


@dataclass(frozen=True, slots=True)
class Source:
    """A good token, who accepts it, and how another token like it is made."""

    name: str
    token: str
    verifier: Verifier
    keys: list[Named] = field(repr=False)
    remake: Callable[[dict[str, Json], bytes], str] = field(repr=False)

    def confirmed(self, text: str) -> bytes | None:
        """The claims set, if joserfc accepts the token, too."""
        form = self.verifier.policy.form
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA is deprecated, it says
            content: bytes | None = text.encode()
            if form is not Form.SIGNED:
                content = self._encrypted(text)
            if content is None or form is Form.ENCRYPTED:
                return content
            return self._signed(content.decode())

    def _signed(self, text: str) -> bytes | None:
        for key in self._candidates(text):
            try:
                return jws.deserialize_compact(text, key, registry=JWS).payload
            except (JoseError, ValueError, TypeError, AttributeError):
                continue
        return None

    def _encrypted(self, text: str) -> bytes | None:
        for key in self._candidates(text):
            try:
                return jwe.decrypt_compact(text, key, registry=JWE).plaintext
            except (JoseError, ValueError, TypeError, AttributeError):
                continue
        return None

    def _candidates(self, text: str) -> list[jwk.Key]:
        kid = json.loads(decode_base64url(text.split(".")[0].encode())).get("kid")
        known = isinstance(kid, str) and kid != ""  # others count as absent
        return [key for name, key in self.keys if name in ("", kid) or not known]


def make_sources() -> list[Source]:
    memory = TokenMemory()
    signers = [SigningKey.generate(alg, f"k-{alg}") for alg in ALGORITHMS]
    signers.append(SigningKey.generate("EdDSA", "k-EdDSA-Ed448", crv="Ed448"))
    encrypters = [EncryptionKey.generate(alg, enc, f"k-{alg}-{enc}") for alg, enc in KINDS]
    whole = enc_set(*signers, *encrypters)
    algorithms = frozenset(ALGORITHMS)
    holders: list[SigningKey | EncryptionKey] = [*signers, *encrypters]
    every = [(str(key.jwk.get("kid")), _import(key)) for key in holders]
    found = []
    for signer in signers:
        members = without(signer, "kid", "alg", "use")
        keys = [("", _import(signer))]
        policy = TokenPolicy(algorithms=algorithms)
        unnamed = Verifier(policy, [enc_set(members)], memory)
        named = Verifier(policy, [whole], memory)
        header: dict[str, Json] = {"alg": signer.alg, "kid": signer.jwk.get("kid")}
        sign = _signing(signer)
        token = sign(header, json.dumps(CLAIMS).encode())
        found.append(Source(f"{signer.alg}", token, unnamed, keys, sign))
        found.append(Source(f"{signer.alg} of many", token, named, every, sign))
    for n, encrypter in enumerate(encrypters):
        signer = signers[n]
        header = {"alg": encrypter.alg, "enc": encrypter.enc, "kid": encrypter.jwk.get("kid")}
        seal, name = encrypter.encrypt_raw, f"{encrypter.alg} {encrypter.enc}"
        claims = json.dumps(CLAIMS).encode()
        for form, content in (
            (Form.ENCRYPTED, claims),
            (Form.NESTED, signer.sign(claims).encode()),
        ):
            policy = TokenPolicy(algorithms=algorithms, form=form)
            verifier = Verifier(policy, [whole], memory)
            found.append(Source(f"{name} {form}", seal(header, content), verifier, every, seal))
    return found


def _import(key: SigningKey | EncryptionKey) -> jwk.Key:
    members: Any = key.members()
    return jwk.import_key({n: v for n, v in members.items() if n not in ("alg", "use", "kid")})


def _signing(key: SigningKey) -> Callable[[dict[str, Json], bytes], str]:
    return lambda header, payload: key.sign_raw(json.dumps(header).encode(), payload)


# -- changes


ALPHABET = string.ascii_letters + string.digits + "-_"
ODD = '=+/. \n\t\0"{}\u00e9\u20ac\U0001f600'
MEMBERS: list[tuple[str, list[Json]]] = [
    ("alg", [*ALGORITHMS, *KEY_MANAGEMENT, "none", "None", "", None, 1, ["HS256"]]),
    ("enc", [*CONTENT_ENCRYPTION, "none", None]),
    ("kid", [None, "", 1, "k-HS256", "k-RS256", "k-dir-A128GCM", "../k", "x" * 300, ["k"]]),
    ("crit", [[], ["b64"], ["exp"], None]),
    ("b64", [True, False, None]),
    ("zip", ["DEF", None]),
    ("typ", ["JWT", "at+jwt", 1]),
    ("jwk", [{"kty": "oct", "k": "AAAA"}]),
    ("jku", ["https://evil.example/"]),
    ("iv", ["", "AAAAAAAAAAAAAAAA", 1]),
    ("tag", ["", "AAAAAAAAAAAAAAAAAAAAAA"]),
    ("p2c", [10**12]),
    ("x", [{"": [[[[[[[[[[[[]]]]]]]]]]]]}, "\u0000", "\ud800", 1e400, 10**4000]),
]


PREFIXES = ['{"alg":"none",', '{"kid":"x",', " {", "\ufeff{", '{"":' + "1" * 5000 + ",", "[{"]
VALUES: list[Json] = [NOW, NOW - 1, NOW + 1, "1", None, 1e300, True, -1, {"a": []}]
Change = Callable[[random.Random, str, "Source", list["Source"]], str]


def flip(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """One bit of one character."""
    place = r.randrange(len(token)) if token else 0
    return token[:place] + chr(ord(token[place]) ^ 1 << r.randrange(8)) + token[place + 1 :]


def replace(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """A character by another of the alphabet."""
    place = r.randrange(len(token))
    return token[:place] + r.choice(ALPHABET) + token[place + 1 :]


def insert(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    place = r.choice((0, len(token), r.randrange(len(token) + 1)))
    return token[:place] + r.choice(ALPHABET + ODD * 5) * r.choice((1, 1, 2, 4)) + token[place:]


def truncate(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    place = r.randrange(len(token) + 1)
    return r.choice((token[:place], token[place:], token[:-1], token[: -r.randrange(1, 9)]))


def repeat(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    a = r.randrange(len(token) + 1)
    b = r.randrange(a, len(token) + 1)
    return token[:b] + token[a:b] + token[b:]


def segments(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """Segments in another order, one more or one less, or one of another token."""
    parts = token.split(".")
    what = r.randrange(5)
    if what == 0:
        r.shuffle(parts)
    elif what == 1:
        del parts[r.randrange(len(parts))]
    elif what == 2:
        parts.insert(r.randrange(len(parts) + 1), r.choice([*parts, "", "e30", "AAAA"]))
    else:
        other = r.choice(others).token.split(".")
        parts[r.randrange(len(parts))] = r.choice(other)
    return ".".join(parts)


def spelling(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """Other base64 for what may be the same octets."""
    parts = token.split(".")
    n = r.randrange(len(parts))
    text = parts[n] or "A"
    last = ALPHABET.find(text[-1])
    parts[n] = r.choice(
        (
            f"{text}=",
            f"{text}==",
            text.replace("-", "+").replace("_", "/"),
            text[:-1] + ALPHABET[(last + r.randrange(1, 16)) % 64],
            f"{text[:4]}\n{text[4:]}",
            f"{text}A",
            f"{text}AA",
        )
    )
    return ".".join(parts)


def octets(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """Octets of a segment, which is encoded well again."""
    parts = token.split(".")
    n = r.randrange(len(parts))
    try:
        old = bytearray(decode_base64url(parts[n].encode()))
    except ValueError:
        return token
    what = r.randrange(6)
    if what == 0 and old:
        old[r.randrange(len(old))] ^= 1 << r.randrange(8)
    elif what == 1:
        old = bytearray(len(old))
    elif what == 2:
        old += bytes(r.randrange(1, 17))
    elif what == 3:
        old = bytearray(bytes(r.randrange(1, 3))) + old
    elif what == 4:
        del old[r.randrange(len(old) + 1) :]
    else:
        old = bytearray(r.randbytes(len(old)))
    parts[n] = encode_base64url(bytes(old)).decode()
    return ".".join(parts)


def edited_header(r: random.Random, token: str) -> dict[str, Json]:
    try:
        header = json.loads(decode_base64url(token.split(".")[0].encode()))
    except ValueError:
        header = {}
    if not isinstance(header, dict):
        return {}
    for _ in range(r.choice((0, 1, 1, 2, 3))):
        name, values = r.choice(MEMBERS)
        if r.random() < 0.2:
            header.pop(name, None)
        else:
            header[name] = r.choice(values)
    return header


def header(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """Another header on the same token."""
    first = json.dumps(edited_header(r, token), ensure_ascii=r.random() < 0.5)
    if r.random() < 0.2:
        first = first.replace("{", r.choice(PREFIXES), 1)
    text = encode_base64url(first.encode("utf-8", "surrogatepass")).decode()
    return ".".join([text, *token.split(".")[1:]])


def remake(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """A token that is signed or encrypted well, whatever it says."""
    what = dict(CLAIMS)
    for name in r.sample(["exp", "nbf", "sub", "x"], 2):
        what[name] = r.choice(VALUES)
    payload = bytearray(json.dumps(what).encode())
    if r.random() < 0.3:
        payload[r.randrange(len(payload))] = r.randrange(256)
    content = bytes(payload)
    if source.verifier.policy.form is Form.NESTED and r.random() < 0.9:
        inner = r.choice(others)
        content = r.choice((inner.token, mutate(r, inner, others, 1)[0])).encode("utf-8", "replace")
    maker = source if r.random() < 0.7 else r.choice(others)
    try:
        return maker.remake(edited_header(r, token), content)
    except (UnicodeEncodeError, ValueError):  # what cannot be made
        return token


def confuse(r: random.Random, token: str, source: Source, others: list[Source]) -> str:
    """HMAC with what everybody knows of a key."""
    key = r.choice(r.choice(others).keys)[1]
    public = key.as_dict(private=key.key_type == "oct")
    secrets = [json.dumps(public), str(public.get("n", "")), str(public.get("x", "")), ""]
    alg = r.choice(("HS256", "HS384", "HS512"))
    said: dict[str, Json] = {"alg": alg, "kid": r.choice(("k-RS256", "k-ES256", "k-HS256", None))}
    return hs(CLAIMS, said, r.choice(secrets).encode())


CHANGES: tuple[Change, ...] = (
    flip,
    replace,
    insert,
    truncate,
    repeat,
    segments,
    spelling,
    octets,
    header,
    remake,
    confuse,
)


def mutate(
    r: random.Random, source: Source, others: list[Source], most: int
) -> tuple[str, list[str]]:
    """A changed token, and how it was changed."""
    token, names = source.token, []
    for _ in range(min(r.choice((1, 1, 1, 2, 3)), most)):
        change = remake if r.random() < 0.2 else r.choice(CHANGES)
        if token:
            token = change(r, token, source, others)
            names.append(change.__name__)
    return token, names


# -- runs


class Unsafe(AssertionError):
    """The verifier accepted what it must not, or raised."""


def fuzz(count: int, seed: int) -> Counter[str]:
    """How many tokens had which outcome.  Raises Unsafe with the token."""
    r = random.Random(seed)
    sources = make_sources()
    counts: Counter[str] = Counter()
    for source in sources:
        if judge(source, source.token) != "ACCEPTED":
            raise Unsafe(f"{source.name}: refused though good")
    for _ in range(count):
        source = r.choice(sources)
        token, names = mutate(r, source, sources, 3)
        result = judge(source, token)
        if result == "ACCEPTED" and token == source.token:
            result = "ACCEPTED, as nothing was changed in effect"
        counts[result] += 1
        counts.update(f"- {name}" for name in names)
    return counts


def judge(source: Source, token: str) -> str:
    """ACCEPTED, or the name of the reason."""
    try:
        answer = source.verifier.verify(token, NOW)
    except Exception as error:
        raise Unsafe(f"{source.name}: {type(error).__name__} for {token!r}") from error
    if isinstance(answer, TokenRefusal):
        if not (answer.text.isascii() and answer.text.isprintable() and len(answer.text) < 300):
            raise Unsafe(f"{source.name}: refusal {answer.text!r}")
        return answer.reason.name
    _confirm(source, token, answer)
    return "ACCEPTED"


def _confirm(source: Source, token: str, verified: Verified) -> None:
    claims_set = source.confirmed(token)
    if claims_set is None:
        raise Unsafe(f"{source.name}: accepted {token!r}")
    if claims_set != verified.claims_set or json.loads(claims_set) != verified.claims:
        raise Unsafe(f"{source.name}: other claims in {token!r}")
    if json.loads(decode_base64url(token.split(".")[0].encode())) != verified.header:
        raise Unsafe(f"{source.name}: other header in {token!r}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.jwt.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    start = time.monotonic()
    counts = fuzz(arguments.count, arguments.seed)
    print(f"{arguments.count} tokens, seed {arguments.seed}, {time.monotonic() - start:.0f} s")
    for name, number in sorted(counts.items(), key=lambda item: (item[0][0] == "-", -item[1])):
        print(f"{number:8} {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
