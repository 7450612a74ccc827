"""Runs a request through its phases, and turns statuses into pages."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Coroutine, Iterator
from typing import Any, Final, Protocol, cast

from ..log import Severity
from .browser import is_chrome, is_msie
from .client import BodyError
from .failure import RequestFailed, Unavailable
from .location import Tree
from .request import AnswerTooBig, Handler, HeaderRefused, Request, Status
from .session import Session
from .status import CLIENT_CLOSED, CLOSE, DONE, NAMED, OK, REDIRECT, REDIRECTS, page
from .template import Text
from .uri import escape_refresh

# Where a request stands: among the handlers of its server, of its location's rewrite phase, or
# of the location's other phases.
SERVER: Final = 0
REWRITE: Final = 1
HANDLERS: Final = 2
_REFRESH = (
    '<html><head><meta http-equiv="Refresh" content="0; URL={}"></head><body></body></html>\r\n'
)
Outcome = Awaitable[Status | None] | Status


class ErrorPage(Protocol):
    """One code of an error_page directive, bound."""

    overwrite: int  # -1: keep the code; 0: take the answer's own
    uri: Text
    constant_args: str | None


def begin(r: Request) -> Coroutine[Any, Any, None] | None:
    """Serves a request as far as nothing waits, without so much as a coroutine.

    None if that was all of it; otherwise the rest, to be awaited.  Nothing escapes."""
    try:
        if r.server.rewrite:
            rc = _enter(r, REDIRECT)
        else:  # as nearly always
            rc = find_location(r) or _advance(r, REWRITE, iter(r.location.rewrite))
        return None if rc == DONE and not r.background else run(r, rc)
    except Exception as error:
        return _recover(r, error)


async def run(r: Request, rc: Outcome = REDIRECT) -> None:
    """Serves a request to its end; nothing escapes but cancellation.

    `rc` is the outcome of the phases so far."""
    try:
        await _complete(r, rc)
    except Exception as error:
        await _recover(r, error)
    else:
        await _wait_for_background(r)


async def _recover(r: Request, error: Exception) -> None:
    """Answers after an exception; the answer may have parts in the background, too."""
    await _failed(r, error)
    await _wait_for_background(r)


async def _wait_for_background(r: Request) -> None:
    try:
        if r.background:
            if r.postponed is not None:
                await r.postponed.finish()
            r.ignore_abort = True  # the client has all of the answer
            await asyncio.gather(*r.background)
    except Exception as error:
        await _failed(r, error)


async def _complete(r: Request, rc: Outcome) -> None:
    """Waits, enters phases again or sends a page, whatever the outcome, until all is answered."""
    while rc != DONE:
        if not isinstance(rc, int):
            rc = await rc or _advance(r, r.stage, r.rest)
        elif rc in (REDIRECT, NAMED):
            rc = _enter(r, rc)
        else:
            rc = await finalize(r, rc)


def _enter(r: Request, rc: Status) -> Outcome:
    """Begins with the server's phases, or with those of the location that was named."""
    if rc == REDIRECT:
        return _advance(r, SERVER, iter(r.server.rewrite))
    return _advance(r, REWRITE, iter(() if r.uri_changed else r.location.rewrite))


def _advance(r: Request, stage: int, rest: Iterator[Handler]) -> Outcome:
    """Runs the rest of the handlers, and those after them, up to the first that has an opinion
    or waits; where it waits, the request remembers what is left."""
    while True:
        for handler in rest:
            rc = handler(r)
            if rc:
                if type(rc) is not int:
                    r.stage, r.rest = stage, rest
                return rc
        if stage == REWRITE and not r.uri_changed:
            stage, location = HANDLERS, r.location
            rest = iter(location.handlers if r.parent is None else location.subrequest_handlers)
        elif stage == HANDLERS:
            return _nothing_found(r)
        else:
            rc = find_location(r) if stage == SERVER else _find_again(r)
            if rc is not None:
                return rc
            stage, rest = REWRITE, iter(r.location.rewrite)


async def _failed(r: Request, error: Exception) -> None:
    """The one place where exceptions become answers."""
    if isinstance(error, (BodyError, HeaderRefused)):
        await _refuse(r, error)
    elif isinstance(error, RequestFailed):
        await answer(r, 503 if isinstance(error, Unavailable) else 500)
    elif isinstance(error, (ConnectionResetError, AnswerTooBig)):
        r.sink.abort()
    else:
        log_failure(r, error)
        await answer(r, 500)


async def _refuse(r: Request, error: BodyError | HeaderRefused) -> None:
    if isinstance(error, BodyError):  # what came of it goes nowhere
        r.main.discards_body = True
    await answer(r, error.status)


def log_request(r: Request) -> None:
    """Runs the log handlers; one that fails costs its own line only."""
    r.logged = True
    for log in r.location.log_handlers:
        try:
            log(r)
        except Exception as error:
            log_failure(r, error)


def finish_subrequest(sub: Request) -> None:
    """Logs a subrequest if that is wanted, and counts it."""
    if sub.location.core.log_subrequest:
        log_request(sub)
        return
    for count in sub.location.tallies:
        count(sub)


