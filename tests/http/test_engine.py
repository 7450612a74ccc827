"""The loop over the phases: a handler of any of them may wait, and the next one follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from pyngx_jwt.conf.directive import Conf
from pyngx_jwt.http.engine import begin, run
from pyngx_jwt.http.head import new_head
from pyngx_jwt.http.location import Tree
from pyngx_jwt.http.module import Module, Phase
from pyngx_jwt.http.request import DONE, Handler, Location, Request, Server, Status
from pyngx_jwt.modules.core import CoreConf


def request_at(server: list[Handler], rewrite: list[Handler], others: list[Handler]) -> Request:
    """A request for a server with one location, which has these handlers."""
    location, virtual = Location(), Server()
    location.name = "/"
    location.core = CoreConf(None)  # type: ignore[arg-type]
    location.rewrite, location.handlers = tuple(rewrite), tuple(others)
    location.subrequest_handlers = ()
    location.internal = location.exact = location.no_regex = location.auto_redirect = False
    location.limit_except = location.tree = location.log_tags = None
    virtual.rewrite = tuple(server)
    virtual.tree = Tree({}, {"/": location}, ())
    virtual.location = location
    nobody: Any = None
    head = new_head(0, "GET / HTTP/1.1")
    head.uri = "/"
    return Request(head, nobody, nobody, virtual)


def waits(handler: Handler) -> Handler:
    """The same after a turn of the loop."""

    async def wait(r: Request) -> Status | None:
        await asyncio.sleep(0)
        rc = handler(r)
        assert rc is None or isinstance(rc, int)
        return rc

    return wait


def serve(r: Request) -> None:
    async def serve_it() -> None:
        rest = begin(r)
        if rest is not None:
            await rest

    asyncio.run(serve_it())


@pytest.mark.parametrize("waiting", list(product((False, True), repeat=5)))
def test_handlers_run_in_their_order_whichever_waits(waiting: tuple[bool, ...]) -> None:
    seen: list[str] = []

    def says(name: str, rc: Status | None = None) -> Callable[[Request], Status | None]:
        def handle(r: Request) -> Status | None:
            seen.append(name)
            return rc

        return handle

    plain = (says("server"), says("rewrite"), says("rewrite too", 0), says("access"))
    handlers: list[Handler] = [*plain, says("content", DONE)]
    chosen = [waits(h) if wait else h for h, wait in zip(handlers, waiting, strict=True)]
    r = request_at(chosen[:1], chosen[1:3], [*chosen[3:], says("never")])
    serve(r)
    assert seen == ["server", "rewrite", "rewrite too", "access", "content"]


@pytest.mark.parametrize("waiting", [False, True])
def test_rewrites_are_run_again_for_another_uri(waiting: bool) -> None:
    seen: list[str] = []

    def rewrite(r: Request) -> Status | None:
        seen.append(r.uri)
        if r.uri == "/":
            r.uri, r.uri_changed = "/other", True
        return None

    def last(r: Request) -> Status | None:
        seen.append("last")
        return None

    def answer(r: Request) -> Status:
        seen.append("answer")
        return DONE

    first = waits(rewrite) if waiting else rewrite
    serve(request_at([], [first, last], [answer]))
    assert seen == ["/", "last", "/other", "last", "answer"]


def test_nothing_that_does_not_wait_takes_a_coroutine() -> None:
    def rewrite(r: Request) -> Status | None:
        r.uri_changed = r.uri == "/"
        r.uri = "/other"
        return None

    assert begin(request_at([rewrite], [rewrite], [lambda r: DONE])) is None


def test_what_was_begun_elsewhere_is_served_from_its_outcome() -> None:
    r = request_at([], [], [])

    async def found() -> Status:
        return DONE

    asyncio.run(run(r, found()))


def test_several_handlers_of_a_module_stand_in_one_phase() -> None:
    module = Module("twice", Conf)

    @module.handler(Phase.ACCESS)
    def first(conf: Conf, level: Any) -> Handler | None:
        return None

    @module.handler(Phase.ACCESS)
    def second(conf: Conf, level: Any) -> Handler | None:
        return None

    assert module.handlers == {Phase.ACCESS: (first, second)}


def build(conf: Conf, level: Any) -> None:
    """Of a module that has nothing to do."""


REGISTERED: dict[str, Callable[[Module[Conf]], Any]] = {
    "content": lambda module: module.content(build),
    "header filter": lambda module: module.header_filter(build),
    "log": lambda module: module.log(build),
    "settles": lambda module: module.settles(build),
}


@pytest.mark.parametrize("what", REGISTERED)
def test_a_second_one_does_not_replace_the_first(what: str) -> None:
    module = Module("twice", Conf)
    REGISTERED[what](module)
    with pytest.raises(TypeError, match="twice"):
        REGISTERED[what](module)
