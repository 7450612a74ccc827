"""Processes SSI (Server Side Includes) commands in responses."""

from __future__ import annotations

import time
from typing import NamedTuple

from ...conf.directive import A_FLAG, A_SIZE, Conf, accepted, directive, flag, size
from ...http.content_types import HTML, Types, add_types, has_type
from ...http.contexts import EVERYWHERE, LOCATION_IF
from ...http.level import Level
from ...http.module import Module
from ...http.postpone import Postponed, postpone
from ...http.request import HeaderFilter, Request, Sink
from ...http.variables import Variables
from ...log import Severity
from ..gzip_ok import change_length
from .commands import SsiError, date, run_command
from .reader import START, CommandReader
from .values import SsiValues

KEY = "ssi"
TIME_FORMAT = "%A, %d-%b-%Y %H:%M:%S %Z"
ERROR = "[an error occurred while processing the directive]"


class SsiConf(Conf):
    types: Types = HTML

    ssi = flag(False, EVERYWHERE | LOCATION_IF, "Processes SSI commands in responses.")
    ssi_silent_errors = flag(
        False, EVERYWHERE, "Leaves out the message in place of a command that failed."
    )
    ssi_ignore_recycled_buffers = accepted(
        EVERYWHERE, "the output is sent as soon as there is any", like=A_FLAG
    )
    ssi_min_file_chunk = accepted(EVERYWHERE, "the response is read anyway", like=A_SIZE)
    ssi_value_length = size(
        255, EVERYWHERE, "Sets the maximum length of parameter values.", shown="255"
    )
    ssi_last_modified = flag(
        False,
        EVERYWHERE,
        "Keeps the Last-Modified header of the original response, and its ETag as a weak one. "
        "Otherwise both are removed.",
    )

    @directive(EVERYWHERE, default="text/html", syntax="ssi_types mime-type ...")
    def ssi_types(self, mime_type: str, *more: str) -> None:
        """Sets the MIME types of responses that are processed, in addition to text/html.  "*" means
        all types."""
        self.types = add_types(self, vars(self).get("types", HTML), (mime_type, *more))


ssi = Module("ssi", SsiConf)


class PageSettings(NamedTuple):
    silent: bool
    longest_value: int


@ssi.variable("date_local")
def date_local(r: Request) -> str:
    """Time of the local time zone, in the format that the SSI command "config" sets."""
    return date(_time_format(r), time.localtime())


@ssi.variable("date_gmt")
def date_gmt(r: Request) -> str:
    """Time in UTC, in the format that the SSI command "config" sets."""
    return date(_time_format(r), time.gmtime())


def _time_format(r: Request) -> str:
    page = r.contexts.get(KEY)
    return page.time_format if isinstance(page, PageFilter) else TIME_FORMAT


@ssi.header_filter
def process_page(conf: SsiConf, level: Level) -> HeaderFilter | None:
    if not conf.ssi:
        return None
    settings = PageSettings(
        conf.ssi_silent_errors,
        conf.ssi_value_length,
    )
    types, keeps_date, variables = conf.types, conf.ssi_last_modified, level.variables

    def filter_header(r: Request) -> None:
        if r.content_length == 0 or not has_type(r, types):
            return
        page = r.contexts[KEY] = PageFilter(r, settings, variables, postpone(r))
        r.body_filters += (page,)
        if r.parent is not None:
            return
        if keeps_date:
            change_length(r)
        else:
            r.clear_header("last-modified")
            r.clear_validators()

    return filter_header


class PageFilter:
    """The body filter: a page with commands.  It writes to the response's sink by itself, as the
    output of subrequests stands between its own."""

    def __init__(
        self, r: Request, settings: PageSettings, variables: Variables, output: Postponed
    ) -> None:
        self.r, self.conf, self.variables, self.output = r, settings, variables, output
        self.values: SsiValues = r.main.contexts.setdefault("ssi values", SsiValues())
        self.encoding, self.time_format, self.error_message = "entity", TIME_FORMAT, ERROR
        self.shows = True
        self.has_chosen = False  # in an "if"
        self.conditional = 0
        self.block: bytearray | None = None
        self._held = ""
        self._command: CommandReader | None = None
        self._waits = False

    def feed(self, data: bytes) -> bytes:
        self._held += data.decode("latin-1")
        if not self._waits:
            self._process()
        return b""

    def end(self) -> bytes:
        """What could be the beginning of a command is dropped, as in nginx."""
        return b""

    def write_stub(self, data: bytes, sub: Request, sink: Sink) -> None:
        """Writes a block in place of the response of a subrequest."""
        output = Postponed(sub, sink)
        PageFilter(sub, self.conf, self.variables, output).feed(data)
        output.end()

    def wait(self) -> None:
        """Goes on when the subrequests so far are done."""
        self._waits = True
        self.output.then(self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        self._process()

    def _process(self) -> None:
        text, at = self._held, 0
        while at < len(text) and not self._waits:
            if self._command is None:
                at = self._copy(text, at)
                if self._command is None:
                    break
            at = self._command.read(text, at)
            if self._command.done:
                self._run(self._command)
        self._held = text[at:]

    def _copy(self, text: str, at: int) -> int:
        """Writes the text before a command; returns where the command, or its possible
        beginning, is."""
        start = text.find(START, at)
        if start >= 0:
            self._write(text[at:start])
            self._command = CommandReader(self.conf.longest_value, self._log)
            return start + len(START)
        end = len(text)
        for length in range(min(len(START) - 1, end - at), 0, -1):
            if text.endswith(START[:length]):
                end -= length
                break
        self._write(text[at:end])
        return end

    def _run(self, command: CommandReader) -> None:
        self._command = None
        try:
            if command.failed:
                raise SsiError
            run_command(self, command.name, command.params)
        except SsiError:
            if not self.conf.silent:
                self.output.write(self.error_message.encode("latin-1"))

    def _write(self, text: str) -> None:
        if not text:
            return
        data = text.encode("latin-1")
        if self.shows:
            self.output.write(data)
        elif self.block is not None:
            self.block += data

    def _log(self, text: str) -> None:
        self.r.log(Severity.ERR, text)