def log_failure(r: Session, error: Exception) -> None:
    """A bug: what it was doing in one line, then how it came to it."""
    r.log(Severity.ERR, f"unexpected error: {error!r}")
    trace = "".join(traceback.format_exception(error)).rstrip("\n")
    r.error_log.write(Severity.ERR, trace, r.connection.number, lines=True)


def conclude(r: Request) -> None:
    """What follows the last byte of an answer: logs, and lets go of what the request held."""
    log_request(r)
    for clean in r.cleanups:
        clean()
    if r.body is not None:
        r.body.close()


async def answer(r: Request, status: Status) -> None:
    """Answers outside the phases; a response that has begun can only be cut."""
    if r.header_sent or status == CLOSE:
        r.sink.abort()
        return
    try:
        await _complete(r, status)
    except (BodyError, HeaderRefused) as error:
        await _refuse(r, error)
    except RequestFailed:
        if status == 500:  # the error page itself cannot be made
            r.sink.abort()
        else:
            await answer(r, 500)
    except AnswerTooBig:
        r.sink.abort()
    except Exception as error:
        log_failure(r, error)
        r.sink.abort()


def _find_again(r: Request) -> Status | None:
    """A rewrite changed the URI: another location may serve it."""
    r.uri_changed = False
    r.uri_changes -= 1
    if r.uri_changes == 0:
        r.log(Severity.ERR, f'rewrite or internal redirection cycle while processing "{r.uri}"')
        return 500
    r.location = r.server.location
    return find_location(r)


def _nothing_found(r: Request) -> Status:
    if r.uri.endswith("/"):
        root = r.location.path_of(r)
        r.log(Severity.ERR, f'directory index of "{root}" is forbidden')
        return 403
    return 404


def find_location(r: Request) -> Status | None:
    """ngx_http_core_find_config_phase: None when r.location may go on."""
    if r.uri_changed:
        r.uri_changed = False
    tree = cast(Tree | None, r.server.tree)  # all that there are
    rc = tree.find(r, r.uri) if tree is not None else None
    location = r.location
    if location.internal and not r.internal:
        return 404
    if location.limit_except is not None and r.method not in location.limit_except[0]:
        location = r.location = location.limit_except[1]
    length = r.content_length_in
    if length > 0 and r.parent is None and r.body is None and not r.discards_body:
        limit = location.core.client_max_body_size
        if length > limit > 0:
            r.log(Severity.ERR, f"client intended to send too large body: {length} bytes")
            r.expect_continue, r.discards_body = False, True
            return 413
    if rc == DONE:
        r.location_out = location.core.escaped_name + (f"?{r.args}" if r.args else "")
        return 301
    return None


async def finalize(r: Request, status: Status) -> Status:
    """ngx_http_special_response_handler: an error page, a redirect or the built-in page."""
    if status in (CLOSE, CLIENT_CLOSED, 408) or r.header_sent:
        r.status = r.status or status
        r.sink.abort()
        return DONE
    if status == OK:
        status = 200
    r.begin_page(status)
    r.contexts["special"] = True
    if status in (400, 413, 414, 495, 496, 497, 500, 501):
        r.keep_alive = False
    r.content_type = None
    core = r.location.core
    pages = r.location.error_pages
    if pages and not r.error_page_used and r.uri_changes != 0:
        error_page = pages.get(status)
        if error_page is not None:
            r.error_page_used = not core.recursive_error_pages
            return await _send_error_page(r, error_page)
    return await _send_page(r, status)


async def _send_error_page(r: Request, error_page: ErrorPage) -> Status:
    if error_page.overwrite not in (0, 200):
        r.expect_continue = False
    if error_page.overwrite >= 0:
        r.err_status = error_page.overwrite
    uri = error_page.uri(r)
    if uri.startswith("/"):
        args = error_page.constant_args
        if args is None:
            uri, _, args = uri.partition("?")
        if r.method != "HEAD":
            r.method = "GET"
        return r.redirect(uri, args)
    if uri.startswith("@"):
        return r.go_named(uri)
    r.location_out = uri
    if r.err_status not in REDIRECTS:
        r.err_status = 302
    return await _send_page(r, r.err_status)


async def _send_page(r: Request, status: Status) -> Status:
    r.expect_continue = False
    core = r.location.core
    if core.msie_refresh and status in (301, 302) and is_msie(r.index.get("user-agent", "")):
        return _send_refresh(r)
    body = page(status, core.signature, padding=core.msie_padding and _needs_padding(r))
    r.clear_validators()
    r.content_length = len(body)
    if body:
        r.content_type = "text/html"
    if 494 <= status <= 497 and r.err_status == status:
        r.err_status = 400
    rc = r.send_whole(body)
    return rc if isinstance(rc, int) else await rc


def _send_refresh(r: Request) -> Status:
    """A page that sends the browser elsewhere, for those that lose the fragment of a redirect."""
    target, r.location_out = r.location_out or "", None
    text = _REFRESH.format(escape_refresh(target))
    r.clear_validators()
    r.err_status = 0
    return r.respond(200, text.encode("latin-1"), "text/html")


def _needs_padding(r: Request) -> bool:
    agent = r.index.get("user-agent", "")
    return r.http_version >= 1000 and (is_msie(agent) or is_chrome(agent))
