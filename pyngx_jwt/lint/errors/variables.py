"""Variables that are unknown here and are none of a mistake: of what pyngx does not run."""

from __future__ import annotations

import re

from ...conf.known import module_of_variable
from ..read.analysis import Analysis
from ..read.collect import Trouble

_UNKNOWN = re.compile(r'^unknown "(\w+)" variable')
_LUA = re.compile(r"set_by_lua\w*\s+\$(\w+)")


def not_here(message: str) -> str:
    """What to say in the place of an error about a variable that nginx has; "" if it has not."""
    found = _UNKNOWN.match(message)
    module = module_of_variable(found[1].lower()) if found else ""
    return (
        f'pyngx does not have the variable "${found[1]}" yet ({module})' if found and module else ""
    )


def is_defined_elsewhere(trouble: Trouble, analysis: Analysis) -> bool:
    """Whether an unknown variable is one that a directive which is not run defines."""
    found = _UNKNOWN.match(str(trouble.error.args[0]))
    return found is not None and found[1].lower() in _defined(analysis)


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
