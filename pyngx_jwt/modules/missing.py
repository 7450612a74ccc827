"""What answers in the place of content handlers that nginx has and that are missing here.

A location with one of them answers 501: without it, it would hand out its files, sources of
programs among them.
"""

from __future__ import annotations

from ..conf.block import ConfBlock
from ..conf.directive import Conf, own
from ..conf.known import Class, class_of, declarations, declared_in, reason_of
from ..conf.parse import Statement
from ..errors import ConfError
from ..gateway.conf import gateway_of
from ..http.contexts import LIMIT_EXCEPT
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from ..log import Severity

CONSEQUENCES = {
    Class.HANDLER: ": requests that it would answer get a 501",
    Class.EFFECT: " and is ignored",
}


class MissingConf(Conf):
    _own: Statement | None = own(None)  # of one location, such as "fastcgi_pass"
    common: Statement | None = None  # given for inner levels too, such as "passenger_enabled"

    def note(self, statement: Statement) -> None:
        """Takes note of a directive that is missing here, if it would answer requests."""
        name, args = statement.name, statement.args
        if class_of(name) is not Class.HANDLER:
            return
        if not any(known.allows("http.server") for known in declarations(name)):
            self._own = statement
        else:
            self.common = statement if class_of(name, args) is Class.HANDLER else None

    def merge(self, outer: MissingConf) -> None:
        """ "limit_except" takes over what answers, if it does not pass requests on itself."""
        super().merge(outer)
        level = self.level
        if level.context & LIMIT_EXCEPT and self._own is None:
            self._own = None if gateway_of(level) else outer._own

    @property
    def is_inherited_whole(self) -> bool:
        return self._own is None


missing = Module("missing", MissingConf)


@missing.unknown
def leave_out(statement: Statement, level: ConfBlock) -> bool:
    """Goes on without a directive of nginx; raises ConfError if that may not be."""
    name, scope = statement.name, level.scope
    if not declarations(name):
        return False
    declared = declared_in(statement, level.context.path)
    kind = class_of(name, statement.args)
    level[MissingConf].note(statement)
    if kind is Class.TUNING:
        return True
    text = f'the "{name}" directive of {declared.module} is not supported'
    if kind is Class.GUARD:
        raise ConfError(f"{text} and is never ignored: {reason_of(name)}")
    if not scope.options.allow_unsupported:
        raise ConfError(f"{text} (remove it, or start with --allow-unsupported)")
    scope.statement = statement
    block = ", with all that is in its block" if statement.opens else ""
    scope.warn(f"{text}{CONSEQUENCES[kind]}{block}")
    return True


class UnsupportedHandler:
    """The handler of what a missing directive would answer."""

    __slots__ = ("statement",)

    def __init__(self, statement: Statement) -> None:
        self.statement = statement

    def __call__(self, r: Request) -> Status:
        statement = self.statement
        where = f"{statement.file}:{statement.line}"
        r.log(Severity.ERR, f'"{statement.name}" is not supported in {where}')
        return 501


@missing.upstream_content
def refuse(conf: MissingConf, level: Level) -> Handler | None:
    """In the place of a handler that leaves no room for others; most pass requests on."""
    return UnsupportedHandler(conf._own) if conf._own else None


@missing.handler(Phase.CONTENT)
def refuse_files(conf: MissingConf, level: Level) -> Handler | None:
    """In the place of one that comes before files, where nothing passes requests on."""
    return UnsupportedHandler(conf.common) if conf.common else None
