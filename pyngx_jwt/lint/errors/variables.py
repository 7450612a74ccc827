"""Unknown variables that are not mistakes: those of directives that pyngx does not run."""

from __future__ import annotations

import re

from ...compile.variables import is_ours
from ...conf.known import module_of_variable
from ..read.analysis import Analysis
from ..read.collect import Trouble

_UNKNOWN = re.compile(r'^unknown "(\w+)" variable')
_LUA = re.compile(r"set_by_lua\w*\s+\$(\w+)")


def not_here(message: str, analysis: Analysis) -> str:
    """What to say in the place of an error about a variable that nginx has; "" if it has not, or
    if it is of another server, as $uri is in "stream"."""
    match = _UNKNOWN.match(message)
    module = module_of_variable(match[1].lower()) if match else ""
    if match is None or not module or is_ours(match[1], analysis.root.scope):
        return ""
    return f'pyngx does not support the variable "${match[1]}" ({module})'


def is_defined_elsewhere(trouble: Trouble, analysis: Analysis) -> bool:
    """Whether an unknown variable is one that a directive which is not run defines."""
    match = _UNKNOWN.match(str(trouble.error.args[0]))
    return match is not None and match[1].lower() in _defined(analysis)


def _defined(analysis: Analysis) -> set[str]:
    """Names that statements which are not run mention, their blocks included."""
    words = (
        word
        for statement in analysis.collector.foreign_statements
        for word in (statement.name, *statement.args)
    )
    names = {word[1:].lower() for word in words if word.startswith("$")}
    for text in analysis.texts.by_path.values():
        if "set_by_lua" in text:
            names |= {name.lower() for name in _LUA.findall(text)}
    return names
