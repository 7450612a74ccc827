"""TLS to upstreams: the *_ssl_* directives as a context of the ssl module."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from ..errors import ConfError
from ..http.level import Level
from ..http.request import Request
from ..http.template import Text
from ..http.tls import cannot_load, load_chain, set_protocols
from ..log import errno_text
from ..upstream.tls import PeerHandshake
from .conf import GatewayConf, TlsConf
from .wire import KEY, Wire

MOST_SESSIONS = 1000  # of one location


@dataclass(frozen=True, slots=True)
class Tls:
    """A context, the name that is sent or verified, and sessions to resume."""

    context: ssl.SSLContext
    text: Text
    sends_name: bool  # of an address it is never sent
    depth: int  # of certificate chains, -1 if they are not verified
    reuses: bool
    sessions: dict[tuple[str, str], ssl.SSLSession] = field(default_factory=dict)

    def at(self, r: Request, peer: str) -> PeerHandshake:
        """A handshake with the server; its name has no port (ngx_http_upstream_ssl_name)."""
        text = self.text(r)
        host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
        sent = self.sends_name and host.isascii() and host[:1] not in ("", ".")
        session = self.sessions.get((peer, host))
        return PeerHandshake(self.context, host, sent, self.depth, session)

    def keep_session(self, name: str, peer: str, ssl_object: ssl.SSLObject | None) -> None:
        """Keeps what a later connection can resume."""
        session = ssl_object.session if self.reuses and ssl_object is not None else None
        if session is None or not (session.has_ticket or session.id):
            return
        self.sessions.pop((peer, name), None)
        self.sessions[peer, name] = session
        if len(self.sessions) > MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]


def compile_tls(conf: GatewayConf, level: Level, wire: Wire) -> Tls:
    """Raises ConfError in nginx's words for files that cannot be used."""
    assert isinstance(conf, TlsConf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    set_protocols(context, conf.ssl_protocols)
    if wire.connection.alpn:
        context.set_alpn_protocols(wire.connection.alpn)
    _set_ciphers(context, conf.ssl_ciphers)
    _load_certificate(context, conf)
    if conf.ssl_verify:
        _verify(context, conf)
    return Tls(
        context,
        conf.ssl_name.bind(level.variables) if conf.ssl_name else _host_of(wire),
        conf.ssl_server_name,
        conf.ssl_verify_depth if conf.ssl_verify else -1,
        conf.ssl_session_reuse,
    )


def _host_of(wire: Wire) -> Text:
    return lambda r: wire.host(r.contexts[KEY])


def _load_certificate(context: ssl.SSLContext, conf: TlsConf) -> None:
    certificate, key = conf.ssl_certificate, conf.ssl_certificate_key
    if certificate is None or not certificate.text:
        return
    if key is None:
        missing = f'no "{conf.prefix}_ssl_certificate_key"'
        raise ConfError(f'{missing} is defined for certificate "{certificate.text}"').nowhere()
    if not (certificate.is_constant and key.is_constant):
        raise ConfError(f'variables in "{conf.prefix}_ssl_certificate" are not supported').nowhere()
    files = conf.scope.conf_name(certificate.text), conf.scope.conf_name(key.text)
    if not conf.ssl_password_file:
        load_chain(context, *files)
        return
    for password in _passwords(conf.scope.conf_name(conf.ssl_password_file)):
        try:
            context.load_cert_chain(*files, password=password)
            return
        except (OSError, ssl.SSLError) as error:
            failed = cannot_load("cannot load certificate", files[0], error)
    raise ConfError(failed).nowhere()


def _passwords(name: str) -> list[bytes]:
    """The lines of a password file; one that is empty for a file without any."""
    try:
        with open(name, "rb") as file:
            return [line.rstrip(b"\r\n") for line in file] or [b""]
    except OSError as error:
        raise ConfError(f'open() "{name}" failed {errno_text(error)}') from None


def _verify(context: ssl.SSLContext, conf: TlsConf) -> None:
    if not conf.ssl_trusted_certificate:
        name = f"{conf.prefix}_ssl"
        raise ConfError(f"no {name}_trusted_certificate for {name}_verify").nowhere()
    context.verify_mode = ssl.CERT_REQUIRED
    _load_trusted(context, conf.scope.conf_name(conf.ssl_trusted_certificate))
    if conf.ssl_crl:
        _load_trusted(context, conf.scope.conf_name(conf.ssl_crl))
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _load_trusted(context: ssl.SSLContext, name: str) -> None:
    """Certificates or revocation lists."""
    try:
        context.load_verify_locations(cafile=name)
    except (OSError, ssl.SSLError) as error:
        raise ConfError(
            cannot_load("SSL_CTX_load_verify_locations", name, error)
        ).nowhere() from None


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ConfError(f'SSL_CTX_set_cipher_list("{ciphers}") failed').nowhere() from None
