"""JSON Web Keys (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd
from types import MappingProxyType
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from jwcrypto.common import JWException  # type: ignore[import-untyped]
from jwcrypto.jwk import JWK  # type: ignore[import-untyped]

from .algorithms import Material
from .claims import Members
from .encoding import Json, decode_base64url, encode_base64url, quote
from .encryption import CONTENT_ENCRYPTION, KEY_MANAGEMENT, Private
from .key import MOST_PRIVATE_BITS, Key, KeyUse, unfit_rsa

_SIZES = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32, "Ed25519": 32, "Ed448": 57}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_CRT = ("p", "q", "dp", "dq", "qi")
_TOO_MUCH = "the set would take too long to try"
_OPERATIONS = {KeyUse.SIG: ("verify",), KeyUse.ENC: ("decrypt", "unwrapKey", "deriveKey")}


class _Pair(NamedTuple):
    """What is in a JWK: for verifying, and for decrypting if it can."""

    public: Material
    private: Private | None = None


class Member(NamedTuple):
    """A member of "keys": the key, or why it is skipped, and what to warn of.  Its work is that of
    trying the key, or of having read it if that is more."""

    kid: str | None
    key: Key | None
    work: int
    remarks: tuple[str, ...] = ()
    fault: str = ""
    is_malformed: bool = False


def read_member(jwk: Json, number: int, uses: frozenset[KeyUse], most_work: int) -> Member:
    """Reads one key.  What cannot be used is skipped (RFC 7517, section 5): one key must not
    disable the others.  So is one that takes more work than that to try."""
    name = jwk.get("kid") if isinstance(jwk, dict) else None
    kid = name if isinstance(name, str) else None
    place = f"key {number} (kid {quote(kid)})" if kid is not None else f"key {number}"
    is_malformed = False
    work = _work_of_reading(jwk) if KeyUse.ENC in uses and isinstance(jwk, dict) else 0
    try:
        key = _key(jwk, uses) if work < most_work else _TOO_MUCH
    except (ValueError, JWException) as error:
        key, is_malformed = str(error), True
    if not isinstance(key, str):
        work = max(work, key.work)
        key = key if work <= most_work else _TOO_MUCH
    if isinstance(key, str):
        lost = 0 if key is _TOO_MUCH else work
        return Member(kid, None, lost, (f"{place} is skipped: {key}",), key, is_malformed)
    remarks = key.weaknesses()
    private = isinstance(jwk, dict) and not _PRIVATE.isdisjoint(jwk)
    if private and key.kty != "oct" and not key.decrypts:
        remarks.append("private key; only its public part is used")
    return Member(kid, key, work, tuple(f"{place}: {remark}" for remark in remarks))


def _work_of_reading(jwk: Members) -> int:
    """Of a private RSA key whose factors have to be computed, in units of ``Key.work``."""
    if "d" not in jwk or all(name in jwk for name in _CRT):
        return 0
    bits = 6 * len(_text(jwk, "n") or "")
    return 30 * (bits // 1024) ** 3 if bits < MOST_PRIVATE_BITS + 1024 else 0


def _key(jwk: Json, uses: frozenset[KeyUse]) -> Key | str:
    """The key, or why it is skipped."""
    if not isinstance(jwk, dict):
        return "not an object"
    allowed = _allowed(jwk, uses)
    if isinstance(allowed, str):
        return allowed
    kty, kid, alg, crv = (_text(jwk, name) for name in ("kty", "kid", "alg", "crv"))
    read = _READERS.get(kty or "")
    if read is None or kty is None:
        return f"unsupported key type {quote(kty or '')}"
    decrypts = KeyUse.ENC in allowed
    pair = read(jwk, decrypts)
    if isinstance(pair, str):
        return pair
    if kty not in ("EC", "OKP"):
        crv = None
    public, private = pair
    verifies = KeyUse.SIG in allowed
    key = Key.of(public, kty, crv, kid, alg, verifies=verifies, private=private)
    return key or _useless(kty, alg, public, decrypts)


def _useless(kty: str, alg: str | None, public: Material, decrypts: bool) -> str:
    """Why a key can do nothing of what it may be used for."""
    if decrypts and kty == "RSA" and alg in (None, *KEY_MANAGEMENT):
        if isinstance(public, rsa.RSAPublicKey) and public.key_size > MOST_PRIVATE_BITS:
            return f"RSA modulus of {public.key_size} bits, which takes too long to decrypt with"
        return "no private part to decrypt with"
    known = (None, *KEY_MANAGEMENT, *CONTENT_ENCRYPTION)
    if decrypts and isinstance(public, bytes) and alg in known:
        return f"secret of {len(public)} bytes does not fit the algorithm"
    return f"unsupported algorithm {quote(alg or '')}"


def _allowed(jwk: Members, uses: frozenset[KeyUse]) -> frozenset[KeyUse] | str:
    """What the common members (RFC 7517, section 4) let the key be used for, or why nothing."""
    if any(not isinstance(jwk.get(name, ""), str) for name in ("kty", "use", "alg", "kid")):
        return '"kty", "use", "alg" or "kid" is not a string'
    if jwk.get("kid") == "":  # rather a mistake than a key without a name
        return 'empty "kid"'
    if "use" in jwk:
        named = frozenset(use for use in uses if use == jwk["use"])
        if not named:
            return f'"use" is not {_either(sorted(uses, reverse=True))}'
        uses = named
    if "key_ops" in jwk:
        operations = jwk["key_ops"]
        listed = operations if isinstance(operations, list) else []
        named = frozenset(use for use in uses if any(name in listed for name in _OPERATIONS[use]))
        if not named:
            wanted = [name for use in sorted(uses, reverse=True) for name in _OPERATIONS[use]]
            return f'"key_ops" has no {_either(wanted)}'
        uses = named
    return uses


def _either(names: list[str] | list[KeyUse]) -> str:
    return " or ".join([f'"{name}"' for name in names])


def _text(jwk: Members, name: str) -> str | None:
    value = jwk.get(name)
    return value if isinstance(value, str) else None


def _octets(jwk: Members, name: str) -> bytes:
    """The decoded member, empty if there is none.  Padding and spare bits are accepted, as by
    nginx: some issuers add them, and some secrets are written by hand."""
    try:
        return decode_base64url((_text(jwk, name) or "").rstrip("=").encode(), canonical=False)
    except ValueError:
        raise ValueError(f'"{name}" is not base64url') from None


def _required(jwk: Members, name: str) -> bytes:
    """The decoded member, which must not be missing."""
    if _text(jwk, name) is None:
        raise ValueError(f'"{name}" is {"not a string" if name in jwk else "missing"}')
    return _octets(jwk, name)


def _jwk(**members: str | bytes) -> JWK:
    # Only members named here ever reach jwcrypto: among others, "generate" makes it do so.
    texts = {
        name: encode_base64url(value).decode() if isinstance(value, bytes) else value
        for name, value in members.items()
    }
    return JWK(**texts)


def _read_rsa(jwk: Members, decrypts: bool) -> _Pair | str:
    """RFC 7518, section 6.3; of "d" alone, the other private members are computed."""
    n, e = _required(jwk, "n"), _required(jwk, "e")
    if unfit := unfit_rsa(int.from_bytes(n), int.from_bytes(e)):
        return unfit
    public = _jwk(kty="RSA", n=n, e=e).get_op_key("verify")
    if not decrypts or "d" not in jwk or "oth" in jwk or 8 * len(n) > MOST_PRIVATE_BITS:
        return _Pair(public)
    return _Pair(public, _private_rsa(jwk, rsa.RSAPublicNumbers(*map(int.from_bytes, (e, n)))))


def _private_rsa(jwk: Members, public: rsa.RSAPublicNumbers) -> rsa.RSAPrivateKey:
    # jwcrypto would insist on the members that RFC 7518, section 6.3.2, leaves out with "d".
    d, p, q, dp, dq, qi = (int.from_bytes(_octets(jwk, name)) for name in ("d", *_CRT))
    if not 1 < d < public.n:
        raise ValueError('"d" is out of range')
    multiple = public.e * d - 1  # of p - 1 and of q - 1
    if not all((p, q, dp, dq, qi)):
        p, q = _factors(public.n, multiple)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    if p * q != public.n or min(p, q) < 3 or multiple % (p - 1) or multiple % (q - 1):
        raise ValueError('"d" does not fit "n" and "e"')
    if dp != d % (p - 1) or dq != d % (q - 1) or qi * q % p != 1:
        raise ValueError("private members do not fit each other")
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public)
    # The library would look whether p and q are primes, which keeps a worker busy for too long: 0.4
    # seconds for 4096 bits.  A key that has passed the checks above and is wrong decrypts nothing.
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _factors(n: int, multiple: int) -> tuple[int, int]:
    """p and q, by a multiple of p - 1 and q - 1 (NIST SP 800-56B, appendix C.1).

    Every base leads to them with a probability of a half, if the multiple is one."""
    twos = (multiple & -multiple).bit_length() - 1
    for base in _BASES:
        root = pow(base, multiple >> twos, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1 or root in (1, n - 1):
                break
            root = square
        else:
            break
        if root not in (1, n - 1):
            p = gcd(root - 1, n)
            return p, n // p
    raise ValueError('"d" does not fit "n" and "e"')


_BASES = [n for n in range(2, 72) if all(n % m for m in range(2, n))]  # 20 of them


def _read_ec(jwk: Members, decrypts: bool) -> _Pair | str:
    crv = _text(jwk, "crv") or ""
    if crv not in ("P-256", "P-384", "P-521", "secp256k1"):
        return f"unsupported curve {quote(crv)}"
    x, y = _required(jwk, "x"), _required(jwk, "y")
    if len(x) != _SIZES[crv] or len(y) != _SIZES[crv]:  # RFC 7518, section 6.2.1
        return '"x" or "y" of wrong length'
    return _Pair(_jwk(kty="EC", crv=crv, x=x, y=y).get_op_key("verify"))


def _read_okp(jwk: Members, decrypts: bool) -> _Pair | str:
    crv = _text(jwk, "crv") or ""
    if crv not in ("Ed25519", "Ed448"):  # X25519 and X448 cannot sign
        return f"unsupported curve {quote(crv)}"
    x = _required(jwk, "x")
    if len(x) != _SIZES[crv]:
        return '"x" of wrong length'
    return _Pair(_jwk(kty="OKP", crv=crv, x=x).get_op_key("verify"))


def _read_secret(jwk: Members, decrypts: bool) -> _Pair | str:
    secret = _required(jwk, "k")
    return _Pair(secret, secret if decrypts else None) if secret else "empty secret"


_READERS: Mapping[str, Callable[[Members, bool], _Pair | str]] = MappingProxyType(
    {"RSA": _read_rsa, "EC": _read_ec, "OKP": _read_okp, "oct": _read_secret}
)
