"""What code can do with a request, and with its variables."""

from __future__ import annotations

import os
from typing import Any

from ...http import body as bodies
from ...http.body import KeptBody
from ...http.client import BodyError
from ...http.digits import number_of
from ...http.session import Session
from ...http.uri import escape_uri, parse_unsafe_uri
from ...http.variables import UnknownVariable
from ...log import Severity, errno_text
from ..headers_more import set_request_header as put_request_header
from .calls import Calls, LuaError, Operations
from .escapes import escaped_name, escaped_value
from .state import LuaRequest, LuaRun, LuaServed

calls = Calls()
operations = Operations()


# -- the log --------------------------------------------------------------------------------


@calls
def logs(run: LuaRun | None, level: float) -> bool:
    return run is None or run.log_level >= level


@calls
def log(run: LuaRun | None, level: int, place: str, text: str) -> None:
    if run is not None:
        run.log(Severity(int(level)), f"{run.subsystem}[lua] {place}{text}")


# -- variables ------------------------------------------------------------------------------


@calls
def get_variable(run: LuaServed, name: str | int) -> str | None:
    """None where there is no value, or no such variable."""
    r = run.r
    if isinstance(name, int):
        return _capture(r, name)
    getters = run.machine.getters
    get = getters.get(name)
    if run.cleared and name.lower() in run.cleared:
        return None
    if get is None:
        if name.isascii() and name.isdigit():
            return _capture(r, number_of(name))
        variables = run.conf.level.variables
        try:
            get = variables.resolve(name)
        except UnknownVariable:
            return None
        if len(getters) < 1000:
            getters[name] = get
    value: str | None = get(r)
    return value


def _capture(r: Session, number: int) -> str | None:
    if r.captures is None or number < 1:
        return None
    try:
        value = r.captures.group(number)
    except (IndexError, ValueError):
        return None
    return None if value is None else value.decode("latin-1")


@calls
def set_variable(run: LuaServed, name: str, value: str | None = None) -> None:
    variables = run.conf.level.variables
    store = variables.setter(name)
    if store is None and variables.has_name(name):
        raise LuaError(f'variable "{name}" not changeable')
    if store is None:
        raise LuaError(
            f'variable "{name}" not found for writing; maybe it is a built-in variable that is not'
            ' changeable or you forgot to use "set $' + name + " '';\" in the config file to"
            " define it first"
        )
    store(run.r, value or "")
    if value is None:
        run.cleared.add(name.lower())
    else:
        run.cleared.discard(name.lower())


# -- headers --------------------------------------------------------------------------------


def note_limit(run: LuaRun, what: str, found: float, most: float) -> None:
    run.log(Severity.DEBUG, f"lua exceeding {what} limit {int(found)} > {int(most)}")


@calls
def request_headers(run: LuaRequest, most: int, raw: bool) -> Any:
    """Names and values, flat, and whether there are more."""
    flat: list[str] = []
    headers = run.r.headers_in
    truncated = 0 < most < len(headers)
    if truncated:
        note_limit(run, "request header", len(headers), most)
    for name, value in headers[: int(most)] if truncated else headers:
        flat.append(name if raw else name.lower())
        flat.append(value)
    return run.machine.table(flat), truncated


@calls
def set_request_header(run: LuaRequest, name: str, *values: str | None) -> None:
    """Without a value, or with an empty one, the header is removed."""
    texts = [escaped_value(value) for value in values if value is not None]
    if not put_request_header(run.r, escaped_name(name), texts):
        raise LuaError(f'failed to set header "{name}"')


# -- the request line -----------------------------------------------------------------------


@calls
def get_method(run: LuaRequest) -> str:
    return run.r.method


@calls
def set_method(run: LuaRequest, method: str) -> None:
    run.r.method = method


@calls
def http_version(run: LuaRequest) -> float | None:
    versions = {9: 0.9, 1000: 1.0, 1001: 1.1, 2000: 2.0, 3000: 3.0}
    return versions.get(run.r.http_version)


@calls
def raw_header(run: LuaRequest, without_line: bool) -> str:
    r = run.r.main
    lines = "".join(f"{name}: {value}\r\n" for name, value in r.head.headers)
    return f"{lines}\r\n" if without_line else f"{r.request_line}\r\n{lines}\r\n"


@calls
def start_time(run: LuaRequest) -> float:
    return int(run.r.start * 1000) / 1000


@calls
def is_internal(run: LuaRequest) -> bool:
    return run.r.internal


@calls
def is_subrequest(run: LuaRequest) -> bool:
    return run.r.parent is not None


@calls
def get_args(run: LuaRequest) -> str:
    return run.r.args


@calls
def set_args(run: LuaRequest, args: str) -> None:
    run.r.args, run.r.valid_unparsed_uri = _printable(args), False


@calls
def set_uri(run: LuaRequest, uri: str, jump: bool, binary: bool) -> None:
    r = run.r
    if not binary:
        wrong = next((c for c in uri if c <= " " or c == "\x7f"), None)
        if wrong is not None and wrong != " ":
            raise LuaError(f'unsafe byte "0x{ord(wrong):02x}" in uri "{uri}"')
    r.uri, r.internal = uri, True
    r.valid_unparsed_uri, r.valid_location, r.add_uri_to_alias = False, False, False
    if jump:
        r.uri_changed = True


def _printable(text: str) -> str:
    """No byte of it may end the request line of an upstream."""
    return "".join(c if " " < c != "\x7f" else f"%{ord(c):02X}" for c in text)


# -- the body -------------------------------------------------------------------------------


