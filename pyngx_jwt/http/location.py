"""The compiled form of servers and locations, and how a URI finds its location."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..log import Log
from .regex import Regex
from .status import DONE

if TYPE_CHECKING:
    from .request import Handler, HeaderFilter, Request, Settle, Status

MAX_KNOWN, MAX_KNOWN_URI = 1024, 256  # URIs whose location is remembered, and their length


class KeepAlive(NamedTuple):
    """How long a client's connection lives on after a request of a location."""

    requests: int  # of the connection, 0 closes it after each
    seconds: float  # since it was opened
    disabled: Callable[[Request], bool] | None  # for the client's browser
    any_method: bool  # which counts for POST only, if not


class Location:
    """What a request needs to know of the location that serves it.

    `core` is the merged configuration of the core module.
    """

    __slots__ = (
        "auto_redirect",
        "conf",
        "content_type_of",
        "core",
        "error_pages",
        "exact",
        "handlers",
        "header_filters",
        "internal",
        "keepalive",
        "limit_except",
        "limit_rate",
        "limit_rate_after",
        "log",
        "log_handlers",
        "name",
        "no_regex",
        "path_of",
        "range_filters",
        "rewrite",
        "root_of",
        "settle",
        "signature",
        "subrequest_handlers",
        "tells_late",
        "tree",
        "validating_filters",
    )

    name: str
    core: Any
    conf: Callable[[type[Any]], Any]
    rewrite: tuple[Handler, ...]
    handlers: tuple[Handler, ...]
    subrequest_handlers: tuple[Handler, ...]
    header_filters: tuple[HeaderFilter, ...]
    validating_filters: tuple[HeaderFilter, ...]  # before those
    range_filters: tuple[HeaderFilter, ...]  # after those
    log_handlers: tuple[Callable[[Request], None], ...]
    content_type_of: Callable[[str], str]
    path_of: Callable[[Request], str]
    root_of: Callable[[Request], str]
    error_pages: dict[int, Any]
    keepalive: KeepAlive
    limit_rate: Callable[[Request], int] | None
    limit_rate_after: Callable[[Request], int] | None
    signature: str
    log: Log
    limit_except: tuple[frozenset[str], Location] | None
    settle: Settle | None  # what is to be run before unsettled variables are used early
    tells_late: bool  # whether header filters or log handlers use such variables
    tree: Tree | None
    internal: bool
    no_regex: bool
    exact: bool
    auto_redirect: bool


class Tree:
    """The locations of one level: exact, by longest prefix, by regular expression."""

    __slots__ = (
        "_known",
        "_names",
        "_parents",
        "_prefixes",
        "_slashed",
        "exact",
        "is_plain",
        "regexes",
    )

    def __init__(
        self,
        exact: dict[str, Location],
        prefixes: dict[str, Location],
        regexes: tuple[tuple[Regex, Location], ...],
    ) -> None:
        self.exact, self.regexes = exact, regexes
        self._names = sorted(prefixes)
        self._prefixes = [prefixes[name] for name in self._names]
        self._parents = _parents(self._names)
        inner = [x.tree for x in (*self._prefixes, *exact.values()) if x.tree is not None]
        # whether neither this level nor one below it has regular expressions
        self.is_plain: bool = not regexes and all(tree.is_plain for tree in inner)
        self._known: dict[str, tuple[Location, Status | None]] = {}
        # An exact location stands in for the prefix of the same name, whichever of them redirects.
        self._slashed = {
            name[:-1]: exact.get(name, location)
            for same_kind in (prefixes, exact)
            for name, location in same_kind.items()
            if location.auto_redirect and name.endswith("/")
        }

    def find(self, r: Request, uri: str) -> Status | None:
        """Sets the request's location, as ngx_http_core_find_location.

        0 or DONE when the search is over (DONE: the location wants a slash), None when a
        prefix, or nothing, was found.  What no expression had a say in is remembered."""
        known = self._known.get(uri)
        if known is not None:
            r.location, rc = known
            return rc
        before = r.location
        rc = self._search(r, uri)
        if self.is_plain and r.location is not before and len(uri) < MAX_KNOWN_URI:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[uri] = (r.location, rc)
        return rc

    def _search(self, r: Request, uri: str) -> Status | None:
        found = self.exact.get(uri)
        if found is not None:
            r.location = found
            return 0
        slashed = self._slashed.get(uri)
        if slashed is not None and uri not in self._names:
            r.location = slashed
            return DONE
        no_regex = False
        prefix = self._longest(uri)
        if prefix is not None:
            r.location = prefix
            no_regex = prefix.no_regex
            if prefix.tree is not None:
                rc = prefix.tree.find(r, uri)
                if rc is not None:
                    return rc
        if self.regexes and not no_regex:
            for regex, location in self.regexes:
                if regex.match(r, uri):
                    r.location = location
                    if location.tree is not None:
                        location.tree.find(r, uri)
                    return 0
        return None

    def _longest(self, uri: str) -> Location | None:
        """The longest prefix: the neighbour in order, or one of its own prefixes."""
        at = bisect_right(self._names, uri) - 1
        while at >= 0:
            if uri.startswith(self._names[at]):
                return self._prefixes[at]
            at = self._parents[at]
        return None


