"""How a URI finds its location, and a host its server."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, Generic, TypeVar, cast

from .regex import Regex, RegexFailed
from .request import Location, Request, Status
from .session import Session
from .status import DONE

_place: Final = bisect_right
S = TypeVar("S")  # what has names: a server of HTTP, or of "stream"


class Tree:
    """The locations of one level: exact, by longest prefix, by regular expression."""

    __slots__ = (
        *("_names", "_of_regex", "_parents", "_prefixes", "_regexes", "_slashed", "exact"),
    )

    def __init__(
        self,
        exact: dict[str, Location],
        prefixes: dict[str, Location],
        regexes: tuple[tuple[Regex, Location], ...],
    ) -> None:
        self.exact = exact
        self._regexes = [regex for regex, _ in regexes]
        self._of_regex = [location for _, location in regexes]
        self._names = sorted(prefixes)
        self._prefixes = [prefixes[name] for name in self._names]
        self._parents = _parents(self._names)
        # An exact location stands in for the prefix of the same name, whichever of them redirects.
        self._slashed = {
            name[:-1]: exact.get(name, location)
            for table in (prefixes, exact)
            for name, location in table.items()
            if location.auto_redirect and name.endswith("/")
        }

    def find(self, r: Request, uri: str) -> Status | None:
        """Sets the request's location, as ngx_http_core_find_location.

        0 or DONE when the search is over (DONE: the location wants a slash), None when a
        prefix, or nothing, was found."""
        location = self.exact.get(uri)
        if location is not None:
            r.location = location
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
            inner = cast(Tree | None, prefix.tree)  # all that there are
            if inner is not None:
                rc = inner.find(r, uri)
                if rc is not None:
                    return rc
        if not no_regex:
            for at, regex in enumerate(self._regexes):
                if regex.match(r, uri):
                    r.location = location = self._of_regex[at]
                    if location.tree is not None:
                        location.tree.find(r, uri)
                    return 0
        return None

    def _longest(self, uri: str) -> Location | None:
        """The longest prefix: the neighbour in order, or one of its own prefixes."""
        at = _place(self._names, uri) - 1
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


def is_server_name(name: str) -> bool:
    """Whether a name in lower case can be looked up: at most one "*", first or last."""
    if name.count("*") > 1 or ".." in name or "\0" in name:
        return False
    return "*" not in name or (len(name) > 2 and (name.startswith("*.") or name.endswith(".*")))


class ServerNames(Generic[S]):
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

    def __init__(self, default: S) -> None:
        self.default = default
        self._exact: dict[str, S] = {}
        self._heads: dict[str, S] = {}  # "*.example.com", kept as ".example.com"
        self._tails: dict[str, S] = {}  # "www.example.*", kept as "www.example."
        self._regexes: list[tuple[Regex, S]] = []
        self.has_regexes = False
        self.only_default = True  # there is no name at all

    def add(self, name: str, server: S) -> bool:
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

    def _put(self, table: dict[str, S], name: str, server: S) -> bool:
        if name in table:
            return False
        table[name] = server
        self.only_default = False
        return True

    def add_regex(self, regex: Regex, server: S) -> None:
        self._regexes.append((regex, server))
        self.has_regexes, self.only_default = True, False

    def find(self, host: str, r: Session | None) -> S | None:
        """The server of a validated, lower-case host, None if no name matches."""
        server = self._exact.get(host)
        if server is not None:
            return server
        if self._heads and (server := self._by_head(host)):
            return server
        if self._tails and (server := self._by_tail(host)):
            return server
        if host and r is not None:
            for regex, server in self._regexes:
                if regex.match(r, host):
                    return server
        return None

    def find_at_handshake(self, host: str) -> S | None:
        """The server of a host when there is no request yet; raises RegexFailed."""
        server = self.find(host, None)
        if server is not None:
            return server
        return next((server for regex, server in self._regexes if regex.test(host)), None)

    def find_without_request(self, host: str) -> S | None:
        """The same while a head is read; None where an expression gives up, as the request
        will fail of it."""
        try:
            return self.find_at_handshake(host)
        except RegexFailed:
            return None

    def _by_head(self, host: str) -> S | None:
        at = host.find(".")
        while at >= 0:
            if server := self._heads.get(host[at:]):
                return server
            at = host.find(".", at + 1)
        return None

    def _by_tail(self, host: str) -> S | None:
        at = host.rfind(".")
        while at > 0:
            if server := self._tails.get(host[: at + 1]):
                return server
            at = host.rfind(".", 0, at)
        return None
