"""TLS to upstreams: proxy_ssl_* as a context of the ssl module."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from ...errors import ConfError
from ...http.level import Level
from ...http.request import Request
from ...http.template import Template, Text
from ...http.tls import cannot_load, load_chain, set_protocols
from .conf import ProxyConf


@dataclass(frozen=True, slots=True)
class Tls:
    """A context, and the name that is sent and verified."""

    context: ssl.SSLContext
    text: Text
    sends_name: bool

    def name(self, r: Request) -> str:
        """The server's name, without a port; "" if none is to be sent."""
        host = self.text(r)
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0] if self.sends_name or self.context.check_hostname else ""


def compile_tls(conf: ProxyConf, level: Level) -> Tls:
    """Raises ConfError in nginx's words for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    set_protocols(context, conf.proxy_ssl_protocols)
    _set_ciphers(context, conf.proxy_ssl_ciphers)
    scope = conf._scope
    if conf.proxy_ssl_verify:
        if not conf.proxy_ssl_trusted_certificate:
            raise ConfError("no proxy_ssl_trusted_certificate for proxy_ssl_verify").nowhere()
        name = scope.conf_name(conf.proxy_ssl_trusted_certificate)
        try:
            context.load_verify_locations(cafile=name)
        except (OSError, ssl.SSLError) as error:
            raise ConfError(
                cannot_load("SSL_CTX_load_verify_locations", name, error)
            ).nowhere() from None
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    if conf.proxy_ssl_certificate and conf.proxy_ssl_certificate.is_constant:
        key = conf.proxy_ssl_certificate_key or conf.proxy_ssl_certificate
        load_chain(
            context, scope.conf_name(conf.proxy_ssl_certificate.text), scope.conf_name(key.text)
        )
    name_text = conf.proxy_ssl_name or Template("$proxy_host")
    return Tls(context, name_text.bind(level.variables), conf.proxy_ssl_server_name)


def _set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ConfError(f'SSL_CTX_set_cipher_list("{ciphers}") failed').nowhere() from None
