"""Shares zones between machines through a Redis or Valkey server.

A zone with the parameter "sync" is shared: the limits of "limit_req" and "limit_conn" hold for all
machines together, and the values of "keyval" and the sessions of "sticky learn" are copied to all
of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from ssl import SSLContext

from ..conf.directive import MAIN, UNLIMITED, Conf, directive
from ..conf.scope import Scope
from ..conf.values import parse_msec
from ..core.logs import Logs
from ..core.readiness import Readiness
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.request import Request
from ..log import Severity
from ..metrics import Tallies
from ..metrics.kinds import STORE_COPIES, STORE_PENDING, STORE_UP
from ..metrics.stores import StoreCounts
from ..metrics.tallies import Reported
from ..stream.contexts import STREAM
from ..stream.module import StreamModule
from ..zones import ZoneStore
from ..zones.sharing import FALLBACKS
from ..zones.store_url import (
    CLUSTER,
    SENTINEL,
    StoreSettings,
    StoreUrl,
    has_hash_tag,
    make_context,
    parse_store_url,
)

PREFIX, CLUSTER_PREFIX = "pyngx:", "{pyngx}:"
FILES_OF_TLS = ("trusted_certificate", "certificate", "certificate_key", "crl")
OF_TLS = (*FILES_OF_TLS, "server_name")
NAMES = (
    *("prefix", "timeout", "fallback", "user", "password_file", "sentinel_password_file"),
    *OF_TLS,
)
LONGEST_PASSWORD = 65_536  # bytes of a file


class ZoneStoreConf(Conf):
    @directive(
        MAIN | HTTP | STREAM,
        syntax="pyngx_zone_store url [prefix=string] [timeout=time] [fallback=local | deny] "
        "[user=name] [password_file=file] [sentinel_password_file=file] "
        "[trusted_certificate=file] [certificate=file] [certificate_key=file] "
        "[crl=file] [server_name=name]",
        arity=(1, UNLIMITED),
    )
    def pyngx_zone_store(self, url: str, *parameters: str) -> None:
        """Sets the Redis or Valkey server of all zones with the parameter "sync", of "http" and of
        "stream": redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path[?db=N].
        redis+sentinel://host[:port][,host ...]/service[/db] is the server that Sentinels name, and
        redis+cluster://host[:port][,host ...] a Redis Cluster; both can begin with "rediss".
        Names of keys begin with the prefix ("pyngx:", or "{pyngx}:" in a cluster).  If the server
        cannot be reached, or does not answer within the timeout (200 milliseconds), each machine
        decides by itself ("fallback=local"), or requests that a shared limit applies to are
        refused ("fallback=deny").  "password_file" and "sentinel_password_file" are files whose
        first line is the password.  With TLS, the server needs a certificate for the host of the
        URL, or for "server_name"; it is verified with the certificate authorities of the system,
        or with those in "trusted_certificate".  "certificate" and "certificate_key" are those of
        the client, and "crl" is a list of revoked certificates.  Files are read when the
        configuration is loaded."""
        store = self.scope.shared(ZoneStore)
        if store.settings is not None:
            raise ConfError('"pyngx_zone_store" directive is duplicate')
        parsed, given = parse_store_url(url), dict[str, str]()
        for word in parameters:
            key, _, value = word.partition("=")
            if key not in NAMES or not value or key in given:
                raise ConfError(f'invalid parameter "{key}"')
            given[key] = value
        store.settings = self._settings(parsed, given)
        store.fallback = given.get("fallback", "local")
        if store.fallback not in FALLBACKS:
            raise ConfError(f'invalid parameter "fallback={store.fallback}"')

    def _settings(self, url: StoreUrl, given: dict[str, str]) -> StoreSettings:
        """Raises ConfError."""
        prefix = given.get("prefix", CLUSTER_PREFIX if url.kind == CLUSTER else PREFIX)
        if url.kind == CLUSTER and not has_hash_tag(prefix):
            raise ConfError(f'the prefix "{prefix}" has no hash tag, such as in "{CLUSTER_PREFIX}"')
        if "sentinel_password_file" in given and url.kind != SENTINEL:
            raise ConfError('"sentinel_password_file" needs a URL with "+sentinel"')
        user, password = given.get("user", url.user), url.password
        if "password_file" in given:
            if url.password:
                raise ConfError("the password is both in the URL and in a file")
            password = self._password(given["password_file"])
        if user and not password:
            raise ConfError(f'the user "{user}" needs a password, such as in "password_file"')
        name = given.get("sentinel_password_file")
        return StoreSettings(
            url,
            prefix,
            _timeout(given.get("timeout", "200ms")),
            user,
            password,
            self._password(name) if name else "",
            self._context(given) if self._is_tls(url, given) else None,
            given.get("server_name", ""),
            "crl" in given,
        )

    def _is_tls(self, url: StoreUrl, given: dict[str, str]) -> bool:
        for name in OF_TLS:
            if name in given and not url.is_tls:
                raise ConfError(f'"{name}" needs a URL with "rediss"')
        return url.is_tls

    def _context(self, given: dict[str, str]) -> SSLContext:
        if ("certificate" in given) != ("certificate_key" in given):
            raise ConfError('"certificate" and "certificate_key" must be specified together')
        files = (given.get(name, "") for name in FILES_OF_TLS)
        return make_context(*(self.scope.conf_name(name) if name else "" for name in files))

    def _password(self, name: str) -> str:
        path = self.scope.conf_name(name)
        try:
            with open(path.encode("latin-1"), encoding="latin-1", newline="") as file:
                password = file.readline(LONGEST_PASSWORD).rstrip("\r\n")
        except OSError as error:
            raise ConfError(f'cannot read the password file "{path}": {error.strerror}') from None
        if not password:
            raise ConfError(f'there is no password in "{path}"')
        return password


def _timeout(text: str) -> float:
    try:
        milliseconds = parse_msec(text)
    except ValueError:
        milliseconds = 0
    if not milliseconds:
        raise ConfError(f'invalid parameter "timeout={text}"')
    return milliseconds / 1000


zone_store = Module("zone_store", ZoneStoreConf)
stream_zone_store = StreamModule("stream_zone_store", ZoneStoreConf)


@zone_store.variable("pyngx_zone_store_status")
def pyngx_zone_store_status(r: Request) -> str:
    """The state of "pyngx_zone_store": UP, DOWN if the worker is not connected with the server,
    SYNC as long as this machine does not have all values of the "keyval" zones with "sync"."""
    store: ZoneStore = r.location.conf(ZoneStoreConf).scope.shared(ZoneStore)
    return store.status


@zone_store.after_read
def check_store(scope: Scope) -> None:
    scope.shared(ZoneStore).check()


@zone_store.worker_starts
def start(scope: Scope, life: WorkerLife) -> None:
    store, tallies = scope.shared(ZoneStore), scope.shared(Tallies)
    if store.settings is None:
        return
    log, shown = scope.shared(Logs).main, store.settings.shown

    def report(text: str, failed: bool) -> None:
        log.write(Severity.ERR if failed else Severity.NOTICE, f"zone store {shown} {text}")

    def state() -> Iterable[Reported]:
        yield STORE_UP, (str(life.number),), (int(store.is_up),)
        for zone, changes in store.pending().items():
            yield STORE_PENDING, (zone,), (changes,)
        for zone, is_whole in store.wholes().items():
            yield STORE_COPIES, (zone,), (int(is_whole),)

    def missing() -> Iterable[str]:
        for zone in store.unfit():
            yield f'the zone "{zone}" is not copied from the zone store yet'

    store.start(life.until_end, report, StoreCounts(tallies), follows=life.number == 0)
    if store.wanted:
        tallies.reporters.append(state)
        scope.shared(Readiness).add(missing)
        life.before_serving(store.copied())
