"""The words of NGINX Plus for zones that several machines share, which a store shares here.

NGINX Plus connects each machine with all others.  Here they share the server of
"pyngx_zone_store", so that most directives have nothing to set: a configuration of NGINX Plus
needs that one directive more.
"""

from __future__ import annotations

from ...conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    A_TIME,
    Conf,
    accepted,
    buffers,
    directive,
    flag,
    own,
    string,
)
from ...conf.scope import Scope
from ...errors import ConfError
from ...log import Severity
from ...stream.contexts import IN_STREAM, STREAM_SERVER
from ...stream.level import StreamLevel, stream_shared
from ...stream.module import StreamModule
from ...stream.session import SUCCESS, Status, StreamHandler, StreamSession
from ...upstream.address import AddressError, parse_url
from ...zones import ZoneStore
from ..core.stream import takes_over

TIMING = 'changes are sent to the store at once, within the "timeout" of "pyngx_zone_store"'
BUFFERS = "changes need no buffers"
CLIENT = 'the certificate for the store is that of "certificate" of "pyngx_zone_store"'
VERIFIED = (
    "the certificate of the store is always verified, with those of the system or of "
    '"trusted_certificate" of "pyngx_zone_store"'
)
TLS = "TLS 1.2 and 1.3 are used with the store, with the ciphers of OpenSSL"
NAME = 'the name of the store is that in the URL, or "server_name" of "pyngx_zone_store"'


class ZoneSyncConf(Conf):
    zone_sync_buffers = accepted(
        IN_STREAM, BUFFERS, like=buffers((8, 4096), IN_STREAM, "", shown="8 4k|8k")
    )
    zone_sync_connect_retry_interval = accepted(
        IN_STREAM, "the store is tried again after 0.1 to 2 seconds", like=A_TIME
    )
    zone_sync_connect_timeout = accepted(
        IN_STREAM, "a connection to the store has to be there after a second", like=A_TIME
    )
    zone_sync_interval = accepted(IN_STREAM, TIMING, like=A_TIME)
    zone_sync_recv_buffer_size = accepted(IN_STREAM, BUFFERS, like=A_SIZE)
    zone_sync_ssl = flag(
        False,
        IN_STREAM,
        "Requires that zones are shared by TLS: the URL of the store has to begin with "
        '"rediss", or the store has to be on this machine.',
    )
    zone_sync_ssl_certificate = accepted(IN_STREAM, CLIENT)
    zone_sync_ssl_certificate_key = accepted(IN_STREAM, CLIENT)
    zone_sync_ssl_ciphers = accepted(IN_STREAM, TLS)
    zone_sync_ssl_conf_command = accepted(IN_STREAM, TLS, fewest=2, most=2)
    zone_sync_ssl_crl = string(
        "",
        IN_STREAM,
        'Requires that "pyngx_zone_store" has the parameter "crl", with the file of revoked '
        "certificates.  This one is not read.",
        syntax="file",
    )
    zone_sync_ssl_name = accepted(IN_STREAM, NAME)
    zone_sync_ssl_password_file = accepted(IN_STREAM, CLIENT)
    zone_sync_ssl_protocols = accepted(IN_STREAM, TLS, most=6)
    zone_sync_ssl_server_name = accepted(IN_STREAM, NAME, like=A_FLAG)
    zone_sync_ssl_trusted_certificate = accepted(IN_STREAM, VERIFIED)
    zone_sync_ssl_verify = accepted(IN_STREAM, VERIFIED, like=A_FLAG)
    zone_sync_ssl_verify_depth = accepted(IN_STREAM, VERIFIED, like=A_NUMBER)
    zone_sync_timeout = accepted(IN_STREAM, TIMING, like=A_TIME)

    is_on = own(False)

    @directive(STREAM_SERVER)
    def zone_sync(self) -> None:
        """Says that zones with "sync" are shared with other machines, which requires
        "pyngx_zone_store".  The server listens, and closes connections: machines do not connect
        with each other."""
        self.once("is_on", "zone_sync")
        self.is_on = True
        takes_over(self)
        self.scope.shared(ZoneStore).need('"zone_sync"', self.scope.statement)

    @directive(STREAM_SERVER, syntax="zone_sync_server address [resolve]")
    def zone_sync_server(self, address: str, resolve: str = "") -> None:
        """Accepted and without effect: other machines are those that have the same store."""
        if resolve not in ("", "resolve"):
            raise ConfError(f'invalid parameter "{resolve}"')
        try:
            url = parse_url(address, default_port=0, resolve=False)
        except AddressError as error:
            raise ConfError(f'{error} in "{address}" of the "zone_sync_server" directive') from None
        if url.no_port and not url.text.startswith("unix:"):
            raise ConfError(f'no port in "{address}" of the "zone_sync_server" directive')


stream_zone_sync = StreamModule("stream_zone_sync", ZoneSyncConf)


class ZoneSyncServers:
    """The servers with "zone_sync"."""

    def __init__(self) -> None:
        self.levels: list[StreamLevel] = []


@stream_zone_sync.after_merge
def note_server(conf: ZoneSyncConf, level: StreamLevel) -> None:
    if conf.is_on:
        level.shared(ZoneSyncServers).levels.append(level)


@stream_zone_sync.after_read
def check_store(scope: Scope) -> None:
    """What protects zones here must protect them on their way to the store as well; the directive
    that names it may follow "stream"."""
    settings = scope.shared(ZoneStore).settings
    if settings is None or settings.url.stays_here:
        return
    for level in stream_shared(scope, ZoneSyncServers).levels:
        conf = level[ZoneSyncConf]
        if conf.zone_sync_ssl and not settings.url.is_tls:
            raise _unprotected(level, "zone_sync_ssl", 'a URL with "rediss"')
        if conf.zone_sync_ssl and conf.zone_sync_ssl_crl and not settings.has_crl:
            raise _unprotected(level, "zone_sync_ssl_crl", 'the parameter "crl"')


def _unprotected(level: StreamLevel, name: str, what: str) -> ConfError:
    statement = level.set_by(name)[0]
    error = ConfError(f'"{name}" needs "pyngx_zone_store" with {what}')
    return error.at(statement.file, statement.line)


@stream_zone_sync.content
def close_connections(conf: ZoneSyncConf, level: StreamLevel) -> StreamHandler | None:
    if not conf.is_on:
        return None

    def handle(s: StreamSession) -> Status:
        s.log(Severity.INFO, 'zones are shared by "pyngx_zone_store", not by connections')
        return SUCCESS

    return handle
