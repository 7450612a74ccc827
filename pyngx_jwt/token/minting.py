"""``pyngx token``: tokens, keys and key sets for development."""

from __future__ import annotations

import argparse
import binascii
import json
import os
import stat
from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..arguments import CommandParser
from ..conf.moment import parse_time
from ..errors import WrongWords
from ..jwt import ALGORITHMS, CONTENT_ENCRYPTION, KEY_MANAGEMENT, Json
from ..jwt.encoding import decode_json
from ..jwt.mint import EncryptionKey, SigningKey, key_set

DESCRIPTION = """\
Create a token and print it. A missing key file is created. For development only. See also "pyngx
token --explain -h".
"""
EPILOG = """\
exit status: 0 the token is printed, 2 a file cannot be read or written, 4 usage error"""
TIMES = 'relative to now (1h, 30d; -5m as --exp=-5m), "@SECONDS", a date, or "none"'


def parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "pyngx token", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    add = parser.add_argument_group("token").add_argument
    add("--claim", action="append", default=[], metavar="NAME=TEXT", help="add a string claim")
    add(
        "--claim-json",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="add a claim of any type",
    )
    add("--exp", default="1h", metavar="TIME", help=f"{TIMES} (default: 1h)")
    add("--nbf", default="none", metavar="TIME", help="same format (default: none)")
    add("--iat", default="0", metavar="TIME", help="same format (default: now)")
    add(
        "--header",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="add a string to the header",
    )
    add(
        "--header-json",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="add any value to the header",
    )
    add = parser.add_argument_group("signing key").add_argument
    add("--alg", choices=ALGORITHMS, metavar="ALG", help=", ".join(ALGORITHMS))
    add("--key", metavar="FILE", help="private JWK; created, readable by you only, if missing")
    add(
        "--secret",
        metavar="SECRET",
        help="HMAC secret: hex:..., base64:..., text:... or the text itself",
    )
    add("--kid", help="kid of a new key")
    add("--bits", type=int, default=2048, help="size of a new RSA key (default: 2048)")
    add("--crv", help="curve of a new key, if the algorithm has several")
    add = parser.add_argument_group("encryption").add_argument
    managed = ", ".join(KEY_MANAGEMENT)
    add("--encrypt", choices=KEY_MANAGEMENT, metavar="ALG", help=f"encrypt the token: {managed}")
    add("--enc", choices=CONTENT_ENCRYPTION, metavar="ENC", help=", ".join(CONTENT_ENCRYPTION))
    add("--encrypt-key", metavar="FILE", help="private JWK to encrypt for; created if missing")
    add("--nested", action="store_true", help="sign first, then encrypt the signed token")
    add = parser.add_argument_group("output").add_argument
    add("--jwks-out", metavar="FILE", help="write a JWK Set for auth_jwt_key_file")
    add("--pem-out", metavar="FILE", help="write the public key as PEM")
    return parser


class _File(NamedTuple):
    path: str
    content: bytes
    mode: int
    is_new: bool  # it must not exist


@dataclass(slots=True)
class _Files:
    """The files to write once everything else has succeeded."""

    files: list[_File] = field(default_factory=list)

    def create(self, path: str, members: dict[str, Json]) -> None:
        """Adds a new private key, readable by its owner only."""
        self.files.append(_File(path, f"{json.dumps(members)}\n".encode(), 0o600, True))

    def put(self, path: str, content: bytes, *, private: bool = False) -> None:
        self.files.append(_File(path, content, 0o600 if private else 0o644, False))

    def write(self) -> None:
        """Writes all of them or none; raises OSError."""
        opened: list[tuple[int, _File]] = []
        created: list[bytes] = []
        try:
            for file in self.files:
                path = file.path.encode("latin-1")
                is_there = os.path.lexists(path)
                how = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if file.is_new else 0)
                opened.append((os.open(path, how, file.mode), file))
                created += [] if is_there else [path]
        except OSError:
            for path in created:
                os.unlink(path)
            for descriptor, _ in opened:
                os.close(descriptor)
            raise
        for descriptor, file in opened:
            _write(descriptor, file)


def _write(descriptor: int, file: _File) -> None:
    with open(descriptor, "wb") as stream:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            os.ftruncate(descriptor, 0)
            if stat.S_IMODE(status.st_mode) & 0o077 & ~file.mode:
                os.fchmod(descriptor, file.mode)
        stream.write(file.content)


def mint(words: Sequence[str], now: float) -> str:
    """The token for the command line ``words`` (latin-1), after writing the files.

    Raises WrongWords, and OSError if a file cannot be read or written."""
    arguments = parser().parse_args(words)
    _check(arguments)
    files = _Files()
    signing = None if arguments.encrypt and not arguments.nested else _signing_key(arguments, files)
    encrypting = _encryption_key(arguments, files) if arguments.encrypt else None
    claims = _claims(arguments, now)
    header = _members(arguments.header, arguments.header_json, "header")
    token = ""
    if signing is not None:
        token = signing.sign(claims, {} if encrypting else header)
    if encrypting is not None:
        token = encrypting.encrypt(token or claims, header)
    if arguments.jwks_out:
        keys = [key for key in (signing, encrypting) if key is not None]
        private = encrypting is not None or any(key.jwk.is_symmetric for key in keys)
        files.put(arguments.jwks_out, f"{key_set(*keys)}\n".encode(), private=private)
    if arguments.pem_out:
        assert signing is not None
        try:
            files.put(arguments.pem_out, signing.pem())
        except ValueError as error:
            raise WrongWords(f"--pem-out: {error}") from None
    files.write()
    return token


