"""The SSI commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from ...http.escape import escape_html
from ...http.postpone import Postponed, Stub
from ...http.request import Request, Sink
from ...http.subrequest import Kept, subrequest
from ...http.uri import escape_html as escape_url
from ...http.uri import parse_unsafe_uri
from ...http.variables import Variables
from ...log import Severity
from .values import SsiError, SsiValues, fail

MOST_PARAMS = 16
IF, ELSE = 1, 2  # what a conditional command stands after
Params = dict[str, str]


class Page(Protocol):
    """What commands need of the page that they stand in."""

    r: Request
    variables: Variables
    values: SsiValues
    output: Postponed
    encoding: str
    time_format: str
    error_message: str
    shows: bool
    has_chosen: bool
    conditional: int
    block: bytearray | None

    def wait(self) -> None:
        """Goes on when the subrequests so far are done."""

    def write_stub(self, data: bytes, sub: Request, sink: Sink) -> None:
        """Writes a block in place of the response of a subrequest."""


class SsiCommand(NamedTuple):
    """`params` are its parameters, those in `mandatory` must be there."""

    run: Callable[[Page, Params], None]
    params: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()
    after: int = 0  # IF or ELSE: it stands in an "if"
    ends_block: bool = False


def include(page: Page, params: Params) -> None:
    """The response of a subrequest becomes a part of the page, or the value of a variable."""
    uri, file = params.get("virtual"), params.get("file")
    target, waits = _target(page, uri, file), _waits(page, params, uri, file)
    stub = _stub(page, params)
    path, args = _split(page, target)
    if "set" in params:
        name = params["set"].lower()
        page.values.variables.setdefault(name, "")
        page.output.wait_for(_store(page, name, path, args))
        page.wait()
        return
    page.output.include(path, args, stub=stub)
    if waits:
        page.wait()


def _target(page: Page, uri: str | None, file: str | None) -> str:
    r = page.r
    if uri is not None and file is not None:
        either = f'virtual="{uri}" or file="{file}"'
        raise fail(r, f"inclusion may be either {either}")
    if uri is None and file is None:
        raise fail(r, 'no parameter in "include" SSI command')
    return (uri if uri is not None else file) or ""


def _waits(page: Page, params: Params, uri: str | None, file: str | None) -> bool:
    if "set" in params and "stub" in params:
        raise fail(page.r, '"set" and "stub" cannot be used together in "include" SSI command')
    wait = params.get("wait")
    if wait is None:
        return uri is None
    if uri is None:
        raise fail(page.r, f'"wait" cannot be used with file="{file}"')
    if wait.lower() not in ("yes", "no"):
        raise fail(page.r, f'invalid value "{wait}" in the "wait" parameter')
    return wait.lower() == "yes"


def _stub(page: Page, params: Params) -> Stub | None:
    name = params.get("stub")
    if name is None:
        return None
    if name not in page.values.blocks:
        raise fail(page.r, f'"stub"="{name}" for "include" not found')
    return partial(page.write_stub, bytes(page.values.blocks[name]))


def _split(page: Page, target: str) -> tuple[str, str]:
    """URI and arguments; a relative one starts from the directory of the page."""
    uri = page.values.evaluate(page.r, target, page.variables)
    if not uri.startswith("/"):
        uri = page.r.uri[: page.r.uri.rfind("/") + 1] + uri
    parts = parse_unsafe_uri(uri)
    if parts is None:
        raise fail(page.r, f'unsafe URI "{uri}" was detected')
    return parts


class Stored(Kept):
    """The sink of a subrequest whose response becomes the value of a variable."""

    def __init__(self) -> None:
        super().__init__(1)

    def header(self, r: Request) -> None:
        self.limit = r.location.core.subrequest_output_buffer_size
        super().header(r)


async def _store(page: Page, name: str, uri: str, args: str) -> None:
    kept = Stored()
    sub = await subrequest(page.r, uri, args, sink=kept)
    if kept.too_big:
        page.r.log(Severity.ERR, f'too big subrequest response of "{uri}"')
        page.output.cut()
    elif sub.status < 300 and kept.complete:
        page.values.variables[name] = kept.body.decode("latin-1")


def echo(page: Page, params: Params) -> None:
    value = page.values.get(page.r, params["var"].lower(), page.variables)
    if value is None:
        value = params.get("default", "(none)")
    if not value:
        return
    encoding = params.get("encoding")
    if encoding in ("none", "url", "entity"):
        page.encoding = encoding
    elif encoding is not None:
        fail(page.r, f'unknown encoding "{encoding}" in the "echo" command')
    if page.encoding == "url":
        value = escape_url(value)
    elif page.encoding == "entity":
        value = escape_html(value)
    page.output.write(value.encode("latin-1"))


def config(page: Page, params: Params) -> None:
    page.time_format = params.get("timefmt", page.time_format)
    page.error_message = params.get("errmsg", page.error_message)


def set_(page: Page, params: Params) -> None:
    value = page.values.evaluate(page.r, params["value"], page.variables)
    page.values.variables[params["var"].lower()] = value


def if_(page: Page, params: Params) -> None:
    if page.conditional:
        raise fail(page.r, 'the "if" command inside the "if" command')
    elif_(page, params)


def elif_(page: Page, params: Params) -> None:
    if page.has_chosen:
        page.shows = False
        return
    holds = page.values.holds(page.r, params["expr"], page.variables)
    page.shows = holds
    page.has_chosen = page.has_chosen or holds
    page.conditional = IF


def else_(page: Page, params: Params) -> None:
    page.shows, page.conditional = not page.has_chosen, ELSE


def endif(page: Page, params: Params) -> None:
    page.shows, page.has_chosen, page.conditional = True, False, 0


def block(page: Page, params: Params) -> None:
    page.block = page.values.blocks[params["name"]] = bytearray()
    page.shows = False


def endblock(page: Page, params: Params) -> None:
    page.shows, page.block = True, None


COMMANDS = {
    "include": SsiCommand(include, ("virtual", "file", "wait", "set", "stub")),
    "echo": SsiCommand(echo, ("var", "default", "encoding"), ("var",)),
    "config": SsiCommand(config, ("timefmt", "errmsg")),
    "set": SsiCommand(set_, ("var", "value"), ("var", "value")),
    "if": SsiCommand(if_, ("expr",), ("expr",)),
    "elif": SsiCommand(elif_, ("expr",), ("expr",), after=IF),
    "else": SsiCommand(else_, after=IF),
    "endif": SsiCommand(endif, after=ELSE),
    "block": SsiCommand(block, ("name",), ("name",)),
    "endblock": SsiCommand(endblock, ends_block=True),
}


def run_command(page: Page, name: str, params: list[tuple[str, str]]) -> None:
    """Runs a command, or adds it to a block; raises SsiError."""
    command = COMMANDS.get(name)
    if command is None:
        if page.shows:
            raise fail(page.r, f'invalid SSI command: "{name}"')
        return
    if not page.shows and not command.ends_block:
        if page.block is not None:
            words = "".join(f' {key}="{value}"' for key, value in params)
            page.block += f"<!--#{name}{words} -->".encode("latin-1")
            return
        if not command.after:
            return
    if command.after and not 0 < page.conditional <= command.after:
        raise fail(page.r, f'invalid context of SSI command: "{name}"')
    command.run(page, _checked(page, name, command, params))


def _checked(page: Page, name: str, command: SsiCommand, params: list[tuple[str, str]]) -> Params:
    if len(params) > MOST_PARAMS:
        raise fail(page.r, f'too many SSI command parameters: "{name}"')
    checked: Params = {}
    for key, value in params:
        if key not in command.params:
            raise fail(page.r, f'invalid parameter name: "{key}" in "{name}" SSI command')
        if key in checked:
            raise fail(page.r, f'duplicate "{key}" parameter in "{name}" SSI command')
        checked[key] = value
    for key in command.mandatory:
        if key not in checked:
            raise fail(page.r, f'mandatory "{key}" parameter is absent in "{name}" SSI command')
    return checked


def date(format: str, moment: time.struct_time) -> str:
    """The time in a format of strftime(3), which ends at a NUL; "%s" is seconds since the epoch."""
    format = format.partition("\0")[0]
    if format == "%s":
        return str(int(time.time()))
    text = time.strftime(format.encode("latin-1").decode("utf-8", "surrogateescape"), moment)
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


__all__ = ["COMMANDS", "SsiError", "date", "run_command"]