def _parents(names: list[str]) -> list[int]:
    """For each sorted name the index of the longest other name that it starts with, or -1."""
    parents: list[int] = []
    open_names: list[int] = []
    for at, name in enumerate(names):
        while open_names and not name.startswith(names[open_names[-1]]):
            open_names.pop()
        parents.append(open_names[-1] if open_names else -1)
        open_names.append(at)
    return parents


class Server:
    """A virtual server; `location` is its own level, outside any location."""

    __slots__ = ("core", "location", "name", "named", "rewrite", "tree")

    name: str
    core: Any
    location: Location
    rewrite: tuple[Handler, ...]
    tree: Tree | None
    named: dict[str, Location]


def is_server_name(name: str) -> bool:
    """Whether a name in lower case can be looked up: at most one "*", first or last."""
    if name.count("*") > 1 or ".." in name or "\0" in name:
        return False
    return "*" not in name or (len(name) > 2 and (name.startswith("*.") or name.endswith(".*")))


class ServerNames:
    """The servers of one listening address by name, as ngx_http_find_virtual_server."""

    __slots__ = (
        "_exact",
        "_heads",
        "_regexes",
        "_tails",
        "default",
        "has_regexes",
        "only_default",
    )

    def __init__(self, default: Server) -> None:
        self.default = default
        self._exact: dict[str, Server] = {}
        self._heads: dict[str, Server] = {}  # "*.example.com", kept as ".example.com"
        self._tails: dict[str, Server] = {}  # "www.example.*", kept as "www.example."
        self._regexes: list[tuple[Regex, Server]] = []
        self.has_regexes = False
        self.only_default = True  # there is no name at all

    def add(self, name: str, server: Server) -> bool:
        """Adds a name in lower case; False if it has been added before (ngx_hash_add_key)."""
        if name.startswith("*."):
            return self._put(self._heads, name[1:], server)
        if name.startswith(".") and len(name) > 1:
            if not self._put(self._exact, name[1:], server):
                return False
            return self._put(self._heads, name, server)
        if name.endswith(".*"):
            return self._put(self._tails, name[:-1], server)
        return self._put(self._exact, name, server)

    def _put(self, table: dict[str, Server], name: str, server: Server) -> bool:
        if name in table:
            return False
        table[name] = server
        self.only_default = False
        return True

    def add_regex(self, regex: Regex, server: Server) -> None:
        self._regexes.append((regex, server))
        self.has_regexes, self.only_default = True, False

    def find(self, host: str, r: Request | None) -> Server | None:
        """The server of a validated, lower-case host, None if no name matches."""
        found = self._exact.get(host)
        if found is not None:
            return found
        if self._heads and (found := self._by_head(host)):
            return found
        if self._tails and (found := self._by_tail(host)):
            return found
        if host and r is not None:
            for regex, server in self._regexes:
                if regex.match(r, host):
                    return server
        return None

    def find_at_handshake(self, host: str) -> Server | None:
        """The server of a host when there is no request yet; raises RegexFailed."""
        found = self.find(host, None)
        if found is not None:
            return found
        return next((server for regex, server in self._regexes if regex.test(host)), None)

    def _by_head(self, host: str) -> Server | None:
        at = host.find(".")
        while at >= 0:
            if found := self._heads.get(host[at:]):
                return found
            at = host.find(".", at + 1)
        return None

    def _by_tail(self, host: str) -> Server | None:
        at = host.rfind(".")
        while at > 0:
            if found := self._tails.get(host[: at + 1]):
                return found
            at = host.rfind(".", 0, at)
        return None
