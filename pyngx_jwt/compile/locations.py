"""Servers and locations: what is left of their configuration for requests to meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..conf.directive import Conf
from ..core.logs import Logs
from ..core.main import MainConf
from ..errors import ConfError
from ..gateway.conf import GatewayConf
from ..http.auth_delay import delayed
from ..http.contexts import LIMIT_EXCEPT, LOCATION, LOCATION_IF, SERVER_IF
from ..http.level import Level
from ..http.location import Tree
from ..http.module import AnyModule, BuildFilter, Phase, http_modules
from ..http.regex import Regex
from ..http.request import Handler, HeaderFilter, Location, Server, Settle
from ..http.satisfy import satisfy_any
from ..http.settle import noted, settled
from ..modules.core import CoreConf, compile_core

B = TypeVar("B")
C = TypeVar("C", bound=Conf)


def compile_server(level: Level) -> Server:
    """A server with its locations."""
    server = Server()
    server.core = level[CoreConf]
    server.name = server.core.server_name_value
    server.named = {}
    server.location = compile_location(level)
    server.rewrite = server.location.rewrite
    post_read = _handlers(level, Phase.POST_READ)
    server.rewrite = (*post_read, *server.location.rewrite)
    server.location.rewrite = ()
    server.tree = server.location.tree
    for inner in level.inner(LOCATION):
        conf = inner[CoreConf]
        if conf.is_named and inner.location:
            server.named[conf.name] = inner.location
    return server


def compile_location(level: Level) -> Location:
    """Keeps only what this level's configuration calls for, inner levels first."""
    location = level.location = Location()
    for inner in level.levels:
        compile_location(inner)
    location.conf = level.__getitem__
    try:
        compile_core(level, location)
        location.log = level.scope.shared(Logs).of(level[MainConf])
    except ConfError as error:
        level.scope.watch.failed(error, level)
    uses = level.variables
    location.rewrite = () if level.context & LOCATION_IF else _handlers(level, Phase.REWRITE)
    at_first = uses.unsettled_uses
    before = _handlers(level, Phase.PREACCESS)
    early = uses.unsettled_uses > at_first
    access = satisfying(_handlers(level, Phase.ACCESS), level)
    if delay := level[CoreConf].auth_delay:
        access = tuple(delayed(handler, delay) for handler in access)
    at_access = uses.unsettled_uses
    after = (*_handlers(level, Phase.PRECONTENT), *_content(level, location))
    at_end = uses.unsettled_uses
    location.header_filters = _filters(level, lambda module: module.header_filter_builder)
    location.validating_filters = _filters(level, lambda module: module.validation_builder)
    location.range_filters = _filters(level, lambda module: module.ranges_builder)
    location.log_handlers = tuple(
        built
        for module in reversed(http_modules(level.scope))
        if module.log_builder and (built := _built(module.log_builder, level[module.conf], level))
    )
    location.tells_late = uses.unsettled_uses > at_end
    location.handlers = (*before, *access, *after)
    location.subrequest_handlers = (*before, *after)
    location.settle = _settle(level)
    if location.settle is not None:
        late = uses.unsettled_uses > at_access
        _settle_early(level, location, preaccess=early, content=late)
    limits = [inner for inner in level.levels if inner.context & LIMIT_EXCEPT]
    location.limit_except = None
    if limits and limits[-1].location:
        location.limit_except = (limits[-1][CoreConf].methods, limits[-1].location)
    location.tree = build_tree(level)
    return location


def _settle(level: Level) -> Settle | None:
    """Finds the values of unsettled variables early; at most one module has such."""
    built = (
        _built(module.settle_builder, level[module.conf], level)
        for module in http_modules(level.scope)
        if module.settle_builder
    )
    return next((settle for settle in built if settle is not None), None)


def _settle_early(level: Level, location: Location, *, preaccess: bool, content: bool) -> None:
    """Puts that in front of what uses such variables though the access phase, which settles
    them, has not been: it comes later, or not at all as a "return" has answered, or in
    subrequests.  In the rewrite phase each operation sees to itself."""
    inner = [level, *level.inner(LOCATION_IF | SERVER_IF)]
    if _may_answer(level) and any(at.location and at.location.tells_late for at in inner):
        location.rewrite = (noted, *location.rewrite)
    if preaccess:
        location.handlers = (settled, *location.handlers)
    if preaccess or content:
        location.subrequest_handlers = (settled, *location.subrequest_handlers)


def _may_answer(level: Level) -> bool:
    """Whether a rewrite handler of the level can end a request."""
    return any(
        may_answer(level[module.conf], level)
        for module in http_modules(level.scope)
        for may_answer in module.may_answer
    )


def satisfying(access: tuple[Handler, ...], level: Level) -> tuple[Handler, ...]:
    """The handlers of the access phase, as one if one permission is enough."""
    any_is_enough = access and level[CoreConf].satisfy == "any"
    return (satisfy_any(access),) if any_is_enough else access


def _filters(
    level: Level, builder_of: Callable[[AnyModule], BuildFilter[Any] | None]
) -> tuple[HeaderFilter, ...]:
    builders = ((module, builder_of(module)) for module in reversed(http_modules(level.scope)))
    return tuple(
        built
        for module, build in builders
        if build is not None and (built := _built(build, level[module.conf], level))
    )


def _handlers(level: Level, phase: Phase) -> tuple[Handler, ...]:
    named = level.handlers[phase] = [
        (module.name, level.scope.watch.built(handler, level, module.name, phase))
        for module in reversed(http_modules(level.scope))
        for build in module.handlers.get(phase, ())
        if (handler := _built(build, level[module.conf], level))
    ]
    return tuple(handler for _, handler in named)


def _built(build: Callable[[C, Level], B | None], conf: C, level: Level) -> B | None:
    """What a builder makes of a level, None if it fails."""
    watch = level.scope.watch
    try:
        return build(conf, level)
    except watch.caught as error:
        watch.failed(error, level)
        return None


def _content(level: Level, location: Location) -> tuple[Handler, ...]:
    content = _exclusive(level, level)
    if content is None and level.context & LOCATION_IF and level.outer:
        content = _exclusive(level.outer, level)  # what answers is not changed by "if" alone
    location.auto_redirect = False
    if content is None:
        return _handlers(level, Phase.CONTENT)
    module, handler = content
    handler = level.scope.watch.built(handler, level, module.name, Phase.CONTENT)
    level.handlers[Phase.CONTENT] = [(module.name, handler)]
    conf = level[module.conf]
    adds_slash = conf.adds_slash if isinstance(conf, GatewayConf) else module.adds_slash
    location.auto_redirect = adds_slash and location.name.endswith("/")
    return (handler,)


def _exclusive(given: Level, level: Level) -> tuple[AnyModule, Handler] | None:
    """The content handler that `given` has and that leaves no room for others, for `level`."""
    for module in reversed(http_modules(level.scope)):
        build = module.exclusive_content
        if build and (handler := _built(build, given[module.conf], level)):
            return module, handler
    return None


def build_tree(level: Level) -> Tree | None:
    """The locations of a level, None if there are none."""
    exact: dict[str, Location] = {}
    prefixes: dict[str, Location] = {}
    regexes: list[tuple[Regex, Location]] = []
    for inner in level.inner(LOCATION):
        conf, location = inner[CoreConf], inner.location
        assert location is not None
        if conf.regex:
            regexes.append((conf.regex, location))
        elif conf.modifier == "=":
            exact[conf.name] = location
        elif not conf.is_named:
            prefixes[conf.name] = location
    if not (exact or prefixes or regexes):
        return None
    return Tree(exact, prefixes, tuple(regexes))
