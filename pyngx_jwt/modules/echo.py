"""Answers with text, the responses of subrequests and the request body.

The directives are those of openresty/echo-nginx-module.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..conf.directive import Conf, directive, number, own
from ..conf.values import parse_fixed
from ..http.body import KeptBody, read_body
from ..http.contexts import EVERYWHERE, LOCATION, LOCATION_IF
from ..http.digits import TOO_LARGE, number_of
from ..http.level import Level
from ..http.module import Module
from ..http.postpone import Postponed, postpone
from ..http.request import Handler, HeaderFilter, Request, Status
from ..http.template import Template, Text
from ..http.uri import parse_unsafe_uri
from ..http.variables import Variables
from ..log import Severity
from .gzip_ok import change_length

HERE = LOCATION | LOCATION_IF
KEY, COUNTER = "echo", "echo counter"
METHODS = frozenset(
    {
        *("GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "OPTIONS"),
        *("PROPFIND", "PROPPATCH", "LOCK", "UNLOCK", "TRACE"),
    }
)


class EchoState:
    """What commands and variables of a request share."""

    __slots__ = ("item", "timer")

    def __init__(self, timer: float) -> None:
        self.timer = timer  # seconds since the epoch
        self.item: str | None = None  # of "echo_foreach_split"


class EchoRun:
    """One request whose commands are run."""

    def __init__(self, r: Request, status: int, postpones: bool) -> None:
        self.r, self.status, self._postpones = r, status, postpones
        self.state = _state(r)

    @property
    def output(self) -> Postponed:
        postponed: Postponed = self.r.postponed
        return postponed

    def start(self) -> None:
        """Sends the header, once."""
        r = self.r
        if r.header_sent:
            return
        r.status = self.status
        if not r.content_type:
            r.content_type = r.location.content_type_of(r.uri)
        if self._postpones:
            postpone(r)
        r.send_header()

    async def write(self, data: bytes) -> None:
        self.start()
        if data and not self.r.header_only:
            await self.r.send(data)


Run = Callable[[EchoRun, list[str]], Awaitable[Status | None]]


class EchoCommand(NamedTuple):
    """One directive: its options, such as "n", and arguments."""

    name: str
    run: Run
    options: tuple[str, ...]
    args: tuple[Template, ...]


def _parse(name: str, run: Run, words: tuple[str, ...]) -> EchoCommand:
    """Words that begin with "-" are options, up to "--" or the first other word."""
    options, rest = [], list(words)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        word = rest.pop(0)
        if word.startswith("--"):
            break
        options.append(word[1:])
    return EchoCommand(name, run, tuple(options), tuple(Template(word) for word in rest))


class EchoConf(Conf):
    commands: tuple[EchoCommand, ...] = own(())
    before: tuple[EchoCommand, ...] = own(())
    after: tuple[EchoCommand, ...] = own(())
    echo_status = number(200, EVERYWHERE | LOCATION_IF, "Sets the code of responses of echo.")

    def _add(self, name: str, run: Run, *words: str) -> None:
        self.commands = (*self.commands, _parse(name, run, words))

    @directive(HERE, syntax="echo [-n] [string ...]")
    def echo(self, *strings: str) -> None:
        """Sends strings, separated by spaces and followed by a newline; not with "-n".  The
        commands of a location run in their order, and make its response.  Strings can contain
        variables."""
        self._add("echo", _no_command, *strings)

    @directive(HERE)
    def echo_duplicate(self, count: str, string: str) -> None:
        """Sends a string several times."""
        self._add("echo_duplicate", _duplicate, count, string)

    @directive(HERE)
    def echo_flush(self) -> None:
        """Sends what has been written so far to the client."""
        self._add("echo_flush", _flush)

    @directive(HERE)
    def echo_sleep(self, seconds: str) -> None:
        """Waits for a time in seconds, with up to three decimals."""
        self._add("echo_sleep", _sleep, seconds)

    @directive(HERE)
    def echo_blocking_sleep(self, seconds: str) -> None:
        """Waits as "echo_sleep" does.  Unlike in nginx, the worker goes on serving others."""
        self._add("echo_blocking_sleep", _sleep, seconds)

    @directive(HERE)
    def echo_reset_timer(self) -> None:
        """Lets $echo_timer_elapsed start from zero."""
        self._add("echo_reset_timer", _reset_timer)

    @directive(HERE)
    def echo_read_request_body(self) -> None:
        """Reads the request body, for $request_body and "echo_request_body"."""
        self._add("echo_read_request_body", _read_body)

    @directive(HERE)
    def echo_request_body(self) -> None:
        """Sends the request body, if it has been read."""
        self._add("echo_request_body", _request_body)

    @directive(HERE)
    def echo_location(self, uri: str, arguments: str | None = None) -> None:
        """Sends the response of a subrequest, and waits for its end before the next command.
        Subrequests have variables of their own."""
        self._add("echo_location", _location, uri, *([] if arguments is None else [arguments]))

    @directive(HERE)
    def echo_location_async(self, uri: str, arguments: str | None = None) -> None:
        """As "echo_location", but the next command runs at once; output stays in order."""
        words = [uri] if arguments is None else [uri, arguments]
        self._add("echo_location_async", _location_async, *words)

    @directive(HERE, syntax="echo_subrequest method uri [-q arguments] [-b body] [-f file]")
    def echo_subrequest(self, method: str, uri: str, *options: str) -> None:
        """Sends the response of a subrequest with a method, arguments and a body, and waits for its
        end."""
        self._add("echo_subrequest", _subrequest, method, uri, *options)

    @directive(HERE, syntax="echo_subrequest_async method uri [-q arguments] [-b body] [-f file]")
    def echo_subrequest_async(self, method: str, uri: str, *options: str) -> None:
        """As "echo_subrequest", but the next command runs at once; output stays in order."""
        self._add("echo_subrequest_async", _subrequest_async, method, uri, *options)

    @directive(HERE, syntax="echo_exec uri [arguments] | echo_exec @name")
    def echo_exec(self, uri: str, arguments: str | None = None) -> None:
        """Redirects internally to a URI or a named location."""
        self._add("echo_exec", _exec, uri, *([] if arguments is None else [arguments]))

    @directive(HERE)
    def echo_foreach_split(self, delimiter: str, string: str, *ignored: str) -> None:
        """Repeats the commands up to "echo_end" for each part of a string, which is then in
        $echo_it.  Empty parts are left out."""
        self._add("echo_foreach_split", _no_command, delimiter, string, *ignored)

    @directive(HERE)
    def echo_end(self) -> None:
        """Ends the commands that "echo_foreach_split" repeats."""
        self._add("echo_end", _no_command)

    @directive(HERE, syntax="echo_before_body [-n] [string ...]")
    def echo_before_body(self, *strings: str) -> None:
        """Sends strings before the body of the response, as "echo" does."""
        self.before = (*self.before, _parse("echo_before_body", _no_command, strings))

    @directive(HERE, syntax="echo_after_body [-n] [string ...]")
    def echo_after_body(self, *strings: str) -> None:
        """Sends strings after the body of the response, as "echo" does."""
        self.after = (*self.after, _parse("echo_after_body", _no_command, strings))


echo = Module("echo", EchoConf)


# -- the content handler --------------------------------------------------------------------


class Step(NamedTuple):
    """A command with its arguments bound; of "echo_foreach_split" with those that it repeats."""

    name: str
    run: Run
    args: list[Text]
    inner: tuple[Step, ...] = ()


@echo.content
def run_commands(conf: EchoConf, level: Level) -> Handler | None:
    if not conf.commands:
        return None
    steps = _steps(list(conf.commands), level.variables)
    status = conf.echo_status
    postpones = any(c.name.startswith(("echo_location", "echo_subr")) for c in conf.commands)

    async def handle(r: Request) -> Status | None:
        run = EchoRun(r, status, postpones)
        rc = await _run_all(run, steps)
        if rc is not None:
            return rc
        run.start()
        return r.finish()

    return handle


def _steps(commands: list[EchoCommand], variables: Variables) -> tuple[Step, ...]:
    """Takes commands from the front, up to "echo_end"."""
    steps: list[Step] = []
    while commands:
        command = commands.pop(0)
        if command.name == "echo_end":
            return tuple(steps)
        args = [template.bind(variables) for template in command.args]
        if command.name == "echo_foreach_split":
            steps.append(Step(command.name, _no_command, args, _steps(commands, variables)))
        elif command.name == "echo":
            steps.append(Step(command.name, _writer(command, variables), []))
        else:
            steps.append(Step(command.name, command.run, args))
    return tuple(steps)


async def _run_all(run: EchoRun, steps: tuple[Step, ...]) -> Status | None:
    for step in steps:
        args = [text(run.r) for text in step.args]
        if step.name == "echo_foreach_split":
            rc = await _repeat(run, step, args)
        else:
            rc = await step.run(run, args)
        if rc is not None:
            return rc
    return None


async def _repeat(run: EchoRun, step: Step, args: list[str]) -> Status | None:
    if run.state.item is not None:
        run.r.log(Severity.ERR, "Nested echo_foreach not supported yet.")
        return 500
    try:
        for item in filter(None, args[1].split(args[0]) if args[0] else [args[1]]):
            run.state.item = item
            rc = await _run_all(run, step.inner)
            if rc is not None:
                return rc
    finally:
        run.state.item = None
    return None


def _state(r: Request) -> EchoState:
    state: EchoState | None = r.contexts.get(KEY)
    if state is None:
        state = r.contexts[KEY] = EchoState(r.start)
    return state


def _text_of(command: EchoCommand, variables: Variables) -> Text:
    texts = [template.bind(variables) for template in command.args]
    end = "" if "n" in command.options else "\n"
    return lambda r: " ".join([text(r) for text in texts]) + end


def _writer(command: EchoCommand, variables: Variables) -> Run:
    text = _text_of(command, variables)

    async def write(run: EchoRun, args: list[str]) -> None:
        await run.write(text(run.r).encode("latin-1"))

    return write


async def _no_command(run: EchoRun, args: list[str]) -> None:
    """For directives that are not run by themselves."""


async def _duplicate(run: EchoRun, args: list[str]) -> Status | None:
    count = args[0].replace("_", "")
    if not (count.isascii() and count.isdigit()) or number_of(count) == TOO_LARGE:
        run.r.log(Severity.ERR, f'invalid size specified: "{args[0]}"')
        return 500
    run.start()
    data, left = args[1].encode("latin-1"), int(count)
    if not data:
        return None
    most = max(65536 // len(data), 1)
    while left > 0:
        await run.write(data * min(left, most))
        left -= most
    return None


async def _flush(run: EchoRun, args: list[str]) -> None:
    if run.r.header_sent:
        run.r.sink.flush()


async def _sleep(run: EchoRun, args: list[str]) -> Status | None:
    try:
        milliseconds = parse_fixed(args[0], 3)
    except ValueError:
        run.r.log(Severity.ERR, f'invalid sleep duration "{args[0]}"')
        return 400
    await asyncio.sleep(milliseconds / 1000)
    return None


async def _reset_timer(run: EchoRun, args: list[str]) -> None:
    run.state.timer = time.time()


async def _read_body(run: EchoRun, args: list[str]) -> None:
    if run.r.parent is None:
        await read_body(run.r)


async def _request_body(run: EchoRun, args: list[str]) -> None:
    body = run.r.body
    if isinstance(body, KeptBody):
        for data in body.chunks():
            await run.write(data)


async def _exec(run: EchoRun, args: list[str]) -> Status:
    uri = args[0]
    if uri.startswith("@"):
        return run.r.go_named(uri)
    parts = parse_unsafe_uri(uri)
    if parts is None:
        return 500
    return run.r.redirect(parts[0], args[1] if len(args) > 1 else parts[1])


# -- subrequests ----------------------------------------------------------------------------


async def _location(run: EchoRun, args: list[str]) -> Status | None:
    return await _include(run, "GET", args[0], args[1] if len(args) > 1 else None, waits=True)


async def _location_async(run: EchoRun, args: list[str]) -> Status | None:
    return await _include(run, "GET", args[0], args[1] if len(args) > 1 else None)


async def _subrequest(run: EchoRun, args: list[str]) -> Status | None:
    return await _include_method(run, args, waits=True)


async def _subrequest_async(run: EchoRun, args: list[str]) -> Status | None:
    return await _include_method(run, args)


async def _include_method(run: EchoRun, args: list[str], *, waits: bool = False) -> Status | None:
    method, uri, *words = args
    if method not in METHODS:
        run.r.log(Severity.ERR, f'unknown method "{method}" in "echo_subrequest"')
        return 500
    query, body = None, None
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option == "-q":
            query = value
        elif option == "-b":
            body = KeptBody(value.encode("latin-1"), length=len(value))
        elif option == "-f":
            body = _file_body(run.r, value)
            if body is None:
                return 500
    return await _include(run, method, uri, query, body, waits=waits)


def _file_body(r: Request, name: str) -> KeptBody | None:
    path = r.server.core.scope.full_name(name)
    try:
        with open(path.encode("latin-1"), "rb") as file:
            data = file.read()
    except OSError:
        r.log(Severity.ERR, f'open() "{path}" failed')
        return None
    return KeptBody(data, length=len(data))


async def _include(
    run: EchoRun,
    method: str,
    uri: str,
    query: str | None,
    body: KeptBody | None = None,
    *,
    waits: bool = False,
) -> Status | None:
    parts = parse_unsafe_uri(uri)
    if parts is None:
        return 500
    if run.r.parent is None:
        await read_body(run.r)
    run.start()
    if run.r.header_only:
        return None
    args = parts[1] if query is None else query
    part = run.output.include(parts[0], args, method=method, body=body, variables={})
    if waits:
        await part.done.wait()
    return None


# -- around the body ------------------------------------------------------------------------


@echo.header_filter
def add_texts(conf: EchoConf, level: Level) -> HeaderFilter | None:
    if not (conf.before or conf.after):
        return None
    before = [_text_of(command, level.variables) for command in conf.before]
    after = [_text_of(command, level.variables) for command in conf.after]

    def filter_header(r: Request) -> None:
        r.body_filters += (Around(r, before, after),)
        change_length(r)

    return filter_header


class Around:
    """The body filter of "echo_before_body" and "echo_after_body"."""

    def __init__(self, r: Request, before: list[Text], after: list[Text]) -> None:
        self.r, self.before, self.after = r, before, after

    def feed(self, data: bytes) -> bytes:
        return self._take_before() + data

    def end(self) -> bytes:
        if self.r.header_only:
            return b""
        return self._take_before() + self._written(self.after)

    def _take_before(self) -> bytes:
        texts, self.before = self.before, []
        return self._written(texts)

    def _written(self, texts: list[Text]) -> bytes:
        return "".join([text(self.r) for text in texts]).encode("latin-1")


# -- variables ------------------------------------------------------------------------------


@echo.variable("echo_it")
def echo_it(r: Request) -> str | None:
    """The part of the string that "echo_foreach_split" is at."""
    return _state(r).item


@echo.variable("echo_timer_elapsed")
def echo_timer_elapsed(r: Request) -> str:
    """Seconds since the start of the request or "echo_reset_timer", with milliseconds."""
    return f"{max(time.time() - _state(r).timer, 0):.3f}"


@echo.variable("echo_request_body")
def echo_request_body(r: Request) -> str | None:
    """The request body, once it has been read into memory."""
    body = r.body
    if not isinstance(body, KeptBody) or body.fd >= 0 or not body.data:
        return None
    return body.data.decode("latin-1")


@echo.variable("echo_request_method")
def echo_request_method(r: Request) -> str:
    """Method of the request or subrequest."""
    return r.method


@echo.variable("echo_client_request_method")
def echo_client_request_method(r: Request) -> str:
    """Method of the client's request."""
    return r.main.original_method


@echo.variable("echo_client_request_headers")
def echo_client_request_headers(r: Request) -> str:
    """Head of the client's request."""
    lines = [f"{name}: {value}\r\n" for name, value in r.main.head.headers]
    return f"{r.main.request_line}\r\n{''.join(lines)}\r\n"


@echo.variable("echo_cacheable_request_uri")
def echo_cacheable_request_uri(r: Request) -> str:
    """URI of the request or subrequest, without arguments."""
    return r.uri


@echo.variable("echo_request_uri")
def echo_request_uri(r: Request) -> str:
    """URI of the request or subrequest, without arguments."""
    return r.uri


@echo.variable("echo_incr")
def echo_incr(r: Request) -> str:
    """A number that grows by one each time it is used in a client's request."""
    count: int = r.main.contexts.get(COUNTER, 0) + 1
    r.main.contexts[COUNTER] = count
    return str(count)


@echo.variable("echo_response_status")
def echo_response_status(r: Request) -> str | None:
    """Code of the response."""
    return str(r.status) if r.status else None
