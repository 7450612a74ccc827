"""What code can do with the response."""

from __future__ import annotations

from typing import Any

from ...http.date import http_date
from ...http.request import SMALL, Request
from ...log import Severity
from ..headers_more import BUILT_IN
from ..headers_more import set_response_header as put_response_header
from .calls import Calls, LuaError, Operations
from .escapes import escaped_name, escaped_value
from .state import LuaRequest, LuaServed

calls = Calls()
operations = Operations()

MOST_STATUS = 2**31 - 1  # a C int
SENT, PAUSED, SLOWED = 1, 2, 3  # what a write has come to


@calls
def get_status(run: LuaRequest) -> int:
    r = run.r
    return r.err_status or r.status or (9 if r.http_version == 9 else 0)


@calls
def set_status(run: LuaRequest, status: int) -> None:
    r = run.r
    if r.header_sent:
        run.log(Severity.ERR, "attempt to set ngx.status after sending out response headers")
        return
    if not -MOST_STATUS <= status <= MOST_STATUS:  # nor is NaN
        raise LuaError("bad argument to 'ngx.status': number out of range")
    r.err_status = 0
    r.status, r.status_line = int(status), None


@calls
def set_reason(run: LuaRequest, reason: str | None) -> None:
    r = run.r
    if not r.header_sent and reason:
        r.status_line = f"{r.status} {escaped_value(reason)}"


@calls
def headers_sent(run: LuaRequest) -> bool:
    return run.r.header_sent


# -- headers --------------------------------------------------------------------------------


@calls
def response_headers(run: LuaRequest, most: int, raw: bool) -> Any:
    headers = list(all_headers(run.r))
    truncated = 0 < most < len(headers)
    if truncated:
        run.log(Severity.DEBUG, f"lua exceeding response header limit {len(headers)} > {int(most)}")
    flat: list[str] = []
    for name, value in headers[: int(most)] if truncated else headers:
        flat += (name if raw else name.lower(), value)
    return run.machine.table(flat), truncated


def all_headers(r: Request) -> list[tuple[str, str]]:
    """Those that have places of their own, too."""
    headers = list(r.headers_out)
    if r.content_type:
        headers.append(("Content-Type", _content_type(r)))
    if r.content_length >= 0:
        headers.append(("Content-Length", str(r.content_length)))
    if r.location_out is not None:
        headers.append(("Location", r.location_out))
    if r.last_modified >= 0 and not r.own_last_modified:
        headers.append(("Last-Modified", http_date(r.last_modified)))
    if r.etag is not None:
        headers.append(("ETag", r.etag))
    if r.parent is None:
        headers.append(("Connection", "keep-alive" if r.keep_alive else "close"))
    if r.chunked_out:
        headers.append(("Transfer-Encoding", "chunked"))
    return headers


def _content_type(r: Request) -> str:
    return f"{r.content_type}; charset={r.charset}" if r.charset else r.content_type or ""


def _transformed(run: LuaRequest, name: str) -> str:
    if "_" in name and run.conf.lua_transform_underscores_in_response_headers:
        return name.replace("_", "-")
    return name


@calls
def get_response_header(run: LuaRequest, name: str) -> Any:
    key = _transformed(run, name).lower()
    r = run.r
    if key == "content-type":
        if not (r.content_type or r.header_sent or run.has_type):
            r.content_type = r.location.content_type_of(r.uri)
        return _content_type(r) if r.content_type else None
    values = [value for other, value in all_headers(r) if other.lower() == key]
    return tuple(values) if len(values) > 1 else values[0] if values else None


@calls
def set_response_header(run: LuaRequest, name: str, *values: str | None) -> None:
    """Without a value the header is removed."""
    r = run.r
    if r.header_sent and run.phase != "header_filter":
        run.log(Severity.ERR, "attempt to set ngx.header.HEADER after sending out response headers")
        return
    name = escaped_name(_transformed(run, name))
    texts = [escaped_value(value) for value in values if value is not None]
    key = name.lower()
    if key == "location":  # as it is: a path is not made a URL
        r.location_out = None
        r.clear_header("location")
        r.headers_out += [("Location", text) for text in texts[-1:]]
        return
    if key == "content-length" and texts and not (texts[-1].isascii() and texts[-1].isdigit()):
        raise LuaError(f'failed to set header "{name}"')
    if key == "content-type":
        r.charset, run.has_type = "", True
    one_only = key in BUILT_IN and key not in ("cache-control", "www-authenticate")
    put_response_header(r, name, "" if not texts else texts[-1] if one_only else texts[0])
    if not one_only:
        r.headers_out += [(name, text) for text in texts[1:]]


@calls
def add_response_header(run: LuaRequest, name: str, value: str) -> None:
    if run.r.header_sent and run.phase != "header_filter":
        raise LuaError("header sent")
    run.r.headers_out.append((escaped_name(_transformed(run, name)), escaped_value(value)))


# -- output ---------------------------------------------------------------------------------


@calls
def write(run: LuaRequest, text: str) -> Any:
    """Sends a part of the body; SLOWED: it is to be sent by the operation "send"."""
    r = run.r
    if r.header_only:
        if r.header_sent:
            return None, "header only"
        run.send_header()
        return SENT
    if run.eof:
        return None, "seen eof"
    if run.held is not None or run.buffers:
        if run.held is None:
            run.held = []
            r.status = r.status or 200
        run.held.append(text.encode("latin-1"))
        return SENT
    run.send_header()
    if not text:
        return SENT
    if r.rate or (r.inflates and len(text) > SMALL):
        return SLOWED
    r.write(text.encode("latin-1"))
    return PAUSED if r.sink.paused else SENT


@operations
async def send(run: LuaRequest, text: str) -> tuple[Any, ...]:
    await run.r.send(text.encode("latin-1"))
    return (1,)


@operations
async def drain(run: LuaServed) -> tuple[Any, ...]:
    return await run.drain()


@calls
def flush(run: LuaRequest) -> Any:
    if run.r.header_only and run.r.header_sent:
        return None, "header only"
    if run.eof:
        return None, "seen eof"
    if run.held is not None or run.buffers:
        return None, "buffering"
    if not run.r.header_sent:
        return None, "nothing to flush"
    run.r.sink.flush()
    return 1


@calls
def send_headers(run: LuaRequest) -> Any:
    if run.held is None and not run.buffers:
        run.send_header()
    return 1


@calls
def end_output(run: LuaRequest) -> Any:
    if run.eof:
        return None, "seen eof"
    run.end_output()
    return 1
