"""Keys as TeslaGov's, max-lt's and tizpuppi's modules have them: one secret or one PEM text,
in the configuration or in a file."""

from __future__ import annotations

import re
from base64 import b64decode

from ...conf.scope import Scope
from ...errors import ConfError
from ...http.subrequest import no_request
from ...jwt import KeySet, KeySetError, Limits
from ...jwt.encoding import decode_json
from .key_file import KeyFile
from .key_sets import Failure, KeyForm
from .keyring import FindSource
from .sources import FixedKeys, Sources

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")


def is_pem(octets: bytes) -> bool:
    """Whether it is a key in PEM rather than a secret: never both."""
    return b"-----BEGIN" in octets


def parse_key(source: bytes, *, limits: Limits) -> KeySet:
    """The one key of a PEM text or a secret; raises KeySetError."""
    if len(source) > limits.set_size:
        raise KeySetError(f"key is longer than {limits.set_size} bytes")
    if is_pem(source):
        return KeySet.parse_pem(source, limits=limits)
    if _is_jwk(source, limits):
        raise KeySetError('a JWK is not a secret, use "auth_jwt_key_file" for its file')
    return KeySet.of_secret(source)


def _is_jwk(source: bytes, limits: Limits) -> bool:
    """Whether it is a JWK, or a set of them: often public, which a secret must not be."""
    if source.lstrip()[:1] != b"{":
        return False
    try:
        document = decode_json(source, limits.depth)
    except ValueError:
        return False
    return isinstance(document, dict) and ("kty" in document or "keys" in document)


def parse_line(source: bytes, *, limits: Limits) -> KeySet:
    """As parse_key(), without the line end that an editor leaves at the end of a file."""
    return parse_key(source.removesuffix(b"\n"), limits=limits)


KEY = KeyForm("key", parse_key)
LINE = KeyForm("key", parse_line)
PEM = KeyForm("public key", KeySet.parse_pem)


def decode_hex(text: str) -> bytes | None:
    """The octets, None if it is no hex."""
    return bytes.fromhex(text) if _HEX.fullmatch(text) else None


def decode_base64(text: str) -> bytes | None:
    """The octets of the standard alphabet up to the first "=" (ngx_decode_base64)."""
    text = text.partition("=")[0]
    if not _BASE64.fullmatch(text) or len(text) % 4 == 1:
        return None
    return b64decode(text + "=" * (-len(text) % 4))


def fixed(octets: bytes, scope: Scope, directive: str, form: KeyForm = KEY) -> FindSource:
    """A key of the configuration itself; raises ConfError.  A weak one is a warning."""
    try:
        key_set = form.parse(octets, limits=scope.shared(Sources).sets.limits)
    except KeySetError as error:
        raise ConfError(f'"{directive}" cannot be used: {error}') from None
    for warning in key_set.warnings:
        scope.warn(f"auth_jwt: {directive}: {warning}")
    source = FixedKeys(key_set, directive)
    return lambda r: source


def unusable(reason: str) -> FindSource:
    """A key that verifies no token, for lint, which continues after the error about it."""
    source = FixedKeys(Failure(reason, reason), "auth_jwt_key")
    return lambda r: source


def find_file(find: FindSource) -> KeyFile:
    """The file of a source from from_file()."""
    source = find(no_request())
    assert isinstance(source, KeyFile)
    return source


def from_file(path: str, form: KeyForm, scope: Scope) -> FindSource:
    """A key file of this full path, which need not be there yet."""
    source = scope.shared(Sources).file(path, form)
    return lambda r: source
