"""Text with variables ("complex values"): parsed when read, bound when compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from ..conf.context import Contexts
from ..conf.directive import slot
from ..conf.values import parse_size
from ..errors import ConfError
from .variables import Get, R, VariableTable, numbered

if TYPE_CHECKING:
    from .request import Request

Text = Callable[["Request"], str]
TextOf = Callable[[R], str]  # the same of any session
Part = tuple[bool, str]  # (is a variable, its name or the literal text)
_VARIABLE = re.compile(
    r"\$(?:(?P<digit>[1-9])|(?P<name>[A-Za-z0-9_]+)|\{(?P<braced>[^}]*)(?P<end>\}?))?"
)
MAX_KNOWN = 1024  # texts that are split once only
_NAME = re.compile(r"[A-Za-z0-9_]+\Z")


class Template:
    """Raises ConfError when the text is not a well-formed complex value."""

    __slots__ = ("is_constant", "parts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = _parts(text) if "$" in text else ((False, text),) if text else ()
        self.is_constant = "$" not in text

    @property
    def names(self) -> tuple[str, ...]:
        """The variables; numbered captures are told as "$1"."""
        return tuple(name for variable, name in self.parts if variable)

    def bind(self, variables: VariableTable[R]) -> TextOf[R]:
        """A function of the session; an unknown variable is a ConfError."""
        if self.is_constant:
            return self.bind_constant()
        return variables.once(self.text, lambda: self._bound(variables))

    def _bound(self, variables: VariableTable[R]) -> TextOf[R]:
        getters = [getter_of(part, variables) for part in self.parts]
        if len(getters) == 1:
            get = getters[0]
            return lambda r: get(r) or ""
        if len(getters) == 2:
            first, second = getters
            return lambda r: f"{first(r) or ''}{second(r) or ''}"
        return lambda r: "".join([get(r) or "" for get in getters])

    def bind_constant(self) -> TextOf[Any]:
        """A function that gives the text as it stands."""
        text = self.text
        return lambda r: text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def getter_of(part: Part, variables: VariableTable[R]) -> Get[R]:
    """The getter of one part; a literal is a getter too."""
    variable, text = part
    if not variable:
        return lambda r: text
    if text.startswith("$"):
        return numbered(int(text[1]))
    return variables.resolve(text)


@lru_cache(maxsize=MAX_KNOWN)
def _parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        if match.start() > position:
            parts.append((False, text[position : match.start()]))
        parts.append((True, _variable_name(match)))
        position = match.end()
    if position < len(text):
        parts.append((False, text[position:]))
    return tuple(parts)


def _variable_name(match: re.Match[str]) -> str:
    if match["braced"] is not None:
        name = match["braced"]
        if not (name or match["end"]):
            raise ConfError("invalid variable name")
        if not match["end"]:
            raise ConfError(f'the closing bracket in "{name}" variable is missing')
    else:
        if match["digit"]:
            return f"${match['digit']}"
        name = match["name"] or ""
    if not _NAME.match(name):
        raise ConfError("invalid variable name")
    return name.lower()


class TemplateDirective(Protocol):
    """A directive whose one value can contain variables."""

    def __call__(
        self, default: Template | None, contexts: Contexts, doc: str, *, syntax: str = "string"
    ) -> Template | None: ...


def _template(
    default: Template | None, contexts: Contexts, doc: str, *, syntax: str = "string"
) -> Any:
    shown = default.text if default else "—"
    declare: Any = slot
    return declare(
        default, lambda name, text: Template(text), contexts, doc, syntax=syntax, shown=shown
    )


# What is returned is a declaration, which becomes a Template on the levels of a configuration.
# Compiled code would check a type that promises so.
template: TemplateDirective = _template


def any_is_set(predicates: tuple[TextOf[R], ...], r: R) -> bool:
    """Whether one of the values is neither empty nor "0" (ngx_http_test_predicates)."""
    return any(predicate(r) not in ("", "0") for predicate in predicates)


def bind_size(value: Template | None, variables: VariableTable[R]) -> Callable[[R], int] | None:
    """A size in bytes that can depend on the session, None where there is none."""
    if value is None or value.text == "0":
        return None
    text = value.bind(variables)

    def size_of(r: R) -> int:
        try:
            return parse_size(text(r))
        except ValueError:
            return 0

    return size_of


_WHOLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{\w+\})\Z|.*\$\{\w+\}", re.ASCII | re.DOTALL)
_ANY = re.compile(r".*\$(?:[A-Za-z_]\w*|\{\w+\})", re.ASCII | re.DOTALL)


def without_variables(directive: str, text: str, *, is_file: bool = True) -> str:
    """The name of a file with a secret, or the secret itself, of a directive that nginx takes no
    variables in: there the name of a variable would be what anyone can guess.

    Raises ConfError.  In a secret "$" may be a character like others, as in "pa$word"."""
    if (_ANY if is_file else _WHOLE).match(text):
        what = "file name" if is_file else "secret"
        raise ConfError(
            f'variables are not supported in "{directive}", its {what} would be used literally'
        )
    return text
