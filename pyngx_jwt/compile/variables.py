"""Every variable that is named exists, used or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from ..conf.known import module_of_variable
from ..conf.parse import Statement
from ..conf.scan import scan
from ..conf.scope import Scope
from ..errors import ConfError
from ..http.level import Level
from ..http.module import http_modules
from ..http.template import Template
from ..http.variables import UnknownVariable, Variables
from .merging import walk

_USE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


def located(error: UnknownVariable, scope: Scope) -> ConfError:
    """The error with the first statement that uses the variable, and the module of nginx that has
    it."""
    module = module_of_variable(error.name)
    is_missing = module and "auth_jwt" not in module  # which has it in other dialects
    reason = f", one of {module} that pyngx does not have" if is_missing else ""
    located = ConfError(f"{error.args[0]}{reason}")
    options = scope.options
    for statement in scan(options.conf_file, options.conf_prefix, "", scope.files).statements:
        words = (statement.name, *statement.args)
        uses = (match for word in words for match in _USE.finditer(word))
        if any((match[1] or match[2]).lower() == error.name for match in uses):
            return located.at(statement.file, statement.line)
    return located.nowhere()


def declare_variables(scope: Scope) -> None:
    """Makes the variables of all modules known."""
    variables = scope.shared(Variables)
    for module in http_modules(scope):
        variables.builtin.update(module.variables)
        variables.setters.update(module.setters)
        variables.changeable |= module.changeable
        variables.prefixes.update(module.prefixes)


def build_variables(http: Level) -> None:
    """Builds those that are used, and warns of circles."""
    http.scope.statement = None
    while True:
        try:
            http.variables.build_all()
            break
        except ConfError as error:
            http.scope.watch.failed(error, http)
    for circle in http.variables.circles:
        http.scope.statement = circle.statement
        http.scope.warn(circle.text)
    http.scope.statement = None


def check_variables(http: Level) -> None:
    """Every variable that is named exists, used or not (ngx_http_variables_init_vars)."""
    checked: set[int] = set()  # values and confs of outer levels are looked at once
    for level in walk(http):
        is_outer = level is http or level.outer is http  # where values can be "bound below"
        for conf in level.confs.values() if is_outer else level.own:
            if id(conf) in checked:
                continue
            if level is not http:
                checked.add(id(conf))
            for name, value in list(vars(conf).items()):
                if type(value) in _PLAIN or (level is http and name in conf.bound_below):
                    continue
                if id(value) not in checked:
                    checked.add(id(value))
                    for template in _templates(value):
                        _check_template(template, level)
    for thing in list(http.scope.things.values()):
        for template in _templates(vars(thing) if hasattr(thing, "__dict__") else ()):
            _check_template(template, http)


def _check_template(template: Template, level: Level) -> None:
    for name in template.names:
        if not name.startswith("$"):
            try:
                level.variables.resolve(name)
            except ConfError as error:
                level.scope.watch.failed(error, level)
                level.variables.defined[name.lower()] = lambda r: None


_PLAIN = frozenset({str, int, float, bool, type(None), frozenset, Level, Scope, Statement})


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
    """The names of a record's fields; () for what is not a record."""
    return tuple(x.name for x in fields(kind)) if is_dataclass(kind) else ()
