"""Contexts of servers, and the check of client certificates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from ...conf.scope import Scope
from ...errors import ConfError
from ...http.block import SessionBlock
from ...http.contexts import SERVER
from ...http.level import Level
from ...http.module import Module, Phase
from ...http.ports import AddressOf, ServerTls
from ...http.request import Handler, Request, Status
from ...http.session import Session
from ...http.status import CERTIFICATE_ERROR, MISDIRECTED, NO_CERTIFICATE
from ...http.template import Template
from ...http.tls import configured, full_name, log_keys, revoke, trust
from ...log import Severity
from ...stream.contexts import IN_STREAM, STREAM_SERVER
from ...stream.level import StreamLevel
from ...stream.module import StreamModule
from ...stream.session import SERVER_ERROR, StreamHandler, StreamPhase, StreamSession
from ...tls.certificate import error_text, is_optional
from ...tls.client_status import ClientStatus
from ...tls.context import Context
from ...tls.credentials import load_parameters
from ...tls.objects import TlsObjects
from ...tls.pairs import CertificateName
from ...tls.quic import carry_quic
from ...tls.responder import parse_responder
from ...tls.sessions import NO_AUTO_CLEAR, NO_INTERNAL, NO_INTERNAL_STORE, SharedSessions
from ...tls.sessions import OFF as CACHE_OFF
from ...tls.sessions import SERVER as CACHE_ON
from ...tls.tickets import GivenKeys, SharedKeys, Tickets
from .conf import BUILTIN, NONE, OFF, SHARED, SslConf
from .handshake import handshake
from .stapling import staple
from .variables import add_variables

READING = " while reading client request headers"

ssl = Module("ssl", SslConf)
add_variables(ssl)


@ssl.starts
def keep_objects(scope: Scope) -> None:
    """A reload can take them over."""
    scope.shared(TlsObjects).start()


@ssl.after_merge
def prepare(conf: SslConf, level: Level) -> None:
    """Every server that has certificates needs their keys, whether it listens with TLS or not
    (ngx_http_ssl_merge_srv_conf)."""
    if level.context & SERVER:
        _prepare(conf, level)


def _prepare(conf: SslConf, level: SessionBlock) -> None:
    if len(conf.certificate_keys) < len(conf.certificates):
        missing = conf.certificates[-1]
        raise ConfError(
            f'no "ssl_certificate_key" is defined for certificate "{missing}"'
        ).nowhere()
    if conf.certificates or conf.ssl_reject_handshake:
        names = _names(conf, level)
        context = configured(lambda: build_context(conf, has_variables=names is not None))
        verify = conf.ssl_verify_client
        conf.tls = ServerTls(context, names, verify, _status(conf), conf.certify)


def _names(conf: SslConf, level: SessionBlock) -> Callable[[Any], Iterator[CertificateName]] | None:
    """The certificates, where variables name them."""
    pairs = [
        (Template(certificate), Template(key))
        for certificate, key in zip(conf.certificates, conf.certificate_keys, strict=False)
    ]
    if all(certificate.is_constant and key.is_constant for certificate, key in pairs):
        return None
    bound = [(one.bind(level.variables), other.bind(level.variables)) for one, other in pairs]
    cache, passwords, conf_name = conf.certificate_cache, conf.passwords or (), conf.scope.conf_name

    def names(r: Session) -> Iterator[CertificateName]:
        for certificate, key in bound:
            yield CertificateName(
                full_name(certificate(r), conf_name), full_name(key(r), conf_name), cache, passwords
            )

    return names


def build_context(conf: SslConf, *, has_variables: bool = False) -> Context:
    """The context of a server, step by step as nginx; raises TlsError in its words."""
    conf_name = conf.scope.conf_name
    context = Context(conf.ssl_protocols, is_server=True)
    if conf.alpn or not is_stream(conf):
        context.choose_protocols()
    context.set_ciphers(conf.ssl_ciphers)
    if conf.ssl_prefer_server_ciphers:
        context.prefer_server_ciphers()
    if has_variables or conf.certify is not None:
        context.ask_for_certificates()
    if not has_variables:
        _load_certificates(context, conf)
    context.set_record_size(conf.ssl_buffer_size)
    _verify(context, conf)
    if conf.ssl_ocsp != "off" and conf.ssl_verify_client == "optional_no_ca":
        raise ConfError(
            '"ssl_ocsp" is incompatible with "ssl_verify_client optional_no_ca"'
        ).nowhere()
    if conf.ssl_dhparam:
        context.set_dh_parameters(load_parameters(conf_name(conf.ssl_dhparam)))
    if conf.ssl_ecdh_curve != "auto":
        context.set_curves(conf.ssl_ecdh_curve)
    _set_sessions(context, conf)
    if conf.ssl_stapling:
        staple(context, conf)
    if conf.ssl_early_data:
        context.allow_early_data()
    context.run_commands(conf.conf_commands, conf_name)
    log_keys(context, conf.ssl_key_log, conf.scope)
    return context


def _load_certificates(context: Context, conf: SslConf) -> None:
    for certificate, key in zip(conf.certificates, conf.certificate_keys, strict=False):
        name, key_name = (full_name(text, conf.scope.conf_name) for text in (certificate, key))
        conf.scope.shared(TlsObjects).use(context, name, key_name, conf.passwords)
    wanted = conf.certificates and conf.ssl_certificate_compression
    if wanted and not context.compress_certificates():
        name = "ssl_certificate_compression"
        conf.level.warn_about(name, f'"{name}" is not supported on this platform, ignored')


def _verify(context: Context, conf: SslConf) -> None:
    conf_name, objects = conf.scope.conf_name, conf.scope.shared(TlsObjects)
    client, trusted = conf.ssl_client_certificate, conf.ssl_trusted_certificate
    if conf.ssl_verify_client != "off":
        if conf.ssl_verify_client != "optional_no_ca" and not (client or trusted):
            raise ConfError(
                "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client"
            ).nowhere()
        context.verify(conf.ssl_verify_depth)
        if client:
            name = full_name(client, conf_name)
            authorities = objects.authorities(name)
            context.trust(name, authorities)
            context.announce(authorities)
    if trusted:
        trust(context, full_name(trusted, conf_name), objects)
    if conf.ssl_crl:
        revoke(context, full_name(conf.ssl_crl, conf_name), objects)


def _status(conf: SslConf) -> ClientStatus | None:
    """How client certificates are checked with their issuers."""
    if conf.ssl_ocsp == "off":
        return None
    responder, url = None, conf.ssl_ocsp_responder
    if url:
        try:
            responder = parse_responder(url)
        except ValueError as error:
            text = f'{error} in OCSP responder "{url}" in "ssl_ocsp_responder"'
            raise ConfError(text).nowhere() from None
        if responder is None:
            text = f'invalid URL prefix in OCSP responder "{url}" in "ssl_ocsp_responder"'
            raise ConfError(text).nowhere()
    records = conf.ocsp_zone.records() if conf.ocsp_zone is not None else None
    return ClientStatus(conf.ssl_ocsp == "leaf", responder, records)


def _set_sessions(context: Context, conf: SslConf) -> None:
    """ngx_ssl_session_cache, and the keys of tickets."""
    zone, timeout = conf.session_zone, conf.ssl_session_timeout
    kind, number = conf.session_cache or (NONE, 0)
    context.set_session_timeout(timeout)
    context.set_session_context(_session_words(conf))
    if kind == OFF:
        context.set_cache(CACHE_OFF)
    elif kind == NONE:
        context.set_cache(CACHE_ON | NO_AUTO_CLEAR | NO_INTERNAL_STORE, 1)
    else:
        context.set_cache(CACHE_ON | (NO_INTERNAL if kind == SHARED else 0), number or None)
        if zone is not None:
            SharedSessions(context, zone.records(), timeout)
    if not conf.ssl_session_tickets:
        context.disable_tickets()
    if conf.ticket_keys:
        Tickets(context, GivenKeys(conf.ticket_keys))
    elif zone is not None and kind in (SHARED, BUILTIN):
        Tickets(context, SharedKeys(zone.records(), timeout))


def _session_words(conf: SslConf) -> bytes:
    """What sessions must have in common beside certificates: those of variables are known by
    their names only, and who was let in by one server is not by another with other rules."""
    words = [
        "STREAM" if is_stream(conf) else "HTTP",
        *(text for text in conf.certificates if "$" in text),
    ]
    if conf.ssl_verify_client != "off":
        words += [conf.ssl_verify_client, str(conf.ssl_verify_depth), conf.ssl_ocsp]
        words += [conf.ssl_client_certificate, conf.ssl_trusted_certificate, conf.ssl_crl]
    return "\n".join(words).encode("latin-1")


def is_stream(conf: SslConf) -> bool:
    """Whether it is of "stream" and not of "http"."""
    return bool(conf.level.context & IN_STREAM)


def add_contexts(address: AddressOf[Any]) -> None:
    """Finds the contexts; a server without certificates shows those of the default server
    (ngx_http_ssl_init)."""
    if not (address.listen.ssl or address.listen.quic):
        return
    confs = {server: level[SslConf] for level, server in address.levels}
    default = confs[address.names.default]
    if not default.certificates:
        _check_certificates(address)
    elif address.listen.quic and "TLSv1.3" not in default.ssl_protocols:
        raise ConfError(
            '"ssl_protocols" must enable TLSv1.3 for the "listen ... quic" directive'
        ).at(*_place_of(address, address.names.default))
    address.tls, address.greet = {}, default.greet
    for server, conf in confs.items():
        settings = conf.tls or default.tls
        if address.listen.quic:
            _check_no_code(conf, address, server)
        if settings is not None and address.listen.quic:
            configured(partial(carry_quic, settings.context))
        if settings is not None and not conf.ssl_reject_handshake:
            address.tls[server] = settings


def _check_certificates(address: AddressOf[Any]) -> None:
    default = address.names.default
    for level, server in sorted(address.levels, key=lambda x: x[1] is not default):
        conf = level[SslConf]
        if not (conf.ssl_reject_handshake or conf.certificates):
            kind = "quic" if address.listen.quic else "ssl"
            raise ConfError(
                f'no "ssl_certificate" is defined for the "listen ... {kind}" directive'
            ).at(*_place_of(address, server))


def _check_no_code(conf: SslConf, address: AddressOf[Any], server: Any) -> None:
    """A handshake over QUIC cannot wait for code, which may decide who is let in."""
    if conf.greet is not None or conf.certify is not None:
        raise ConfError(
            '"ssl_client_hello_by_lua" and "ssl_certificate_by_lua" are not supported for the '
            '"listen ... quic" directive'
        ).at(*_place_of(address, server))


def _place_of(address: AddressOf[Any], server: Any) -> tuple[str, int]:
    """The file and the line of a server."""
    statement = next(level.statement for level, other in address.levels if other is server)
    assert statement is not None
    return statement.file, statement.start_line


# -- client certificates ------------------------------------------------------------------------


@ssl.handler(Phase.POST_READ)
def check_client(conf: SslConf, level: Level) -> Handler | None:
    """Looks at the client's certificate, before anything else (ngx_http_process_request)."""
    if conf.ssl_verify_client == "off":
        return None
    mode = conf.ssl_verify_client

    def handle(r: Request) -> Status | None:
        tls = r.connection.ssl
        if tls is None or r.internal:  # not for TLS, or already looked at
            return None
        return _misdirected(r, conf) or _unverified(r, mode)

    return handle


