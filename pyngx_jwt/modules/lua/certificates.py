"""What code can do with certificates and TLS connections ("ngx.ssl")."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ...tls.certificate import encoded
from ...tls.credentials import DATA, encoded_key, load_chain, load_key, parse_chain, parse_key
from ...tls.errors import TlsError
from .calls import Calls, LuaError
from .state import LuaHandshake, LuaRun, LuaServed

calls = Calls()

GREASE = frozenset(0x0A0A + step * 0x1010 for step in range(16))  # RFC 8701


# -- certificates and keys -----------------------------------------------------------------


def _tls_of(run: LuaRun | None) -> Any:
    """The TLS of the client's connection; raises LuaError without a connection."""
    if isinstance(run, LuaHandshake):
        return run.greeting.tls
    if isinstance(run, LuaServed):
        return run.tls
    raise LuaError("no request found")


def _tried(step: Callable[..., None], *arguments: Any) -> Any:
    try:
        step(*arguments)
    except TlsError as error:
        return None, _reason(error)
    return True


@calls
def ssl_clear_certs(run: LuaHandshake) -> Any:
    return _tried(_tls_of(run).show_none)


@calls
def ssl_set_chain(run: LuaHandshake, chain: Any) -> Any:
    return _tried(_tls_of(run).show_chain, chain.parts)


@calls
def ssl_set_key(run: LuaHandshake, key: Any) -> Any:
    return _tried(_tls_of(run).show_key, key.parts)


class Parsed:
    """A chain of certificates, or a key, for Lua to hold."""

    __slots__ = ("kind", "parts")

    def __init__(self, kind: str, parts: Any) -> None:
        self.kind, self.parts = kind, parts


@calls
def ssl_parse(kind: str, text: str, password: str | None) -> Any:
    """`kind` is "chain" or "key", in PEM or, with "-der", in DER."""
    what, _, form = kind.partition("-")
    data = text.encode("latin-1")
    try:
        if form:
            parts = parse_chain(data) if what == "chain" else parse_key(data)
        elif what == "chain":
            parts = load_chain(DATA + text)
        else:
            parts = load_key(DATA + text, [(password or "").encode("latin-1")])
    except TlsError as error:
        return None, _reason(error)
    return Parsed(what, parts)


def _reason(error: TlsError) -> str:
    """Without what was to be loaded, and what OpenSSL has said."""
    return str(error).rpartition('": ')[2].partition(" (")[0]


@calls
def ssl_is(kind: str, value: Any) -> bool:
    return isinstance(value, Parsed) and value.kind == kind


@calls
def ssl_encoded(value: Parsed) -> bytes:
    """All of it in DER."""
    if value.kind == "key":
        return encoded_key(value.parts)
    return b"".join(encoded(certificate) for certificate in value.parts)


@calls
def ssl_verify_client(run: LuaHandshake, chain: Parsed | None, depth: int) -> bool:
    _tls_of(run).verify(chain.parts if chain is not None else (), int(depth))
    return True


# -- the connection ------------------------------------------------------------------------


@calls
def ssl_server_name(run: LuaRun) -> Any:
    if isinstance(run, LuaHandshake):
        return run.greeting.hello.host or None
    if _tls_of(run) is None:
        return None, "bad ssl conn"
    assert run.r is not None
    return run.r.connection.sni or None


@calls
def ssl_version(run: LuaRun) -> Any:
    """The number, and its name."""
    tls = _tls_of(run)
    return (None, "bad ssl conn") if tls is None else (tls.version_number, tls.version)


@calls
def ssl_client_random(run: LuaRun) -> Any:
    tls = _tls_of(run)
    return (None, "bad ssl conn") if tls is None else tls.client_random


@calls
def ssl_address(run: LuaHandshake, of_client: bool) -> Any:
    """Bytes of the address, its kind, and the port."""
    name = run.greeting.peer if of_client else run.greeting.local
    if not isinstance(name, tuple):
        return (name or "").encode() if isinstance(name, str) else name or b"", "unix", None
    is_ipv6 = ":" in name[0]
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    packed = socket.inet_pton(family, name[0].partition("%")[0])
    return packed, "inet6" if is_ipv6 else "inet", name[1]


# -- the client's hello --------------------------------------------------------------------


@calls
def hello_extension(run: LuaHandshake, kind: int) -> bytes | None:
    return run.greeting.hello.extensions.get(int(kind))


@calls
def hello_extensions(run: LuaHandshake) -> Any:
    kinds = run.greeting.hello.extensions
    return run.machine.table([kind for kind in kinds if kind not in GREASE])


@calls
def hello_ciphers(run: LuaHandshake) -> Any:
    data = run.greeting.hello.ciphers
    numbers = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2)]
    return run.machine.table([number for number in numbers if number not in GREASE])


@calls
def hello_allow_only(run: LuaHandshake, *protocols: str) -> None:
    run.greeting.protocols = protocols
