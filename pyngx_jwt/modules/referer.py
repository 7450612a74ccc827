"""Detects requests with invalid values of the Referer header."""

from __future__ import annotations

from typing import NamedTuple

from ..conf.directive import A_NUMBER, Conf, accepted, directive, own
from ..errors import ConfError
from ..http.contexts import LOCATION, SERVER
from ..http.level import Level
from ..http.module import Module
from ..http.names import WildcardTable, ascii_lower
from ..http.regex import Regex
from ..http.request import Request
from .core import CoreConf

TABLES = "the tables grow as needed"
SHORTEST = len("http://i.ru")
LONGEST_HOST = 256


class Referers(NamedTuple):
    """What is valid at a level; the names have the beginning of the path, "" is any."""

    names: WildcardTable[str]
    regexes: tuple[Regex, ...]
    host_regexes: tuple[Regex, ...]
    none: bool
    blocked: bool

    @property
    def is_empty(self) -> bool:
        return self.names.is_empty and not self.regexes and not self.host_regexes

    def valid(self, r: Request, referer: str | None) -> bool:
        """ngx_http_referer_variable."""
        if referer is None:
            return self.none
        scheme, slashes, rest = referer.partition("://")
        if len(referer) < SHORTEST or scheme.lower() not in ("http", "https") or not slashes:
            return self.blocked
        host = rest.partition("/")[0].partition(":")[0]
        if len(host) > LONGEST_HOST:
            return False
        host = ascii_lower(host)
        path = self.names.find(host)
        if path is not None:
            slash = rest.find("/")
            return not path or (slash >= 0 and rest.startswith(path, slash))
        return any(regex.search(r, host) for regex in self.host_regexes) or any(
            regex.search(r, rest) for regex in self.regexes
        )


class RefererConf(Conf):
    is_inherited_whole = True  # a block without any of the directives merges nothing

    referer_hash_bucket_size = accepted(SERVER | LOCATION, TABLES, like=A_NUMBER)
    referer_hash_max_size = accepted(SERVER | LOCATION, TABLES, like=A_NUMBER)

    referers: Referers | None = None
    regexes: tuple[Regex, ...] = ()
    host_regexes: tuple[Regex, ...] = ()
    _names: WildcardTable[str] | None = own(None)
    _none = own(False)
    _blocked = own(False)
    _server_names = own(False)

    @directive(
        SERVER | LOCATION,
        syntax="valid_referers none | blocked | server_names | string | ~regex ...",
    )
    def valid_referers(self, word: str, *words: str) -> None:
        """Lists the values of the Referer header for which $invalid_referer is empty: host names
        with an optional path prefix, wildcards, and regular expressions for the part after the
        scheme.  "none" is a missing header, "blocked" a value without a scheme.  Clients can send
        any Referer, so this is not an access control."""
        self._names = self._names or WildcardTable()
        for text in (word, *words):
            if not text:
                raise ConfError(f'invalid referer "{text}"')
            if text == "none":
                self._none = True
            elif text == "blocked":
                self._blocked = True
            elif text == "server_names":
                self._server_names = True
            elif text.startswith("~"):
                self._add_regex(text)
            else:
                host, slash, path = text.partition("/")
                self._names.add(host, slash + path, wildcards=True)

    def _add_regex(self, text: str) -> None:
        if len(text) == 1:
            raise ConfError(f'empty regex in "{text}"')
        self.regexes = (*vars(self).get("regexes", ()), Regex(text[1:], caseless=True))

    def merge(self, outer: RefererConf) -> None:
        """A list replaces the outer one, whose expressions stay if it has none."""
        if self._names is not None:
            if self._server_names:
                self._add_server_names(self._names)
            if (self._none or self._blocked) and self._names.is_empty:
                raise ConfError(
                    'the "none" or "blocked" referers are specified in the "valid_referers" '
                    "directive without any valid referer"
                ).nowhere()
        super().merge(outer)
        if self._names is not None:
            self.referers = Referers(
                self._names, self.regexes, self.host_regexes, self._none, self._blocked
            )

    def _add_server_names(self, names: WildcardTable[str]) -> None:
        level: Level = self.level
        while not level.context & SERVER and level.outer is not None:
            level = level.outer
        core = level[CoreConf]
        for name in core.server_names or ("",):
            if regex := core.name_regexes.get(name):
                self.host_regexes = (*vars(self).get("host_regexes", ()), regex)
            else:
                names.add(name, "", wildcards=True)


referer = Module("referer", RefererConf)


def set_invalid_referer(r: Request, value: str) -> None:
    r.variables["invalid_referer"] = value


@referer.variable("invalid_referer", set=set_invalid_referer)
def invalid_referer(r: Request) -> str:
    """Empty if the Referer header is valid, otherwise "1"."""
    value = r.variables.get("invalid_referer")
    if value is None:
        referers: Referers | None = r.location.conf(RefererConf).referers
        if referers is None or referers.is_empty:
            value = ""
        else:
            value = "" if referers.valid(r, r.first_line("referer")) else "1"
        r.variables["invalid_referer"] = value
    return value