def _check(arguments: argparse.Namespace) -> None:
    """Raises WrongWords for options that exclude or require each other."""
    for name in ("enc", "encrypt_key", "nested"):
        if getattr(arguments, name) and not arguments.encrypt:
            raise WrongWords(f"--{name.replace('_', '-')} requires --encrypt")
    if arguments.encrypt and not arguments.nested:
        for name in ("alg", "key", "secret", "pem_out"):
            if getattr(arguments, name):
                option = name.replace("_", "-")
                raise WrongWords(f"--{option} requires --nested: nothing is signed")
    if arguments.key and arguments.secret is not None:
        raise WrongWords("--key or --secret, not both")
    paths: dict[str, str] = {}
    for name in ("key", "encrypt_key", "jwks_out", "pem_out"):
        if path := getattr(arguments, name):
            real, option = os.path.realpath(path), f"--{name.replace('_', '-')}"
            if real in paths:
                raise WrongWords(f"{paths[real]} and {option} are the same file")
            paths[real] = option


# -- keys -------------------------------------------------------------------------------------


def _signing_key(arguments: argparse.Namespace, files: _Files) -> SigningKey:
    kid = _unicode(arguments.kid)
    try:
        if arguments.secret is not None:
            return SigningKey.from_secret(arguments.alg or "HS256", _secret(arguments.secret), kid)
        members = _read(arguments.key) if arguments.key else None
        if members is None:
            alg = arguments.alg or "RS256"
            key = SigningKey.generate(alg, kid, bits=arguments.bits, crv=arguments.crv)
            if arguments.key:
                files.create(arguments.key, key.members(private=True))
            return key
        alg = members.setdefault("alg", arguments.alg)
        if arguments.alg not in (None, alg):
            raise ValueError(f"it is for {alg}, not for {arguments.alg}")
        _check_kid(members, kid)
        return SigningKey.from_members(members)
    except ValueError as error:
        raise WrongWords(f"{_name_of(arguments, 'key')}: {error}") from None


def _encryption_key(arguments: argparse.Namespace, files: _Files) -> EncryptionKey:
    alg, enc = arguments.encrypt, arguments.enc or "A256GCM"
    kid = None if arguments.nested else _unicode(arguments.kid)
    try:
        members = _read(arguments.encrypt_key) if arguments.encrypt_key else None
        if members is None:
            key = EncryptionKey.generate(alg, enc, kid, bits=arguments.bits)
            if arguments.encrypt_key:
                files.create(arguments.encrypt_key, key.members())
            return key
        _check_kid(members, kid)
        return EncryptionKey.from_members(alg, enc, members)
    except ValueError as error:
        raise WrongWords(f"{_name_of(arguments, 'encrypt_key')}: {error}") from None


def _name_of(arguments: argparse.Namespace, option: str) -> str:
    return getattr(arguments, option) or (
        "--secret" if arguments.secret is not None else "a new key"
    )


def _check_kid(members: dict[str, Json], kid: str | None) -> None:
    if kid is not None and members.get("kid") != kid:
        name = json.dumps(members.get("kid"))
        raise ValueError(f"its kid is {name}; --header kid=... sets another one in the token only")


def _read(path: str) -> dict[str, Json] | None:
    """The JWK in a file, None if there is no file; raises ValueError."""
    try:
        with open(path.encode("latin-1"), "rb") as file:
            members = decode_json(file.read())
    except FileNotFoundError:
        return None
    if not isinstance(members, dict):
        raise ValueError("not a JWK")
    if "keys" in members:
        raise ValueError("a JWK Set, not a single private JWK")
    return members


def _secret(text: str) -> bytes:
    kind, sign, rest = text.partition(":")
    try:
        if sign and kind == "hex":
            return bytes.fromhex(rest)
        if sign and kind == "base64":
            plain = rest.replace("-", "+").replace("_", "/").rstrip("=")
            return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"the secret is not {kind}") from None
    return (rest if sign and kind == "text" else text).encode("latin-1")


# -- header and claims --------------------------------------------------------------------------


def _claims(arguments: argparse.Namespace, now: float) -> dict[str, Json]:
    claims: dict[str, Json] = {}
    for name in ("iat", "nbf", "exp"):
        text = getattr(arguments, name)
        if text != "none":
            claims[name] = int(parse_time(text, int(now), f"--{name}"))
    return {**claims, **_members(arguments.claim, arguments.claim_json, "claim")}


def _members(texts: Iterable[str], documents: Iterable[str], what: str) -> dict[str, Json]:
    members: dict[str, Json] = {}
    for text in texts:
        name, value = _pair(text, f"--{what}")
        members[name] = value
    for text in documents:
        name, value = _pair(text, f"--{what}-json")
        try:
            members[name] = decode_json(value.encode())
        except ValueError as error:
            raise WrongWords(f"--{what}-json {name}: not JSON: {error}") from None
    return members


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise WrongWords(f'{option} requires NAME=VALUE, not "{text}"')
    return _unicode(name) or "", _unicode(value) or ""


def _unicode(text: Any) -> str | None:
    """Words of the command line are one character per byte."""
    if text is None:
        return None
    try:
        return str(text).encode("latin-1").decode()
    except UnicodeDecodeError:
        raise WrongWords(f'"{text}" is not UTF-8') from None
