"""The URL of a store, and what else there is to know before a worker can connect to it.

Messages show a URL without its user and password, and without what follows "?".
"""

from __future__ import annotations

import ssl
from typing import Final, NamedTuple
from urllib.parse import unquote

from ..errors import ConfError
from ..log import fault_text

Place = tuple[str, int]  # host and port

SERVER, SENTINEL, CLUSTER, UNIX = "", "sentinel", "cluster", "unix"
PORTS: Final = {SERVER: 6379, SENTINEL: 26379, CLUSTER: 6379}
SCHEMES: Final = {
    "redis": (SERVER, False),
    "rediss": (SERVER, True),
    "unix": (UNIX, False),
    "redis+sentinel": (SENTINEL, False),
    "rediss+sentinel": (SENTINEL, True),
    "redis+cluster": (CLUSTER, False),
    "rediss+cluster": (CLUSTER, True),
}


class StoreUrl(NamedTuple):
    """`places` are of the server, of Sentinels, or of nodes of a cluster; `service` is the name
    that Sentinels know the server by."""

    shown: str
    kind: str
    is_tls: bool
    places: tuple[Place, ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    user: str = ""
    password: str = ""

    @property
    def stays_here(self) -> bool:
        """Whether nothing leaves the machine."""
        return self.kind in (SERVER, UNIX) and all(_is_loopback(host) for host, _ in self.places)


class StoreSettings(NamedTuple):
    """What the directive says; `server_name` is what a certificate has to be for."""

    url: StoreUrl
    prefix: str = "pyngx:"
    timeout: float = 0.2  # seconds for one exchange
    user: str = ""
    password: str = ""
    sentinel_password: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    has_crl: bool = False

    @property
    def shown(self) -> str:
        return self.url.shown


def shown_url(text: str) -> str:
    """A URL without its secrets."""
    scheme, sign, rest = text.partition("://")
    shown = (rest if sign else scheme).rpartition("@")[2].partition("?")[0]
    return f"{scheme}{sign}{shown}" if sign else shown


def parse_store_url(text: str) -> StoreUrl:
    """Raises ConfError."""
    scheme, sign, rest = text.partition("://")
    shown = shown_url(text)
    if not sign or scheme not in SCHEMES:
        raise ConfError(f'invalid URL in "{shown}"')
    kind, is_tls = SCHEMES[scheme]
    credentials, _, rest = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    rest, _, query = rest.partition("?")
    try:
        if query and (kind != UNIX or not query.startswith("db=")):
            raise ValueError("it can have no parameters")
        url = _unix(rest, query) if kind == UNIX else _network(kind, rest)
        places, path, service, db = url
    except ValueError as error:
        raise ConfError(f'invalid URL "{shown}": {error}') from None
    return StoreUrl(
        shown, kind, is_tls, places, path, service, db, unquote(user), unquote(password)
    )


_Parts = tuple[tuple[Place, ...], str, str, int]


def _unix(rest: str, query: str) -> _Parts:
    if not rest.startswith("/"):
        raise ValueError("no path")
    return (), rest, "", _database(query.removeprefix("db="))


def _network(kind: str, rest: str) -> _Parts:
    authority, _, path = rest.partition("/")
    words = authority.split(",")
    if kind == SERVER and len(words) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    places = tuple(_place(word, PORTS[kind]) for word in words)
    service = ""
    if kind == SENTINEL:
        service, _, path = path.partition("/")
        if not service:
            raise ValueError("no service name after the hosts")
    db = _database(path)
    if kind == CLUSTER and db:
        raise ValueError("a cluster has no databases")
    return places, "", unquote(service), db


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("invalid database")
    return int(text)


def _place(text: str, port: int) -> Place:
    if text.startswith("["):
        host, end, after = text[1:].partition("]")
        if not end or after[:1] not in ("", ":"):
            raise ValueError("invalid host")
        number = after[1:]
    else:
        host, _, number = text.partition(":")
    if not host:
        raise ValueError("no host")
    if not number:
        return host, port
    if not (number.isascii() and number.isdigit() and len(number) < 6 and 0 < int(number) < 65536):
        raise ValueError("invalid port")
    return host, int(number)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def make_context(trusted: str, certificate: str, key: str, crl: str) -> ssl.SSLContext:
    """How to connect by TLS: with the certificates of the system if `trusted` names no file.
    Raises ConfError."""
    try:
        context = ssl.create_default_context(cafile=trusted or None)
        if certificate:
            context.load_cert_chain(certificate, key, password="")
        if crl:
            context.load_verify_locations(crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except (OSError, ValueError) as error:
        files = ", ".join(f'"{name}"' for name in (trusted, certificate, key, crl) if name)
        raise ConfError(f"cannot use the files {files}: {fault_text(error)}") from None
    return context


def has_hash_tag(prefix: str) -> bool:
    """Whether all keys that begin with it are in one slot of a cluster."""
    return prefix.partition("{")[2].find("}") > 0
