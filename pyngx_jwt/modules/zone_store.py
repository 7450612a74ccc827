"""Shares zones between machines, by a Redis or Valkey server.

A zone with the parameter "sync" is shared: the limits of "limit_req" and "limit_conn" hold for all
machines together, and the values of "keyval" and the sessions of "sticky learn" are copied to all
of them.  It needs the package redis: `pip install 'pyngx-jwt[redis]'`.
"""

from __future__ import annotations

from ..conf.directive import Conf, directive
from ..conf.scope import Scope
from ..conf.values import parse_msec
from ..core.logs import Logs
from ..core.worker import WorkerLife
from ..errors import ConfError
from ..http.contexts import HTTP
from ..http.module import Module
from ..http.request import Request
from ..log import Severity
from ..zones import ZoneStore
from ..zones.sharing import FALLBACKS, check_settings
from ..zones.store import StoreSettings

SCHEMES = ("redis://", "rediss://", "unix://")


class ZoneStoreConf(Conf):
    @directive(
        HTTP,
        syntax="pyngx_zone_store url [prefix=string] [timeout=time] [fallback=local | deny] "
        "[password_file=file] [trusted_certificate=file]",
        arity=(1, 6),
    )
    def pyngx_zone_store(self, url: str, *parameters: str) -> None:
        """Sets the Redis or Valkey server of all zones with the parameter "sync":
        redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path.  Names of keys
        begin with the prefix ("pyngx:").  If the server does not answer within the timeout (200
        milliseconds), or cannot be connected to, each machine decides by itself ("local"), or
        requests that a shared limit applies to are refused ("deny").  The password can be in a
        file; certificates are verified with those of the system or of the given file."""
        store = self.scope.shared(ZoneStore)
        if store.settings is not None:
            raise ConfError('"pyngx_zone_store" directive is duplicate')
        if not url.startswith(SCHEMES):
            raise ConfError(f'invalid URL in "{url}"')
        given = {"prefix": "pyngx:", "timeout": "200ms", "fallback": "local"}
        for word in parameters:
            key, _, value = word.partition("=")
            if key not in (*given, "password_file", "trusted_certificate") or not value:
                raise ConfError(f'invalid parameter "{word}"')
            given[key] = value
        if given["fallback"] not in FALLBACKS:
            raise ConfError(f'invalid parameter "fallback={given["fallback"]}"')
        password = ""
        if "password_file" in given:
            password = self._password(self.scope.conf_name(given["password_file"]))
        certificates = given.get("trusted_certificate", "")
        settings = StoreSettings(
            url,
            given["prefix"],
            _timeout(given["timeout"]),
            password,
            self.scope.conf_name(certificates) if certificates else "",
        )
        check_settings(settings)
        store.settings, store.fallback = settings, given["fallback"]

    def _password(self, path: str) -> str:
        try:
            with open(path.encode("latin-1")) as file:
                return file.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfError(f'cannot read the password file "{path}": {error}') from None


def _timeout(text: str) -> float:
    try:
        milliseconds = parse_msec(text)
    except ValueError:
        milliseconds = 0
    if not milliseconds:
        raise ConfError(f'invalid parameter "timeout={text}"')
    return milliseconds / 1000


zone_store = Module("zone_store", ZoneStoreConf)


@zone_store.variable("pyngx_zone_store_status")
def pyngx_zone_store_status(r: Request) -> str:
    """Whether the worker is connected with the server of "pyngx_zone_store": UP or DOWN."""
    store = r.location.conf(ZoneStoreConf).scope.shared(ZoneStore)
    return "UP" if store.is_up else "DOWN"


@zone_store.after_read
def check_store(scope: Scope) -> None:
    scope.shared(ZoneStore).check()


@zone_store.worker_starts
def start(scope: Scope, life: WorkerLife) -> None:
    store = scope.shared(ZoneStore)
    if store.settings is None:
        return
    log, shown = scope.shared(Logs).main, store.settings.shown

    def report(text: str, failed: bool) -> None:
        log.write(Severity.ERR if failed else Severity.NOTICE, f"zone store {shown} {text}")

    store.start(life.until_end, report, follows=life.number == 0)