def _misdirected(r: Request, conf: SslConf) -> Status:
    """Whether the handshake was for another server, which may verify in another way, or not at
    all (ngx_http_set_virtual_server)."""
    tls = r.connection.ssl
    if tls.host and r.host:
        is_other = r.host != tls.host
    else:
        is_other = tls.context is not None and tls.context is not _context_of(conf)
    if not is_other:
        return 0
    negotiated = (
        "client attempted to request the server name different from the one that was negotiated"
    )
    r.log(Severity.INFO, negotiated + READING)
    return MISDIRECTED


def _context_of(conf: SslConf) -> Context | None:
    return conf.tls.context if conf.tls is not None else None


def _unverified(r: Session, mode: str, doing: str = READING) -> Status:
    tls = r.connection.ssl
    error = tls.verify_error
    if error and not (mode == "optional_no_ca" and is_optional(error)):
        return _refused(r, f"({error}:{error_text(error)})", doing)
    if mode == "on" and tls.peer is None:
        r.log(Severity.INFO, f"client sent no required SSL certificate{doing}")
        tls.forget_session()
        return NO_CERTIFICATE
    return _refused(r, tls.status_error, doing) if tls.status_error else 0


def _refused(r: Session, why: str, doing: str) -> Status:
    r.log(Severity.INFO, f"client SSL certificate verify error: {why}{doing}")
    r.connection.ssl.forget_session()
    return CERTIFICATE_ERROR


# -- stream ------------------------------------------------------------------------------------

stream_ssl = StreamModule("stream_ssl", SslConf)
stream_ssl.take_variables(ssl)
ssl.listens(add_contexts)
stream_ssl.listens(add_contexts)


@stream_ssl.after_merge
def prepare_stream(conf: SslConf, level: StreamLevel) -> None:
    if level.context & STREAM_SERVER:
        _prepare(conf, level)


@stream_ssl.handler(StreamPhase.SSL)
def secure(conf: SslConf, level: StreamLevel) -> StreamHandler:
    """The handshake, on addresses with TLS, and the check of the client's certificate."""

    async def shake(s: StreamSession) -> Status | None:
        if not await handshake(s):
            return SERVER_ERROR
        mode = s.conf(SslConf).ssl_verify_client  # of the server that the client has named
        return SERVER_ERROR if mode != "off" and _unverified(s, mode, doing="") else None

    def handle(s: StreamSession) -> Awaitable[Status | None] | None:
        return shake(s) if s.address.listen.ssl else None

    return handle
