"""Subrequests whose responses code gets ("ngx.location.capture")."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ...http.body import KeptBody
from ...http.request import Request
from ...http.status import CLOSE
from ...http.subrequest import Kept, subrequest
from ...http.uri import parse_unsafe_uri
from .calls import Calls, LuaError, Operations
from .responses import all_headers
from .state import KEY, LuaRequest

calls = Calls()
operations = Operations()

LIMIT = 1 << 30  # bytes of a response
WITHOUT_BODY = frozenset({"content-length", "transfer-encoding"})
WITH_BODIES = frozenset({"PUT", "POST"})


@dataclass(slots=True)
class Plan:
    """One subrequest that is about to be made."""

    uri: str
    args: str
    method: str
    body: KeptBody | None
    passed: frozenset[str] | None
    variables: dict[str, str]
    ctx: Any


@calls
def new_plans() -> list[Plan]:
    return []


@calls
def plan_capture(
    run: LuaRequest,
    plans: list[Plan],
    uri: str,
    args: str | None,
    method: str,
    body: str | None,
    ctx: Any,
    sharing: str,
    forwards: bool,
    *pairs: str,
) -> None:
    """Takes on one of the subrequests that the operation "capture" makes."""
    r = run.r
    parts = parse_unsafe_uri(uri)
    if parts is None:
        raise LuaError("unsafe uri in argument #1: " + uri)
    joined = "&".join(part for part in (parts[1], args) if part)
    variables = r.variables if sharing == "share" else dict(r.variables if sharing else ())
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if run.conf.level.variables.setter(name) is None:
            raise LuaError(
                f'variable "{name}" cannot be assigned a value (maybe you forgot to define it'
                " first?)"
            )
        variables[name.lower()] = value
    kept, passed = _body_of(r, method, body, forwards)
    plans.append(Plan(parts[0], joined, method, kept, passed, variables, ctx))


def _body_of(
    r: Request, method: str, body: str | None, forwards: bool
) -> tuple[KeptBody, frozenset[str] | None]:
    """The body, and which headers go with it."""
    names = frozenset(name.lower() for name, _ in r.headers_in) - WITHOUT_BODY
    if body is not None:
        data = body.encode("latin-1")
        return KeptBody(data, length=len(data)), names
    present = r.main.body
    if isinstance(present, KeptBody) and (forwards or method in WITH_BODIES):
        return present, names
    return KeptBody(), names


@operations
async def capture(run: LuaRequest, plans: list[Plan]) -> tuple[Any, ...]:
    """Of each subrequest: headers, status, body, and whether it was cut off."""
    if len(plans) == 1:
        made = [await _made(run, plans[0])]
    else:
        made = await asyncio.gather(*(_made(run, plan) for plan in plans))
    if run.shared is None:
        raise ConnectionResetError
    return tuple(value for sub in made for value in _told(run, sub))


async def _made(run: LuaRequest, plan: Plan) -> Request:
    def prepare(sub: Request) -> None:
        if plan.ctx is not None:
            inner = LuaRequest(run.machine, sub)
            inner.shared.ctx = plan.ctx
            sub.contexts[KEY] = inner
            run.r.main.cleanups += (inner.close,)

    sub = await subrequest(
        run.r,
        plan.uri,
        plan.args,
        limit=LIMIT,
        method=plan.method,
        body=plan.body,
        header_only=plan.method == "HEAD",
        passed=plan.passed,
        variables=plan.variables,
        prepare=prepare,
    )
    inner = sub.contexts.get(KEY)
    if isinstance(inner, LuaRequest):
        inner.close()
    return sub


def _told(run: LuaRequest, sub: Request) -> tuple[Any, ...]:
    flat = [text for header in all_headers(sub) for text in header]
    kept = sub.sink
    body, whole = (kept.body, kept.complete) if isinstance(kept, Kept) else (b"", False)
    status = sub.status or 500
    if status == CLOSE:
        status, whole = 500, False
    elif "special" in sub.contexts:
        body = b""  # the page for a status is not asked for
    return run.machine.table(flat), status, body, not whole
