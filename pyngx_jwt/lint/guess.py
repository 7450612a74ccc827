"""What was perhaps meant."""

from __future__ import annotations

import re
from difflib import get_close_matches

from ..conf.directive import CONTEXT_NAMES, Directive
from ..conf.known import declarations, is_commercial, module_of, names
from ..conf.parse import Statement
from .analysis import Analysis
from .collect import Trouble

_UNKNOWN = re.compile(r'^unknown directive "(.*?)"', re.S)
_VARIABLE = re.compile(r'^unknown "(\w+)" variable')
_WORDS = re.compile(r"[A-Za-z0-9_]+\Z")


def hint_for(rule: str, message: str, trouble: Trouble, analysis: Analysis) -> str:
    """A sentence that helps to mend an error, "" if there is none."""
    if found := _UNKNOWN.match(message):
        return _other_directive(found[1], analysis)
    if found := _VARIABLE.match(message):
        return _other_variable(found[1], analysis)
    statement = trouble.statement
    if statement is None:
        return _syntax(message)
    if message.endswith("directive is not allowed here"):
        return _contexts(statement, analysis)
    if rule in ("wrong-arguments", "invalid-value"):
        return _shape(statement, analysis)
    return _syntax(message)


def _other_directive(name: str, analysis: Analysis) -> str:
    module = module_of(name)
    if module is not None:
        edition = " of NGINX Plus" if is_commercial(name) else ""
        return f"{name} belongs to {module}{edition}"
    if not _WORDS.match(name):
        return "a word with { or ; in it needs quotes" if re.search(r"[{}\d]", name) else ""
    known = names() | {d for m in analysis.scope.modules for d in m.conf.directives}
    close = get_close_matches(name, known, 1, 0.75)
    if not close:
        return "if it is of a module that nginx loads, pyngx does not have it"
    return f'did you mean "{close[0]}"?'


def _other_variable(name: str, analysis: Analysis) -> str:
    variables = analysis.root.variables
    known = [*variables.builtin, *variables.defined]
    close = [word for word in get_close_matches(name, known, 2, 0.75) if word != name]
    return f'did you mean "${close[0]}"?' if close else ""


def _directives(statement: Statement, analysis: Analysis) -> list[Directive]:
    tables = (module.conf.directives for module in analysis.scope.modules)
    return [table[statement.name] for table in tables if statement.name in table]


def _contexts(statement: Statement, analysis: Analysis) -> str:
    found = {
        name
        for directive in _directives(statement, analysis)
        for context, name in CONTEXT_NAMES.items()
        if context & directive.contexts
    }
    if not found:
        found = {c.rpartition(".")[2] for k in declarations(statement.name) for c in k.contexts}
    return f'"{statement.name}" belongs in: {", ".join(sorted(found))}' if found else ""


def _shape(statement: Statement, analysis: Analysis) -> str:
    found = _directives(statement, analysis)
    return f"its syntax is: {found[0].syntax}" if found else ""


def _syntax(message: str) -> str:
    if message.endswith('is not terminated by ";"'):
        return "a word with { in it needs quotes"
    if message == 'unexpected "}"':
        return 'perhaps a ";" is missing before it, or there is one "}" too many'
    if message.startswith("unexpected end of file"):
        return "a block or a quoted word is not closed"
    return ""
