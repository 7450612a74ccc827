"""TLS to upstreams: the *_ssl_* directives as a context of OpenSSL."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfError
from ..http.level import Level
from ..http.request import Request
from ..http.template import Text
from ..http.tls import configured, full_name, revoke, trust
from ..tls.connection import TlsConnection
from ..tls.context import Context
from ..tls.credentials import Pair, load_chain, load_key
from ..tls.pairs import CertificateName
from ..upstream.tls import PeerHandshake
from .conf import GatewayConf, TlsConf
from .wire import KEY, Wire

MOST_SESSIONS = 1000  # of one location
SessionKey = tuple[str, str, str]  # the server's address and name, and our certificate


@dataclass(frozen=True, slots=True)
class Tls:
    """A context, the name that is sent or verified, and sessions to resume."""

    context: Context
    text: Text
    sends_name: bool  # of an address it is never sent
    verifies: bool
    reuses: bool
    alpn: tuple[bytes, ...] = ()
    identity: Callable[[Request], CertificateName | None] | None = None  # where variables name it
    sessions: dict[SessionKey, Any] = field(default_factory=dict)

    def at(self, r: Request, peer: str) -> PeerHandshake:
        """A handshake with the server; its name has no port (ngx_http_upstream_ssl_name)."""
        text = self.text(r)
        host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
        sent = self.sends_name and not text.startswith("[") and host != "" and not _is_inet(host)
        identity = self.identity(r) if self.identity is not None else None
        key = (peer, host, identity.certificate if identity is not None else "")
        session = self.sessions.get(key)
        return PeerHandshake(self.context, host, sent, self.verifies, session, self.alpn, identity)

    def keep_session(self, handshake: PeerHandshake, peer: str, tls: TlsConnection | None) -> None:
        """Keeps what a later connection can resume."""
        session = tls.session() if self.reuses and tls is not None else None
        if session is None:
            return
        key = (peer, handshake.name, handshake.certificate)
        self.sessions.pop(key, None)
        self.sessions[key] = session
        if len(self.sessions) > MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]


def _is_inet(host: str) -> bool:
    try:
        return bool(socket.inet_aton(host)) and host.count(".") == 3
    except (OSError, ValueError):
        return False


def compile_tls(conf: GatewayConf, level: Level, wire: Wire) -> Tls:
    """Raises ConfError in nginx's words for files that cannot be used."""
    assert isinstance(conf, TlsConf)
    return Tls(
        configured(lambda: _context(conf)),
        conf.ssl_name.bind(level.variables) if conf.ssl_name else _host_of(wire),
        conf.ssl_server_name,
        conf.ssl_verify,
        conf.ssl_session_reuse,
        tuple(name.encode() for name in wire.connection.alpn),
        identity=_identity(conf, level),
    )


def _context(conf: TlsConf) -> Context:
    """The steps are those of ngx_http_proxy_set_ssl, in its order."""
    name, scope = f"{conf.prefix}_ssl", conf.scope
    context = Context(conf.ssl_protocols)
    context.set_ciphers(conf.ssl_ciphers)
    if (pair := _certificate(conf)) is not None:
        context.use(pair)
    if conf.ssl_verify:
        if not conf.ssl_trusted_certificate:
            raise ConfError(f"no {name}_trusted_certificate for {name}_verify").nowhere()
        context.verify(conf.ssl_verify_depth)
        trust(context, full_name(conf.ssl_trusted_certificate, scope.conf_name))
        if conf.ssl_crl:
            revoke(context, full_name(conf.ssl_crl, scope.conf_name))
    context.run_commands(conf.conf_commands, scope.conf_name)
    return context


def _host_of(wire: Wire) -> Text:
    return lambda r: wire.host(r.contexts[KEY])


def _certificate(conf: TlsConf) -> Pair | None:
    """The certificate that is known when the configuration is loaded."""
    certificate, key = conf.ssl_certificate, conf.ssl_certificate_key
    if certificate is None or not certificate.text:
        return None
    if key is None:
        missing = f'no "{conf.prefix}_ssl_certificate_key"'
        raise ConfError(f'{missing} is defined for certificate "{certificate.text}"').nowhere()
    if not (certificate.is_constant and key.is_constant):
        return None
    name = full_name(certificate.text, conf.scope.conf_name)
    key_name = full_name(key.text, conf.scope.conf_name)
    return Pair(name, load_chain(name), key_name, load_key(key_name, conf.passwords))


def _identity(conf: TlsConf, level: Level) -> Callable[[Request], CertificateName | None] | None:
    """The certificate that variables name, request by request."""
    certificate, key = conf.ssl_certificate, conf.ssl_certificate_key
    if certificate is None or key is None or (certificate.is_constant and key.is_constant):
        return None
    name_of, key_of = certificate.bind(level.variables), key.bind(level.variables)
    scope, cache, passwords = conf.scope, conf.certificate_cache, conf.passwords or ()

    def identity(r: Request) -> CertificateName | None:
        name = name_of(r)
        if not name:
            return None
        key_name = full_name(key_of(r), scope.conf_name)
        return CertificateName(full_name(name, scope.conf_name), key_name, cache, passwords)

    return identity
