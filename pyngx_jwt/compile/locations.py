"""Servers and locations: what is left of their configuration for requests to meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from ..core.logs import Logs
from ..core.main import MainConf
from ..errors import ConfError
from ..gateway.conf import GatewayConf
from ..http.auth_delay import delayed
from ..http.conditions import may_follow_another, refuse_if_lost
from ..http.contexts import CONDITIONS, IN_LOCATION, LIMIT_EXCEPT, LOCATION, LOCATION_IF
from ..http.level import Level
from ..http.location import Tree
from ..http.module import AnyModule, Phase, http_modules
from ..http.regex import Regex
from ..http.request import Handler, HeaderFilter, Location, Request, Server
from ..http.satisfy import satisfy_any
from ..http.settle import noted, settled
from ..modules.core import CoreConf, compile_core
from .plans import Builders, Builds, Path, Plans, step_of

B = TypeVar("B")


def compile_server(level: Level, plans: Plans) -> Server:
    """A server with its locations."""
    server = Server()
    server.core = level[CoreConf]
    server.name = server.core.server_name_value
    server.named = {}
    server.location = compile_location(level, plans, ())
    builders = plans.of((step_of(level),))
    post_read = _Building(level, builders).handlers(Phase.POST_READ)
    server.rewrite = (*post_read, *server.location.rewrite)
    server.location.rewrite = ()
    server.tree = server.location.tree
    for inner in level.inner(LOCATION):
        conf = inner[CoreConf]
        if conf.is_named and inner.location:
            server.named[conf.name] = inner.location
    return server


def compile_location(level: Level, plans: Plans, around: Path) -> Location:
    """Keeps only what this level's configuration calls for, inner levels first."""
    location = level.location = Location()
    path = (step_of(level), *around)
    for inner in level.levels:
        compile_location(inner, plans, path)
    location.level = level
    try:
        compile_core(level, location)
        location.log = level.scope.shared(Logs).of(level[MainConf])
    except ConfError as error:
        level.scope.watch.failed(error, level)
    uses, builders = level.variables, plans.of(path)
    build = _Building(level, builders)
    location.rewrite = ()
    if not level.context & LOCATION_IF:
        location.rewrite = build.handlers(Phase.REWRITE)
    at_first = uses.unsettled_uses
    before = build.handlers(Phase.PREACCESS)
    early = uses.unsettled_uses > at_first
    access = satisfying(build.handlers(Phase.ACCESS), level)
    if delay := level[CoreConf].auth_delay:
        access = tuple(delayed(handler, delay) for handler in access)
    at_access = uses.unsettled_uses
    content = build.content(location)
    after = (*build.handlers(Phase.PRECONTENT), *content)
    at_end = uses.unsettled_uses
    location.header_filters = build.filters(builders.header_filters)
    location.validating_filters = build.filters(builders.validations)
    if opening := build.filters(builders.openings):
        _open(location, opening)
    location.range_filters = build.filters(builders.ranges)
    location.tallies = build.all(builders.counts)
    location.log_handlers = (*build.all(builders.logs), *location.tallies)
    location.tells_late = uses.unsettled_uses > at_end
    location.handlers = (*before, *access, *after)
    location.subrequest_handlers = (*before, *after)
    settles = build.all(builders.settles)  # at most one module has such
    location.settle = settles[0] if settles else None
    if location.settle is not None:
        late = uses.unsettled_uses > at_access
        _settle_early(level, location, preaccess=early, content=late)
    location.limit_except, location.tree = None, None
    if level.levels:
        limits = level.inner(LIMIT_EXCEPT)
        if limits and limits[-1].location:
            location.limit_except = (limits[-1][CoreConf].methods, limits[-1].location)
        location.tree = build_tree(level)
    return location


