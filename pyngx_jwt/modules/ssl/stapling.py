"""What is stapled to the handshakes of a server (ngx_ssl_stapling)."""

from __future__ import annotations

from collections.abc import Callable

from ...core.logs import Logs
from ...errors import ConfError
from ...log import Severity
from ...tls.context import Context
from ...tls.credentials import Pair
from ...tls.ocsp import NO_VERIFY, TRUST_OTHER, OcspError, Question, encoded_response, responder_of
from ...tls.responder import Responder, parse_responder
from ...tls.stapling import Staple, Stapling, address_of
from .conf import SslConf


def staple(context: Context, conf: SslConf) -> None:
    """Staples a response about every certificate; raises ConfError."""
    if conf.ssl_certificate_compression:
        raise ConfError(
            '"ssl_stapling" is incompatible with "ssl_certificate_compression"'
        ).nowhere()
    staples = {}
    for pair in context.pairs:
        if conf.ssl_stapling_file:
            found: Staple | None = _of_file(conf)
        else:
            found = _of_responder(context, conf, pair)
        if found is not None:
            staples[address_of(pair.chain[0])] = found
    context.kept.append(Stapling(context, staples))


def _of_file(conf: SslConf) -> Staple:
    name = conf.scope.conf_name(conf.ssl_stapling_file)
    try:
        with open(name, "rb") as file:
            return Staple(encoded_response(file.read()))
    except OSError:
        raise ConfError(f'BIO_new_file("{name}") failed').nowhere() from None
    except OcspError:
        raise ConfError(f'd2i_OCSP_RESPONSE_bio("{name}") failed').nowhere() from None


def _of_responder(context: Context, conf: SslConf, pair: Pair) -> Staple | None:
    certificate, chain = pair.chain[0], pair.chain[1:]

    def ignored(why: str) -> None:
        conf.level.warn_about("ssl_stapling", f'"ssl_stapling" ignored, {why}')

    issuer = context.issuer_of(certificate, chain)
    if issuer is None:
        ignored(f'issuer certificate not found for certificate "{pair.name}"')
        return None
    responder = _responder(conf, pair, ignored)
    if responder is None:
        return None
    flags = TRUST_OTHER if conf.ssl_stapling_verify else NO_VERIFY
    return Staple(
        valid=0.0,
        question=Question(certificate, issuer, chain, flags),
        responder=responder,
        log=_logger(conf, responder, pair.name),
    )


def _responder(conf: SslConf, pair: Pair, ignored: Callable[[str], None]) -> Responder | None:
    url = conf.ssl_stapling_responder or responder_of(pair.chain[0])
    place = f'in OCSP responder "{url}" in the certificate "{pair.name}"'
    if not url:
        ignored(f'no OCSP responder URL in the certificate "{pair.name}"')
        return None
    try:
        responder = parse_responder(url)
    except ValueError as error:
        ignored(f"{error} {place}")
        return None
    if responder is None:
        ignored(f"invalid URL prefix {place}")
    return responder


def _logger(conf: SslConf, responder: Responder, name: str) -> Callable[[str], None]:
    log = conf.scope.shared(Logs).main
    doing = (
        f'while requesting certificate status, responder: {responder.host}, certificate: "{name}"'
    )
    return lambda text: log.write(Severity.ERR, f"{text} {doing}")