@calls
def take_body(run: LuaRequest) -> bool:
    """Whether the body has been read, or there is none."""
    r = run.r.main
    if r.body is None and r.body_in is None:
        r.body = KeptBody()
    return r.body is not None or r.discards_body


@operations
async def read_body(run: LuaRequest) -> tuple[Any, ...]:
    try:
        await bodies.read_body(run.r.main)
    except BodyError as error:
        run.failure = error
        return False, f"the request body cannot be read: {error.status}"
    if run.r is not run.r.main:
        run.r.body = run.r.main.body
    return (True,)


@calls
def discard_body(run: LuaRequest) -> None:
    r = run.r
    if r.body is None and r.body_in is not None:
        r.expect_continue, r.discards_body = False, True


def _kept(run: LuaRequest) -> KeptBody | None:
    body = run.r.body
    return body if isinstance(body, KeptBody) else None


@calls
def get_body_data(run: LuaRequest, most: int) -> bytes | None:
    """None if there is none, or if it is in a file."""
    body = _kept(run)
    if body is None or body.fd >= 0 or not body.data:
        return None
    return body.data[: int(most)] if most > 0 else body.data


@calls
def get_body_file(run: LuaRequest) -> str | None:
    body = _kept(run)
    return body.path if body is not None and body.fd >= 0 else None


@calls
def get_post_text(run: LuaRequest) -> Any:
    body = _kept(run)
    if body is None:
        raise LuaError("no request body found; maybe you should turn on lua_need_request_body?")
    if body.fd >= 0:
        return None, "request body in temp file not supported"
    return body.data


@calls
def set_body_data(run: LuaRequest, data: str) -> None:
    _needs_read(run)
    _replace(run, data.encode("latin-1"))


def _needs_read(run: LuaRequest) -> None:
    r = run.r
    if r.body is None and r.body_in is not None and not run.streams_body:
        raise LuaError("request body not read yet")


def _replace(run: LuaRequest, data: bytes) -> None:
    run.new_body(KeptBody(data, length=len(data)))
    put_request_header(run.r, "Content-Length", [str(len(data))])
    put_request_header(run.r, "Transfer-Encoding", [])


@calls
def set_body_file(run: LuaRequest, path: str, remove: bool) -> None:
    _needs_read(run)
    full = path if path.startswith("/") else f"{run.machine.around.prefix}{path}"
    try:
        fd = os.open(full.encode("latin-1"), os.O_RDONLY | os.O_CLOEXEC)
        length = os.fstat(fd).st_size
    except OSError as error:
        raise LuaError(f'open "{full}" failed {errno_text(error)}') from None
    run.new_body(KeptBody(fd=fd, path=full, length=length, keep=not remove))
    put_request_header(run.r, "Content-Length", [str(length)])
    put_request_header(run.r, "Transfer-Encoding", [])


@calls
def init_body(run: LuaRequest, size: int) -> None:
    _needs_read(run)
    run.parts = []


@calls
def append_body(run: LuaRequest, data: str) -> None:
    if run.parts is None:
        raise LuaError("request_body not initialized")
    run.parts.append(data.encode("latin-1"))


@calls
def finish_body(run: LuaRequest) -> None:
    if run.parts is None:
        raise LuaError("request_body not initialized")
    data, run.parts = b"".join(run.parts), None
    _replace(run, data)


# -- ends -----------------------------------------------------------------------------------


@calls
def can_exec(run: LuaRequest, uri: str) -> None:
    if not uri:
        raise LuaError("The uri argument is empty")
    if run.r.header_sent:
        raise LuaError("attempt to call ngx.exec after sending out response headers")
    if not uri.startswith("@") and parse_unsafe_uri(uri) is None:
        raise LuaError("unsafe uri")


@calls
def redirect(run: LuaRequest, uri: str, status: int) -> int:
    """The status to end with."""
    if status not in (301, 302, 303, 307, 308):
        raise LuaError(
            "only ngx.HTTP_MOVED_TEMPORARILY, ngx.HTTP_MOVED_PERMANENTLY,"
            " ngx.HTTP_PERMANENT_REDIRECT, ngx.HTTP_SEE_OTHER, and ngx.HTTP_TEMPORARY_REDIRECT are"
            " allowed"
        )
    r = run.r
    if r.header_sent:
        raise LuaError("attempt to call ngx.redirect after sending out the headers")
    if any(c < " " or c == "\x7f" for c in uri):
        wrong = next(c for c in uri if c < " " or c == "\x7f")
        raise LuaError(f'unsafe byte "0x{ord(wrong):02x}" in redirect uri "{escape_uri(uri)}"')
    r.location_out = None
    r.clear_header("location")
    r.add_header("Location", uri)  # as it is: a path is not made a URL
    r.status = status
    return status


@calls
def set_exit(run: LuaServed, status: int) -> None:
    """Of a phase that goes on to its end."""
    run.exit_code = int(status)


@calls
def on_abort(run: LuaServed, callback: Any) -> Any:
    if not run.conf.lua_check_client_abort:
        return None, "lua_check_client_abort is off"
    raise LuaError("ngx.on_abort is not supported by pyngx")


@calls
def ndk(run: LuaRequest, name: str, text: str) -> str:
    compute = run.machine.conversions.get(name)
    if compute is None:
        raise LuaError(
            f'ndk.set_var: directive "{name}" not found or does not use ndk_set_var_value'
        )
    return str(compute(text))


# -- modules of OpenResty -------------------------------------------------------------------


@calls
def log_raw(run: LuaRun | None, level: int, text: str) -> None:
    if run is not None:
        run.log(Severity(int(level)), text)


@calls
def log_level(run: LuaRun | None) -> int:
    return int(run.log_level) if run is not None else int(Severity.ERR)
