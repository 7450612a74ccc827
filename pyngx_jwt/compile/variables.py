"""Every variable that is named exists, used or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from ..conf.known import module_of_variable
from ..conf.parse import Statement
from ..conf.scan import scan
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.block import SessionBlock
from ..http.level import Level
from ..http.module import http_modules
from ..http.session_module import SessionModule
from ..http.template import Template
from ..http.variables import R, UnknownVariable, Variables, VariableTable
from ..stream.level import StreamLevel
from ..stream.module import stream_modules
from ..stream.session import StreamVariables
from ..upstream.address import Url
from .merging import walk

_USE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


def located(error: UnknownVariable, scope: Scope) -> ConfError:
    """The error with the first statement that uses the variable, and the module of nginx that has
    it."""
    module = module_of_variable(error.name)
    # A dialect of JWT has it in others.
    is_missing = module and "auth_jwt" not in module and not is_ours(error.name, scope)
    reason = f", one of {module} that pyngx does not have" if is_missing else ""
    located = ConfError(f"{error.args[0]}{reason}")
    options = scope.options
    for statement in scan(options.conf_file, options.conf_prefix, "", scope.files).statements:
        words = (statement.name, *statement.args)
        uses = (match for word in words for match in _USE.finditer(word))
        if any((match[1] or match[2]).lower() == error.name for match in uses):
            return located.at(statement.file, statement.line)
    return located.nowhere()


def is_ours(name: str, scope: Scope) -> bool:
    """Whether there is such a variable, in "http" or in "stream"."""
    return scope.shared(Variables).is_known(name) or scope.shared(StreamVariables).is_known(name)


def declare_variables(scope: Scope) -> None:
    """Makes the variables of all modules known."""
    _declare(scope.shared(Variables), http_modules(scope))
    _declare(scope.shared(StreamVariables), stream_modules(scope))


def _declare(variables: VariableTable[R], modules: Iterable[SessionModule[Any, R]]) -> None:
    for module in modules:
        variables.builtin.update(module.variables)
        variables.setters.update(module.setters)
        variables.changeable |= module.changeable
        variables.prefixes.update(module.prefixes)


def build_variables(outermost: SessionBlock) -> None:
    """Builds those that are used, and warns of circles."""
    outermost.scope.statement = None
    while True:
        try:
            outermost.variables.build_all()
            break
        except ConfError as error:
            outermost.scope.watch.failed(error, outermost)
    for circle in outermost.variables.circles:
        outermost.scope.statement = circle.statement
        outermost.scope.warn(circle.text)
    outermost.scope.statement = None


def check_variables(outermost: SessionBlock) -> None:
    """Every variable that is named exists, used or not (ngx_http_variables_init_vars)."""
    checked: set[int] = set()  # values that confs have in common are looked at once
    waiting = dict(outermost.confs)  # some values of theirs count in the blocks below only
    for level in walk(outermost):
        if level.own is None:
            confs = list(waiting.values())
        else:
            confs = [level.confs[kind] for kind in level.own]
            if level.outer is outermost:
                confs += [waiting.pop(kind) for kind in waiting.keys() - level.own]
        for conf in confs:
            for name, value in list(vars(conf).items()):
                if type(value) in _PLAIN or (level is outermost and name in conf.bound_below):
                    continue
                if id(value) not in checked:
                    checked.add(id(value))
                    for template in _templates(value):
                        _check_template(template, level)
    for thing in list(outermost.things):
        for template in _templates(vars(thing) if hasattr(thing, "__dict__") else ()):
            _check_template(template, outermost)


def _check_template(template: Template, level: SessionBlock) -> None:
    for name in template.names:
        if not name.startswith("$"):
            try:
                level.variables.resolve(name)
            except ConfError as error:
                level.scope.watch.failed(error, level)
                level.variables.defined[name.lower()] = lambda r: None


_PLAIN = frozenset(
    {str, int, float, bool, type(None), frozenset, Level, StreamLevel, Scope, Statement, Url}
)


def _templates(value: object) -> list[Template]:
    """The templates in a value of a conf, however deep in its tuples and records."""
    templates: list[Template] = []
    _collect(value, templates)
    return templates


def _collect(value: Any, templates: list[Template]) -> None:
    kind: Any = type(value)
    if kind is Template:
        templates.append(value)
        return
    for item in _items(value, kind):
        if type(item) not in _PLAIN:
            _collect(item, templates)


def _items(value: Any, kind: Any) -> Any:
    """What a value consists of."""
    if kind is tuple or isinstance(value, (tuple, list)):
        return value
    if isinstance(value, Mapping):
        return value.values()
    return [getattr(value, name) for name in _fields(kind)]


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    """The names of a record's fields that can have templates in them; () for what is no record."""
    if not is_dataclass(kind):
        return ()
    return tuple(x.name for x in fields(kind) if x.type not in ("str", "int", "bool", "float"))
