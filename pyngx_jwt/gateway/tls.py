"""TLS to upstreams: the *_ssl_* directives as a context of OpenSSL."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic

from ..errors import ConfError
from ..http.level import Level
from ..http.request import Request
from ..http.template import TextOf
from ..http.tls import configured, full_name, log_keys, revoke, trust
from ..http.variables import R, VariableTable
from ..tls.connection import TlsConnection
from ..tls.context import Context
from ..tls.objects import TlsObjects
from ..tls.pairs import CertificateName
from ..upstream.tls import PeerHandshake
from .conf import GatewayConf, TlsConf
from .wire import KEY, Wire

MOST_SESSIONS = 1000  # of one location
SessionKey = tuple[str, str, str]  # the server's address and name, and our certificate


@dataclass(frozen=True, slots=True)
class Tls(Generic[R]):
    """A context, the name that is sent or verified, and sessions to resume."""

    context: Context
    text: TextOf[R]
    sends_name: bool  # of an address it is never sent
    verifies: bool
    reuses: bool
    alpn: Callable[[R], tuple[bytes, ...]]  # the protocols that are offered
    identity: Callable[[R], CertificateName | None] | None = None  # where variables name it
    sessions: dict[SessionKey, Any] = field(default_factory=dict)

    def at(self, r: R, peer: str) -> PeerHandshake:
        """A handshake with the server; its name has no port (ngx_http_upstream_ssl_name)."""
        text = self.text(r)
        host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
        sent = self.sends_name and not text.startswith("[") and host != "" and not _is_inet(host)
        identity = self.identity(r) if self.identity is not None else None
        key = (peer, host, identity.certificate if identity is not None else "")
        session = self.sessions.get(key)
        alpn = self.alpn(r)
        return PeerHandshake(self.context, host, sent, self.verifies, session, alpn, identity)

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


def compile_tls(conf: GatewayConf, level: Level, wire: Wire) -> Tls[Request]:
    """Raises ConfError in nginx's words for files that cannot be used."""
    assert isinstance(conf, TlsConf)
    alpn = tuple(name.encode() for name in wire.connection.alpn)
    return tls_of(conf, level.variables, lambda r: wire.host(r.contexts[KEY]), lambda r: alpn)


def tls_of(
    conf: TlsConf,
    variables: VariableTable[R],
    host: TextOf[R],
    alpn: Callable[[R], tuple[bytes, ...]],
) -> Tls[R]:
    """The same for sessions of any kind; `host` is the name if none is configured."""
    return Tls(
        configured(lambda: _context(conf)),
        conf.ssl_name.bind(variables) if conf.ssl_name else host,
        conf.ssl_server_name,
        conf.ssl_verify,
        conf.ssl_session_reuse,
        alpn,
        identity=_identity(conf, variables),
    )


def _context(conf: TlsConf) -> Context:
    """The steps are those of ngx_http_proxy_set_ssl, in its order."""
    name, scope = f"{conf.prefix}_ssl", conf.scope
    context = Context(conf.ssl_protocols)
    context.set_ciphers(conf.ssl_ciphers)
    _use_certificate(context, conf)
    if conf.ssl_verify:
        if not conf.ssl_trusted_certificate:
            raise ConfError(f"no {name}_trusted_certificate for {name}_verify").nowhere()
        context.verify(conf.ssl_verify_depth)
        objects = scope.shared(TlsObjects)
        trust(context, full_name(conf.ssl_trusted_certificate, scope.conf_name), objects)
        if conf.ssl_crl:
            revoke(context, full_name(conf.ssl_crl, scope.conf_name), objects)
    context.run_commands(conf.conf_commands, scope.conf_name)
    log_keys(context, conf.ssl_key_log, scope)
    return context


def _use_certificate(context: Context, conf: TlsConf) -> None:
    """Shows the certificate that is known when the configuration is loaded, if any."""
    certificate, key = conf.ssl_certificate, conf.ssl_certificate_key
    if certificate is None or not certificate.text:
        return
    if key is None:
        missing = f'no "{conf.prefix}_ssl_certificate_key"'
        raise ConfError(f'{missing} is defined for certificate "{certificate.text}"').nowhere()
    if not (certificate.is_constant and key.is_constant):
        return
    name = full_name(certificate.text, conf.scope.conf_name)
    key_name = full_name(key.text, conf.scope.conf_name)
    conf.scope.shared(TlsObjects).use(context, name, key_name, conf.passwords)


def _identity(
    conf: TlsConf, variables: VariableTable[R]
) -> Callable[[R], CertificateName | None] | None:
    """The certificate that variables name, session by session."""
    certificate, key = conf.ssl_certificate, conf.ssl_certificate_key
    if certificate is None or key is None or (certificate.is_constant and key.is_constant):
        return None
    name_of, key_of = certificate.bind(variables), key.bind(variables)
    scope, cache, passwords = conf.scope, conf.certificate_cache, conf.passwords or ()

    def identity(r: R) -> CertificateName | None:
        name = name_of(r)
        if not name:
            return None
        key_name = full_name(key_of(r), scope.conf_name)
        return CertificateName(full_name(name, scope.conf_name), key_name, cache, passwords)

    return identity
