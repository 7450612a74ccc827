"""What was perhaps meant."""

from __future__ import annotations

import os
import re
from difflib import SequenceMatcher, get_close_matches
from functools import cache, lru_cache

from ...conf.directive import Directive
from ...conf.known import declarations, is_commercial, module_of, names
from ...conf.parse import Statement
from ...http.variables import Variables
from ...modules import MODULES
from ..model.pem import kind_of, read_octets
from ..read.analysis import Analysis
from ..read.collect import Trouble
from ..read.statements import quoted_in

_UNKNOWN = re.compile(r'^unknown directive "(.*?)"', re.S)
_VARIABLE = re.compile(r'^unknown "(\w+)" variable')
OTHER_WORD = 0.4  # two words are less alike than that
ENDING = 4  # letters that count as much as the first
_WORDS = re.compile(r"[A-Za-z0-9_]+\Z")


def hint_for(rule: str, message: str, trouble: Trouble, analysis: Analysis) -> str:
    """A sentence that helps to correct an error, "" if there is none."""
    if match := _UNKNOWN.match(message):
        return _other_directive(match[1])
    if match := _VARIABLE.match(message):
        return _other_variable(match[1], analysis)
    if rule == "unusable-file" and (octets := _octets(message, analysis)):
        return f"the file is {kind_of(octets)}"
    statement = trouble.statement
    if statement is None:
        return _syntax(message)
    if swallowed := _swallowed(statement, analysis):
        return f'perhaps a ";" is missing before "{swallowed}"'
    if message.endswith("directive is not allowed here"):
        return _contexts(statement, analysis)
    if rule in ("wrong-arguments", "invalid-value") and not message.startswith("pcre2_compile"):
        return _shape(statement, analysis)
    return _syntax(message)


def hint_for_absent(message: str, analysis: Analysis) -> str:
    """The --root with which a missing file is found beside the configuration, "" if none does."""
    here = analysis.options.conf_prefix
    if analysis.machine.path(here) != here:
        return ""  # of a dump
    for name in quoted_in(message):
        parts = name.split("/")
        for at in range(2, len(parts) if name.startswith("/") else 0):
            if os.path.exists(os.path.join(here, *parts[at:]).encode("latin-1")):
                return f"--root {'/'.join(parts[:at])}={here.rstrip('/')} reads it from there"
    return ""


def _octets(message: str, analysis: Analysis) -> bytes:
    """What is in the file that OpenSSL would not take."""
    names = quoted_in(message) if message.startswith("cannot load certificate") else []
    texts = (read_octets(analysis.machine.path(name)) for name in names)
    return next((octets for octets in texts if octets), b"")


def _swallowed(statement: Statement, analysis: Analysis) -> str:
    """A directive that begins a line and has become an argument of the one before it."""
    text = analysis.texts.by_path.get(statement.file, "")
    known = frozenset(_names())
    for word, (start, _) in zip(statement.args, analysis.texts.spans(statement)[1:], strict=False):
        margin = text[text.rfind("\n", 0, start) + 1 : start]
        if word in known and not margin.strip() and "\n" in text[:start]:
            return word
    return ""


def _other_directive(name: str) -> str:
    module = module_of(name)
    if module is not None:
        return f"{name} belongs to {_owners(name, module)}"
    if not _WORDS.match(name):
        return "a word with { or ; in it needs quotes" if re.search(r"[{}\d]", name) else ""
    close = _closest(name)
    if not close:
        return "if it is of a module that nginx loads, pyngx does not have it"
    if close == name:
        return f"only pyngx has {name}"
    return f'did you mean "{close}"?'


def _owners(name: str, modules: str) -> str:
    """Modules that have a directive; if nginx's own are those of NGINX Plus, it says so."""
    if not is_commercial(name):
        return modules
    names = modules.split(", ")
    own = ", ".join(module for module in names if "/" not in module)
    return ", ".join([f"NGINX Plus ({own})", *(module for module in names if "/" in module)])


@cache
def _names() -> tuple[str, ...]:
    """Every directive of nginx and of ours."""
    ours = (name for module in MODULES for name in module.conf.directives)
    return tuple(sorted({*names(), *ours}))


@lru_cache(maxsize=1024)
def _closest(name: str) -> str:
    """The directive that is spelled most alike, "" if none is near."""
    alike = [n for n in _names() if n[0] == name[0] or n[-ENDING:] == name[-ENDING:]]
    matches = get_close_matches(name, alike, 1, 0.75)
    return matches[0] if matches and not _has_other_word(name, matches[0]) else ""


def _has_other_word(name: str, other: str) -> bool:
    """Whether a word of one stands in the place of quite another: that is no misspelling."""
    words, others = name.split("_"), other.split("_")
    if len(words) != len(others) or sorted(words) == sorted(others):
        return False
    pairs = zip(words, others, strict=True)
    return any(SequenceMatcher(None, *pair).ratio() < OTHER_WORD for pair in pairs)


def may_be_loaded(message: str, analysis: Analysis) -> bool:
    """Whether an unknown directive is perhaps of a module that "load_module" names."""
    match = _UNKNOWN.match(message)
    if match is None or not analysis.named("load_module") or not _WORDS.match(match[1]):
        return False
    return _other_directive(match[1]).startswith("if it is of a module")


def _other_variable(name: str, analysis: Analysis) -> str:
    variables = analysis.scope.shared(Variables)
    known = [*variables.builtin, *variables.defined]
    close = [word for word in get_close_matches(name, known, 2, 0.75) if word != name]
    return f'did you mean "${close[0]}"?' if close else ""


def _directives(statement: Statement, analysis: Analysis) -> list[Directive]:
    tables = (module.conf.directives for module in analysis.scope.modules)
    return [table[statement.name] for table in tables if statement.name in table]


def _contexts(statement: Statement, analysis: Analysis) -> str:
    contexts = {
        context.name
        for directive in _directives(statement, analysis)
        for context in directive.contexts
    }
    if not contexts:
        contexts = {c.rpartition(".")[2] for k in declarations(statement.name) for c in k.contexts}
    return f'"{statement.name}" belongs in: {", ".join(sorted(contexts))}' if contexts else ""


def _shape(statement: Statement, analysis: Analysis) -> str:
    directives = _directives(statement, analysis)
    directives = [d for d in directives if d.is_block == statement.opens]
    return f"its syntax is: {directives[0].syntax}" if directives else ""


def _syntax(message: str) -> str:
    if message.endswith('is not terminated by ";"'):
        return "a word with { in it needs quotes"
    if message == 'unexpected "}"':
        return 'perhaps a ";" is missing before it, or there is one "}" too many'
    if message.startswith("unexpected end of file"):
        return "a block or a quoted word is not closed"
    return ""
