"""Internal redirects: from which places requests go on to which others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...conf.parse import Statement
from ...http.contexts import LOCATION
from ...modules.core import CoreConf, ErrorPage
from ..model.configuration import Configuration
from ..model.place import Place
from ..model.probe import location_of

DENIALS = frozenset({401, 403})
LEAVING = ("http://", "https://", "$scheme")


class Redirect(NamedTuple):
    """A way from one place to another; `denied` if it is taken when access is refused."""

    source: Place
    target: Place
    statement: Statement
    denied: bool


def redirects(conf: Configuration) -> Iterator[Redirect]:
    """All ways that can be told from the configuration alone."""
    for place in conf.answering:
        yield from from_place(place)


def from_place(place: Place) -> Iterator[Redirect]:
    """The ways out of a place: error_page, try_files, rewrite."""
    for page in place[CoreConf].error_pages:
        statement = error_page_statement(place, page)
        denied = bool(DENIALS & set(page.codes))
        yield from _to(place, page.uri.text, statement, denied=denied)
    for statement in place.given("try_files"):
        yield from _to(place, statement.args[-1], statement)
    for inner in _with_ifs(place):
        for statement in inner.given("rewrite"):
            flag = statement.args[2:3]
            if len(statement.args) > 1 and flag not in (("redirect",), ("permanent",), ("break",)):
                yield from _to(place, statement.args[1], statement)


def _with_ifs(place: Place) -> Iterator[Place]:
    yield place
    for level in place.level.levels:
        if not level.context & LOCATION:
            yield place.conf.place(level)


def error_page_of(place: Place, code: int) -> ErrorPage | None:
    """The error_page that counts for a code."""
    pages = place[CoreConf].error_pages
    return next((page for page in pages if code in page.codes), None)


def error_page_statement(place: Place, page: ErrorPage) -> Statement:
    """Where it is written."""
    for around in place.outward():
        for statement in around.given("error_page"):
            if statement.args[-1] == page.uri.text:
                return statement
    return place.set_by("error_page")


def _to(
    place: Place, uri: str, statement: Statement, *, denied: bool = False
) -> Iterator[Redirect]:
    if uri.startswith(("=", *LEAVING)):
        return
    target = find_target(place.server, uri)
    if target is not None and target is not place:
        yield Redirect(place, target, statement, denied)


def find_target(server: Place, uri: str) -> Place | None:
    """The place of a named location, or of a URI as far as it has no variables."""
    if uri.startswith("@"):
        return next((p for p in server.inner(LOCATION) if p[CoreConf].name == uri), None)
    path = uri.partition("?")[0]
    fixed = path.partition("$")[0]
    if not fixed.startswith("/"):
        return None
    return location_of(server, fixed)
