"""Adds the responses of subrequests before and after a response."""

from __future__ import annotations

from ..conf.directive import Conf, directive
from ..http.content_types import HTML, Types, add_types, has_type
from ..http.contexts import EVERYWHERE
from ..http.level import Level
from ..http.module import Module
from ..http.postpone import Postponed, postpone
from ..http.request import HeaderFilter, Request
from .gzip_ok import change_length


class AdditionConf(Conf):
    before = ""
    after = ""
    types: Types = HTML

    @directive(EVERYWHERE)
    def add_before_body(self, uri: str) -> None:
        """Adds the response of a subrequest to the URI before the body of responses with code 200.
        An empty string cancels an inherited value."""
        self.once("before", "add_before_body")
        self.before = uri

    @directive(EVERYWHERE)
    def add_after_body(self, uri: str) -> None:
        """Adds the response of a subrequest to the URI after the body of responses with code 200.
        An empty string cancels an inherited value."""
        self.once("after", "add_after_body")
        self.after = uri

    @directive(EVERYWHERE, default="text/html", syntax="addition_types mime-type ...")
    def addition_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that text is added to, in addition to text/html.  "*"
        means all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))


addition = Module("addition", AdditionConf)


@addition.header_filter
def add_texts(conf: AdditionConf, level: Level) -> HeaderFilter | None:
    if not (conf.before or conf.after):
        return None
    before, after, types = conf.before, conf.after, conf.types

    def filter_header(r: Request) -> None:
        if r.status != 200 or r.parent is not None or not has_type(r, types):
            return
        r.body_filters += (Addition(r, postpone(r), before, after),)
        change_length(r)

    return filter_header


class Addition:
    """The body filter: starts the subrequests."""

    def __init__(self, r: Request, output: Postponed, before: str, after: str) -> None:
        self.r, self.output, self.before, self.after = r, output, before, after

    def feed(self, data: bytes) -> bytes:
        self._include(self.before)
        self.before = ""
        return data

    def end(self) -> bytes:
        if not self.r.header_only:
            self._include(self.before)
            self._include(self.after)
        return b""

    def _include(self, uri: str) -> None:
        if uri:
            self.output.include(uri)
