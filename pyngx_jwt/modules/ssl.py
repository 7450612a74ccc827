"""TLS for clients."""

from __future__ import annotations

import ssl as tls

from ..conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    UNLIMITED,
    Conf,
    accepted,
    bitmask,
    directive,
    flag,
    own,
    seconds,
    string,
)
from ..errors import ConfError
from ..http.contexts import HTTP, SERVER
from ..http.level import Level
from ..http.module import Module
from ..http.ports import ListenAddress
from ..http.request import Request
from ..http.tls import alpn_of, load_chain, set_protocols

HERE = HTTP | SERVER
SCHEMES = ("data:", "engine:", "store:")  # what nginx takes in addition to files


class SslConf(Conf):
    ssl_buffer_size = accepted(HERE, "the TLS library chooses its records", like=A_SIZE)
    ssl_certificate_cache = accepted(HERE, "certificates are loaded once", most=4)
    ssl_certificate_compression = accepted(HERE, "certificates are sent as they are", like=A_FLAG)
    ssl_ciphers = string(
        "HIGH:!aNULL:!MD5",
        HERE,
        "Sets the ciphers, in OpenSSL's format. It does not affect TLS 1.3.",
    )
    ssl_dhparam = accepted(HERE, "DHE ciphers use OpenSSL's own parameters")
    ssl_early_data = accepted(HERE, "early data is never accepted", like=A_FLAG)
    ssl_ecdh_curve = accepted(HERE, "the curves are OpenSSL's own choice")
    ssl_prefer_server_ciphers = flag(
        False, HERE, "Prefers the server's order of ciphers over the client's."
    )
    ssl_protocols = bitmask(
        frozenset({"TLSv1.2", "TLSv1.3"}),
        ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
        HERE,
        "Enables TLS versions. Those of the server that the client names with SNI apply.",
        "TLSv1.2 TLSv1.3",
    )
    ssl_reject_handshake = flag(
        False,
        HERE,
        "Rejects TLS handshakes for this server. In a default server, this rejects unknown "
        "names, and no certificate is needed.",
    )
    ssl_session_cache = accepted(HERE, "each worker keeps its own sessions", most=UNLIMITED)
    ssl_session_ticket_key = accepted(HERE, "each worker has its own ticket keys")
    ssl_session_tickets = flag(
        True,
        HERE,
        "Enables session resumption with tickets. Unlike in nginx, each worker has its own "
        "ticket keys.",
    )
    ssl_session_timeout = accepted(
        HERE, "the timeout of the TLS library applies", like=seconds(300, HERE, "", shown="5m")
    )
    ssl_stapling = accepted(HERE, "no OCSP responses are stapled", like=A_FLAG)
    ssl_stapling_file = accepted(HERE, "no OCSP responses are stapled")
    ssl_stapling_responder = accepted(HERE, "no OCSP responses are stapled")
    ssl_stapling_verify = accepted(HERE, "no OCSP responses are stapled", like=A_FLAG)
    ssl_trusted_certificate = accepted(HERE, "client certificates are not requested")
    ssl_verify_depth = accepted(HERE, "client certificates are not requested", like=A_NUMBER)

    certificates: tuple[str, ...] = ()
    certificate_keys: tuple[str, ...] = ()
    _context: tls.SSLContext | None = own(None)
    _http2_context: tls.SSLContext | None = own(None)  # of addresses that speak HTTP/2, too
    _verify = own("")

    @directive(HERE)
    def ssl_certificate(self, file: str) -> None:
        """Sets the PEM file with the server's certificate, followed by intermediate certificates.
        Can be repeated for keys of different types (RSA and ECDSA)."""
        self.certificates = (*vars(self).get("certificates", ()), file)
        _check_file("ssl_certificate", file)

    @directive(HERE)
    def ssl_certificate_key(self, file: str) -> None:
        """Sets the PEM file with the key of the certificate."""
        self.certificate_keys = (*vars(self).get("certificate_keys", ()), file)
        _check_file("ssl_certificate_key", file)

    @directive(HERE, default="off", syntax="ssl_verify_client off;")
    def ssl_verify_client(self, value: str) -> None:
        """Accepted with "off" only.  Client certificates are not supported; any other value is an
        error."""
        self.once("_verify", "ssl_verify_client")
        if value.lower() in ("on", "optional", "optional_no_ca"):
            raise ConfError(
                f'"ssl_verify_client {value}" is not supported, and it restricts access'
            )
        if value.lower() != "off":
            raise ConfError(f'invalid value "{value}"')
        self._verify = "off"

    def context_for(self, *, speaks_http2: bool) -> tls.SSLContext:
        """The context of an address, some of which may speak HTTP/2."""
        assert self._context is not None
        if not speaks_http2:
            return self._context
        if self._http2_context is None:
            self._http2_context = build_context(self, speaks_http2=True)
        return self._http2_context

    @property
    def is_inherited_whole(self) -> bool:
        return bool(self.level.context & SERVER)  # every server has a context of its own


def _is_file(value: str) -> bool:
    return "$" not in value and not value.startswith(SCHEMES)


def _check_file(directive: str, value: str) -> None:
    if not _is_file(value):
        raise ConfError(f'"{directive} {value}" is not supported, only files are')


ssl = Module("ssl", SslConf)


