"""Writes the reference pages from the declarations: python -m pyngx_jwt.docs FOLDER."""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path

from . import NGINX_VERSION
from .conf import known
from .conf.directive import Directive
from .conf.known import Class
from .core.module import AnyModule
from .lint.rule import Rule, rules
from .modules import MODULES

WRITTEN = "<!-- Written by make docs: change the declarations, not this page. -->\n"
_NO_EFFECT = "Accepted and without effect: "
_VARIABLE = re.compile(r"\$\w+")
_MARKUP = re.compile(r"[*<\[]")
_OTHER_SERVERS = ("ngx_stream_", "ngx_mail_", "ngx_mgmt_")
_OTHER_SYSTEMS = {f"ngx_{name}_module" for name in ("devpoll", "eventport", "iocp", "kqueue")}
GENERATED = ("directives", "lint")  # folders
RULES = """\
# Rules of the linter

`pyngx lint` finds these besides all that `nginx -t` finds; `pyngx lint --explain RULE` prints a
page.

| id | rule | severity | |
|---|---|---|---|"""
DIFFERENCES = f"""\
# What there is of nginx

The modules of nginx {NGINX_VERSION} and NGINX Plus, and which of their directives are missing
here. [What is not supported](unsupported.md) tells of each what happens where it is used: it is
accepted without effect, or an error that `--allow-unsupported` makes a warning, or always an error.
Directives of modules that are there, and that have no effect, are not missing: the pages of
[directives](directives/README.md) name them. There are no `mail` and no `stream` servers.
Parameters of directives are not listed here.

| module | missing |
|---|---|"""

UNSUPPORTED = """\
# What is not supported

Directives of nginx, of NGINX Plus and of some modules by others that pyngx does not have, by what
it would do to leave them out. Their place and the number of their arguments are checked in any
case. A directive of none of the modules below is an unknown directive, which is an error. So is
every `*_by_lua_block {`, as what follows is Lua, not words.

A directive whose only argument is `off` is accepted, where that is what it is without."""
CLASSES = {
    Class.HANDLER: """\
## What answers requests

Without it a location would hand out its files, sources of programs among them. It is an error; with
`--allow-unsupported` a warning, and what it would answer gets 501. That goes for the location,
and for `if` and `limit_except` blocks in it. Those that nginx hands down to inner levels, such as
`dav_methods`, are handed down here, and answer where nothing passes requests on.""",
    Class.GUARD: """\
## What guards

It is always an error: without it, a door might be open.""",
    Class.EFFECT: """\
## What has another effect

Without it answers are others, and nothing is opened. It is an error; with `--allow-unsupported` a
warning, and it is left out. A block, such as `stream`, is left out with all that is in it.""",
    Class.TUNING: """\
## What is accepted

It has no effect: it is tuning, or it only matters to another directive of its module.""",
}


def pages() -> dict[str, str]:
    """The generated pages: text by path within the folder of the documentation."""
    written = {
        "directives/README.md": index_page(),
        "variables.md": variables_page(),
        "differences.md": differences_page(),
        "unsupported.md": unsupported_page(),
        "lint/README.md": rules_page(),
    }
    for module in MODULES:
        if module.conf.directives:
            written[f"directives/{module.name}.md"] = module_page(module)
    for rule in rules():
        written[f"lint/{rule.name}.md"] = rule_page(rule)
    return {path: f"{WRITTEN}\n{text.rstrip()}\n" for path, text in written.items()}


def write(folder: Path) -> None:
    """Writes all pages and removes those of modules and rules that are no more."""
    written = pages()
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for part in GENERATED:
        for page in (folder / part).glob("*.md"):
            if f"{part}/{page.name}" not in written:
                page.unlink()


def module_page(module: AnyModule) -> str:
    """A module: what it is for, its directives, and those that are only accepted."""
    directives = sorted(module.conf.directives.values(), key=lambda d: d.name)
    lines = [f"# {module.name}", "", description(module), ""]
    for d in directives:
        if not d.noop:
            lines += [f"## {d.name}", "", *_shape(d), "", _prose(d.doc), ""]
    accepted = [d for d in directives if d.noop]
    if accepted:
        lines += ["## Accepted and without effect", ""]
        lines += [f"- `{d.name}` ({_contexts(d)}): {_reason(d)}" for d in accepted]
        lines.append("")
    if module.variable_docs:
        lines += ["## Variables", "", *_variables(module)]
    return "\n".join(lines)


def description(module: AnyModule) -> str:
    """The docstring of the file that declares the module's directives."""
    return _prose(sys.modules[module.conf.__module__].__doc__ or "")


def _shape(d: Directive) -> list[str]:
    ends = "" if d.syntax.endswith((";", "}")) else " { ... }" if d.is_block else ";"
    return [
        f"    Syntax:  {d.syntax}{ends}",
        f"    Default: {d.default}",
        f"    Context: {_contexts(d)}",
    ]


