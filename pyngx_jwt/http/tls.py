"""What servers and upstreams share of TLS: parameters of directives, files, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..conf.scope import Scope
from ..conf.values import parse_number, parse_sec
from ..errors import ConfError
from ..log import OpenFiles, errno_text
from ..tls.context import Context
from ..tls.credentials import DATA, ENGINE, STORE
from ..tls.errors import TlsError
from ..tls.objects import TlsObjects
from ..tls.pairs import PairCache

ALPN = (b"http/1.1", b"http/1.0", b"http/0.9")  # what all clients can be served
H2 = "h2"  # HTTP/2, for servers that speak it
H3, HQ = "h3", "hq-interop"  # over QUIC
VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SCHEMES = (DATA, STORE, ENGINE)
_MOST_OF_PASSWORDS = 4096  # bytes of a line (NGX_SSL_PASSWORD_BUFFER_SIZE)
T = TypeVar("T")


def alpn_of(speaks_http2: bool) -> tuple[bytes, ...]:
    """What a server takes of the protocols that a client offers, the preferred one first."""
    return (H2.encode(), *ALPN) if speaks_http2 else ALPN


def configured(step: Callable[[], T]) -> T:
    """Runs a step of the configuration; raises ConfError for what OpenSSL says of it."""
    try:
        return step()
    except TlsError as error:
        raise ConfError(str(error)).nowhere() from None


def full_name(value: str, conf_name: Callable[[str], str]) -> str:
    """The name of a file, or what can stand in its place."""
    return value if value.startswith(_SCHEMES) else conf_name(value)


def trust(context: Context, name: str, objects: TlsObjects) -> None:
    """Verifies with the authorities of a file; raises TlsError."""
    context.trust(name, objects.authorities(name))


def revoke(context: Context, name: str, objects: TlsObjects) -> None:
    """Refuses what a file of revocation lists names; raises TlsError."""
    context.revoke(name, objects.crls(name))


def log_keys(context: Context, path: str, scope: Scope) -> None:
    """Writes the keys of connections to a file if one is named, which only its owner can read."""
    if path:
        context.log_keys(scope.shared(OpenFiles).add(scope.full_name(path), 0o600).append)


def read_passwords(name: str) -> tuple[bytes, ...]:
    """The lines of a password file (ngx_ssl_read_password_file); raises ConfError."""
    try:
        with open(name, "rb") as file:
            lines = [line.removesuffix(b"\n").removesuffix(b"\r") for line in file]
    except OSError as error:
        raise ConfError(f'open() "{name}" failed {errno_text(error)}') from None
    if any(len(line) >= _MOST_OF_PASSWORDS for line in lines):
        raise ConfError(f'too long line in "{name}"')
    return tuple(line for line in lines if line) or (b"",)


def certificate_cache(directive: str, words: tuple[str, ...]) -> PairCache | None:
    """The parameters of "ssl_certificate_cache"; raises ConfError."""
    most, inactive, valid, enabled = 0, 10, 60, True
    for word in words:
        name, _, value = word.partition("=")
        try:
            if word == "off":
                enabled = False
            elif name == "max" and (most := parse_number(value)) > 0:
                continue
            elif name == "inactive":
                inactive = parse_sec(value)
            elif name == "valid":
                valid = parse_sec(value)
            else:
                raise ValueError
        except ValueError:
            raise ConfError(f'invalid parameter "{word}"') from None
    if not enabled:
        return None
    if not most:
        raise ConfError(f'"{directive}" must have the "max" parameter')
    return PairCache(most, valid, inactive)