@ssl.after_merge
def prepare_context(conf: SslConf, level: Level) -> None:
    """Every server that has certificates needs their keys, whether it listens with TLS or not
    (ngx_http_ssl_merge_srv_conf)."""
    if not level.context & SERVER:
        return
    if len(conf.certificate_keys) < len(conf.certificates):
        missing = conf.certificates[-1]
        raise ConfError(
            f'no "ssl_certificate_key" is defined for certificate "{missing}"'
        ).nowhere()
    if conf.certificates or conf.ssl_reject_handshake:
        conf._context = build_context(conf)


def build_context(conf: SslConf, *, speaks_http2: bool = False) -> tls.SSLContext:
    """The TLS context of a server; raises ConfError in nginx's words."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    set_protocols(context, conf.ssl_protocols)
    try:
        context.set_ciphers(conf.ssl_ciphers)
    except tls.SSLError:
        raise ConfError(
            f'SSL_CTX_set_cipher_list("{conf.ssl_ciphers}") failed (SSL: no cipher match)'
        ).nowhere() from None
    if conf.ssl_prefer_server_ciphers:
        context.options |= tls.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~tls.OP_CIPHER_SERVER_PREFERENCE
    if not conf.ssl_session_tickets:
        context.options |= tls.OP_NO_TICKET
    context.options |= tls.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([name.decode() for name in alpn_of(speaks_http2)])
    for certificate, key in zip(conf.certificates, conf.certificate_keys, strict=False):
        if _is_file(certificate) and _is_file(key):  # others are errors already
            load_chain(context, conf.scope.conf_name(certificate), conf.scope.conf_name(key))
    return context


@ssl.listens
def add_contexts(address: ListenAddress) -> None:
    """Finds the contexts; a server without certificates shows those of the default server
    (ngx_http_ssl_init)."""
    if not address.listen.ssl:
        return
    confs = {server: level[SslConf] for level, server in address.levels}
    default = confs[address.names.default]
    if not default.certificates:
        _check_certificates(address)
    address.tls = {}
    for server, conf in confs.items():
        own = conf if conf._context is not None else default
        if own._context is not None and not conf.ssl_reject_handshake:
            address.tls[server] = own.context_for(speaks_http2=server in address.http2)


def _check_certificates(address: ListenAddress) -> None:
    default = address.names.default
    for level, _ in sorted(address.levels, key=lambda x: x[1] is not default):
        conf, statement = level[SslConf], level.statement
        assert statement is not None
        if not (conf.ssl_reject_handshake or conf.certificates):
            raise ConfError(
                'no "ssl_certificate" is defined for the "listen ... ssl" directive'
            ).at(statement.file, statement.start_line)


@ssl.variable("ssl_protocol", changeable=True)
def ssl_protocol(r: Request) -> str | None:
    """Protocol of the TLS connection."""
    return r.connection.ssl.version() if r.connection.ssl else None


@ssl.variable("ssl_cipher", changeable=True)
def ssl_cipher(r: Request) -> str | None:
    """Cipher of the TLS connection."""
    return r.connection.ssl.cipher()[0] if r.connection.ssl else None


@ssl.variable("ssl_session_reused", changeable=True)
def ssl_session_reused(r: Request) -> str | None:
    """ "r" if the TLS session was reused, "." otherwise."""
    if not r.connection.ssl:
        return None
    return "r" if r.connection.ssl.session_reused else "."


@ssl.variable("ssl_alpn_protocol", changeable=True)
def ssl_alpn_protocol(r: Request) -> str | None:
    """Protocol selected by ALPN."""
    return r.connection.ssl.selected_alpn_protocol() if r.connection.ssl else None


@ssl.variable("ssl_server_name", changeable=True)
def ssl_server_name(r: Request) -> str | None:
    """Server name that the client requests with SNI."""
    return (r.connection.sni or None) if r.connection.ssl else None


@ssl.variable("ssl_ciphers", changeable=True)
def ssl_ciphers(r: Request) -> str | None:
    """Ciphers of the client that the server knows; of new sessions only."""
    ciphers = r.connection.ssl.shared_ciphers() if r.connection.ssl else None
    return ":".join(name for name, _, _ in ciphers) if ciphers else None


@ssl.variable("ssl_session_id", changeable=True)
def ssl_session_id(r: Request) -> str | None:
    """Identifier of the TLS session, in hexadecimal."""
    session = r.connection.ssl.session if r.connection.ssl else None
    return session.id.hex() if session is not None else None


@ssl.variable("ssl_client_verify", changeable=True)
def ssl_client_verify(r: Request) -> str | None:
    """ "NONE" on TLS connections: client certificates are not requested."""
    return "NONE" if r.connection.ssl else None


def _declare_empty() -> None:
    def client_certificate(r: Request) -> None:
        """Empty: client certificates are not requested."""

    def unavailable(r: Request) -> None:
        """Empty: Python's TLS library does not report it."""

    def early_data(r: Request) -> None:
        """Empty: early data is never accepted."""

    for name in (
        *("cert", "escaped_cert", "fingerprint", "i_dn", "i_dn_legacy", "raw_cert", "s_dn"),
        *("s_dn_legacy", "serial", "sigalg", "v_end", "v_remain", "v_start"),
    ):
        ssl.variable(f"ssl_client_{name}", changeable=True)(client_certificate)
    for name in ("curve", "curves", "sigalg", "sigalgs", "ech_outer_server_name", "ech_status"):
        ssl.variable(f"ssl_{name}", changeable=True)(unavailable)
    ssl.variable("ssl_early_data", changeable=True)(early_data)


_declare_empty()