def _contexts(d: Directive) -> str:
    return ", ".join(context.name for context in d.contexts)


def _reason(d: Directive) -> str:
    return _prose(d.doc.removeprefix(_NO_EFFECT).rstrip("."))


def _prose(text: str) -> str:
    """A docstring as Markdown: nothing in it is markup, and variables are code."""
    plain = _MARKUP.sub(r"\\\g<0>", inspect.cleandoc(text).strip())
    return _VARIABLE.sub(r"`\g<0>`", plain)


def _variables(module: AnyModule) -> list[str]:
    docs = sorted(module.variable_docs.items())
    return [f"- `${name}`: {' '.join(_prose(doc).split())}" for name, doc in docs]


def index_page() -> str:
    """All modules, and all directives by name."""
    lines = ["# Directives", "", "| module | |", "|---|---|"]
    for module in MODULES:
        if module.conf.directives:
            first = description(module).partition("\n\n")[0].replace("\n", " ")
            lines.append(f"| [{module.name}]({module.name}.md) | {first} |")
    lines += ["", "| directive | module | contexts |", "|---|---|---|", *sorted(_index_rows())]
    return "\n".join(lines)


def _index_rows() -> Iterator[str]:
    for module in MODULES:
        for d in module.conf.directives.values():
            page = f"{module.name}.md"
            link = f"`{d.name}` (no effect)" if d.noop else f"[`{d.name}`]({page}#{d.name})"
            yield f"| {link} | [{module.name}]({page}) | {_contexts(d)} |"


def variables_page() -> str:
    """The variables of all modules."""
    lines = ["# Variables", ""]
    for module in MODULES:
        if module.variable_docs:
            title = module.name
            if module.conf.directives:
                title = f"[{title}](directives/{title}.md)"
            lines += [f"## {title}", "", *_variables(module), ""]
    return "\n".join(lines)


def differences_page() -> str:
    """nginx's modules and what is here of the directives of each."""
    modules = {name: names for name, names in known.modules().items() if _concerns_us(name)}
    ours = _ours()
    # A name that several modules have, such as "resolver", is no sign of any of them.
    shared = Counter(name for names in modules.values() for name in names)
    lines = [DIFFERENCES]
    for module, names in modules.items():
        own = [name for name in names if shared[name] == 1]
        missing = [] if ours.issuperset(names) else sorted(set(names) - ours)
        told = ", ".join(f"`{name}`" for name in missing) or "nothing"
        lines.append(f"| {module} | {told if ours & {*own} else 'all'} |")
    return "\n".join(lines)


def unsupported_page() -> str:
    """What is missing, by what it would do to leave it out."""
    lines = [UNSUPPORTED]
    for kind, text in CLASSES.items():
        names = frozenset(known.classed(kind)) - _ours()
        lines += ["", text, ""]
        if kind is Class.GUARD:
            reasons = dict.fromkeys(known.reason_of(name) for name in sorted(names))
            for why in reasons:
                lines += [f"Because {why}:", ""]
                lines += [*_by_module({n for n in names if known.reason_of(n) == why}), ""]
        else:
            lines += _by_module(names)
    return "\n".join(lines)


def _by_module(names: Set[str]) -> Iterator[str]:
    """A table of directives; one that several modules have stands with the first."""
    yield from ("| module | directives |", "|---|---|")
    rest = set(names)
    for module, its in known.modules().items():
        found = sorted(rest.intersection(its))
        rest.difference_update(found)
        if found:
            yield f"| {module} | {', '.join(f'`{name}`' for name in found)} |"


def _ours() -> frozenset[str]:
    return frozenset(name for module in MODULES for name in module.conf.directives) | {"include"}


def rules_page() -> str:
    """The rules of the linter by name."""
    lines = [
        RULES,
        *(
            f"| {r.id} | [{r.name}]({r.name}.md) | {r.severity.word} | {_prose(r.title)} |"
            for r in rules()
        ),
    ]
    return "\n".join(lines)


def rule_page(rule: Rule) -> str:
    """A rule: what it finds, why that is bad, a bad and a good example."""
    return f"# {rule.name}\n\n{rule.id}, {rule.severity.word}.\n\n{_rule_text(rule)}"


def _rule_text(rule: Rule) -> str:
    """The examples are indented, which makes them code; all else is prose."""
    parts = rule.page.split("\n\n")
    return "\n\n".join(part if part.startswith("    ") else _prose(part) for part in parts)


def _concerns_us(module: str) -> bool:
    """Not of the modules by others: the dialects of JWT have a page of their own."""
    if not module.startswith("ngx_") or module in _OTHER_SYSTEMS:
        return False
    return not module.startswith(_OTHER_SERVERS)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
