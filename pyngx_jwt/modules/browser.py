"""Creates variables that depend on the browser, as its User-Agent header describes it."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..conf.directive import Conf, directive, string
from ..errors import ConfError
from ..http.browser import is_msie
from ..http.contexts import EVERYWHERE
from ..http.digits import number_of
from ..http.module import Module
from ..http.request import Request

UNREACHABLE = 4001000000  # a version that no browser has
_VERSION = re.compile(r"[0-9.]*")


class Mark(NamedTuple):
    """How a browser is recognized: characters to skip, the text to find, and where its version
    starts after the beginning of that."""

    skip: int
    text: str
    add: int


# Opera must be the first, as its header can contain those of others.
MARKS = {
    "opera": Mark(0, "Opera", 6),
    "msie": Mark(25, "MSIE ", 5),
    "gecko": Mark(13, "rv:", 3),
    "safari": Mark(13, "Safari/", 7),
    "konqueror": Mark(25, "Konqueror/", 10),
}
_NETSCAPE4 = re.compile(r"Mozilla/[1-4].{4}", re.DOTALL)


class BrowserConf(Conf):
    is_inherited_whole = True  # a block without any of the directives merges nothing

    modern: tuple[tuple[str, int], ...] = ()
    unlisted_are_modern = False
    ancient: tuple[str, ...] = ()
    netscape4 = False
    modern_browser_value = string(
        "1", EVERYWHERE, "Sets the value of $modern_browser for modern browsers."
    )
    ancient_browser_value = string(
        "1", EVERYWHERE, "Sets the value of $ancient_browser for ancient browsers."
    )

    @directive(EVERYWHERE, syntax="modern_browser browser version | modern_browser unlisted")
    def modern_browser(self, browser: str, version: str | None = None) -> None:
        """Sets the version from which on a browser is modern: "msie", "gecko" (Mozilla), "opera",
        "safari" or "konqueror".  "unlisted" makes browsers modern that are neither listed here nor
        in "ancient_browser"; otherwise they are ancient."""
        if version is None:
            if browser != "unlisted":
                raise ConfError('"modern_browser" directive invalid value')
            self.unlisted_are_modern = True
            return
        if browser.lower() not in MARKS:
            raise ConfError(f'unknown browser name "{browser}"')
        if not _VERSION.fullmatch(version):
            raise ConfError(f'invalid browser version "{version}"')
        entry = (browser.lower(), _number(version))
        self.modern = (*vars(self).get("modern", ()), entry)

    @directive(EVERYWHERE)
    def ancient_browser(self, string: str, *strings: str) -> None:
        """Makes browsers ancient whose User-Agent header contains one of the strings.  "netscape4"
        stands for versions 1 to 4 of Netscape."""
        for text in (string, *strings):
            if text == "netscape4":
                self.netscape4 = True
            else:
                self.ancient = (*vars(self).get("ancient", ()), text)

    def merge(self, outer: BrowserConf) -> None:
        """Both lists are inherited as a whole."""
        own_modern = bool(self.modern) or self.unlisted_are_modern
        own_ancient = bool(self.ancient) or self.netscape4
        modern, unlisted = self.modern, self.unlisted_are_modern
        ancient, netscape4 = self.ancient, self.netscape4
        super().merge(outer)
        if own_modern:
            if modern and "opera" not in dict(modern):
                modern = (*modern, ("opera", UNREACHABLE))
            order = [*MARKS]
            self.modern = tuple(sorted(modern, key=lambda entry: order.index(entry[0])))
            self.unlisted_are_modern = unlisted
        if own_ancient:
            self.ancient, self.netscape4 = ancient, netscape4

    def is_modern(self, agent: str | None) -> bool:
        """Whether a browser is modern (ngx_http_browser)."""
        if agent is None:
            return self.unlisted_are_modern
        for name, version in self.modern:
            mark = MARKS[name]
            at = agent.find(mark.text, mark.skip)
            if at >= 0 and at + mark.add < len(agent):
                return _number(agent[at + mark.add :]) >= version
        if self.modern and not self.unlisted_are_modern:
            return False
        if self.netscape4 and _NETSCAPE4.match(agent):
            return False
        return self.unlisted_are_modern and not any(text in agent for text in self.ancient)


def _number(text: str) -> int:
    """The version at the beginning of a text as a number that can be compared."""
    match = _VERSION.match(text)
    assert match is not None
    scale, version = 1000000, 0
    for part in match[0].split("."):
        version += number_of(part) * scale
        scale //= 100
    return version


browser = Module("browser", BrowserConf)


def _conf(r: Request) -> BrowserConf:
    conf: BrowserConf = r.location.conf(BrowserConf)
    return conf


def _set_msie(r: Request, value: str) -> None:
    r.variables["msie"] = value


def _set_modern(r: Request, value: str) -> None:
    r.variables["modern_browser"] = value


def _set_ancient(r: Request, value: str) -> None:
    r.variables["ancient_browser"] = value


@browser.variable("msie", set=_set_msie)
def msie(r: Request) -> str:
    """ "1" for any version of Internet Explorer."""
    stored = r.variables.get("msie")
    return ("1" if is_msie(r.first_line("user-agent") or "") else "") if stored is None else stored


@browser.variable("modern_browser", set=_set_modern)
def modern_browser(r: Request) -> str:
    """The value of "modern_browser_value" for modern browsers."""
    stored = r.variables.get("modern_browser")
    if stored is not None:
        return stored
    conf = _conf(r)
    return conf.modern_browser_value if conf.is_modern(r.first_line("user-agent")) else ""


@browser.variable("ancient_browser", set=_set_ancient)
def ancient_browser(r: Request) -> str:
    """The value of "ancient_browser_value" for ancient browsers."""
    stored = r.variables.get("ancient_browser")
    if stored is not None:
        return stored
    conf = _conf(r)
    return "" if conf.is_modern(r.first_line("user-agent")) else conf.ancient_browser_value