def _settle_early(level: Level, location: Location, *, preaccess: bool, content: bool) -> None:
    """Puts that in front of what uses such variables though the access phase, which settles
    them, has not been: it comes later, or not at all as a "return" has answered, or in
    subrequests.  In the rewrite phase each operation sees to itself."""
    inner = [level, *level.inner(CONDITIONS)]
    if _may_answer(level) and any(at.location and at.location.tells_late for at in inner):
        location.rewrite = (noted, *location.rewrite)
    if preaccess:
        location.handlers = (settled, *location.handlers)
    if preaccess or content:
        location.subrequest_handlers = (settled, *location.subrequest_handlers)


def _open(location: Location, opening: tuple[HeaderFilter, ...]) -> None:
    """Puts filters before all others, those that validate included."""
    validating, location.validating_filters = location.validating_filters, ()

    def filter_header(r: Request) -> None:
        for header_filter in opening:
            header_filter(r)
        if not r.disable_not_modified:
            for header_filter in validating:
                header_filter(r)

    location.header_filters = (filter_header, *location.header_filters)


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


class _Building:
    """Has modules build for a level."""

    def __init__(self, level: Level, builders: Builders) -> None:
        self.level, self.builders = level, builders

    def handlers(self, phase: Phase) -> tuple[Handler, ...]:
        """The handlers of a phase."""
        builds = self.builders.handlers[phase]
        if not builds:
            return ()
        level = self.level
        built = level.scope.watch.built
        named = level.handlers[phase] = [
            (module.name, built(handler, level, module.name, phase))
            for module, handler in self._each(level, builds)
        ]
        return tuple([handler for _, handler in named])

    def all(self, builds: Builds[B]) -> tuple[B, ...]:
        """What is built by these."""
        return tuple([built for _, built in self._each(self.level, builds)]) if builds else ()

    def filters(self, builds: Builds[B]) -> tuple[B, ...]:
        """What is built by these, which is noted."""
        if not builds:
            return ()
        built = list(self._each(self.level, builds))
        self.level.filters += tuple([module.name for module, _ in built])
        return tuple([one for _, one in built])

    def content(self, location: Location) -> tuple[Handler, ...]:
        """The handlers of the content phase."""
        level, contents = self.level, self.builders.contents
        content = next(self._each(level, contents), None)
        location.content_is_own = content is not None and _is_own(content[0], level)
        if content is None and level.context & IN_LOCATION and level.outer:
            # What answers is not changed by the block alone.
            content = next(self._each(level.outer, contents), None)
            if content and level.context & LIMIT_EXCEPT:
                content = content if content[0].answers_in_limit_except else None
        location.auto_redirect, location.forwards, location.content = False, "", None
        may_lose = may_follow_another(level) and not location.content_is_own
        earlier: tuple[Handler, ...] = (refuse_if_lost,) if may_lose else ()
        if content is None:
            return (*earlier, *self.handlers(Phase.CONTENT))
        module, handler = content
        handler = level.scope.watch.built(handler, level, module.name, Phase.CONTENT)
        level.handlers[Phase.CONTENT] = [(module.name, handler)]
        conf = level[module.conf]
        location.forwards = module.name if isinstance(conf, GatewayConf) else ""
        adds_slash = conf.adds_slash if isinstance(conf, GatewayConf) else module.adds_slash
        location.auto_redirect = adds_slash and location.name.endswith("/")
        location.content = handler
        return (*earlier, handler)

    def _each(self, given: Level, builds: Builds[B]) -> Iterator[tuple[AnyModule, B]]:
        """What is built for the level, of what modules are configured to do on `given`."""
        level = self.level
        for builder in builds:
            try:
                built = self.builders.build(builder, given[builder.kind], level)
            except level.scope.watch.caught as error:
                level.scope.watch.failed(error, level)
            else:
                if built is not None:
                    yield builder.module, built


def _is_own(module: AnyModule, level: Level) -> bool:
    """Whether the level itself says that the module answers: where to requests are passed on is
    a setting that "if" and "limit_except" blocks get from the location around them."""
    return level.passes is not None or not isinstance(level[module.conf], GatewayConf)


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
