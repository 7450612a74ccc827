"""Variables: getters by name, bound once at load."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from ..conf.parse import Statement
from ..errors import ConfError
from ..log import Severity
from .session import Session

if TYPE_CHECKING:
    from .request import Request

T = TypeVar("T")
R = TypeVar("R", bound=Session)
Getter = Callable[["Request"], "str | None"]
Setter = Callable[["Request", str], None]
Factory = Callable[[str], Getter]
# The same of any session.
Get = Callable[[R], "str | None"]
Set = Callable[[R, str], None]
Build = Callable[["VariableTable[R]"], Get[R]]
Finder = Callable[["VariableTable[R]"], Callable[[R], str]]


class UnknownVariable(ConfError):
    """nginx's error about a variable, which has no file and line."""

    def __init__(self, name: str) -> None:
        super().__init__(f'unknown "{name}" variable')
        self.name = name
        self.place = ""


class Circle(NamedTuple):
    """Variables of which each needs the next one, and the last one the first."""

    names: tuple[str, ...]
    statement: Statement | None  # what makes the first one

    @property
    def text(self) -> str:
        """What is wrong, as a warning says it."""
        needed = (*self.names[1:], self.names[0])
        pairs = zip(self.names, needed, strict=True)
        return "cycle of variables: " + ", ".join(f'"${a}" needs "${b}"' for a, b in pairs)


class Unsettled(Generic[R]):
    """A getter that `unsettled` has marked."""

    __slots__ = ("get",)

    def __init__(self, get: Get[R]) -> None:
        self.get = get

    def __call__(self, r: R) -> str | None:
        return self.get(r)


def unsettled(get: Get[R]) -> Get[R]:
    """Marks a getter whose value may be another later in the request, such as a claim, which
    is empty before the token is verified: what is made of it is never remembered."""
    return Unsettled(get)


def documentation_of(get: Get[R]) -> str:
    """The docstring of a getter, whether or not it is marked as unsettled."""
    return (get.get if isinstance(get, Unsettled) else get).__doc__ or ""


class VariableTable(Generic[R]):
    """The variables of the sessions of one kind: the modules' and those that the configuration
    defines itself."""

    def __init__(self) -> None:
        self.builtin: dict[str, Get[R]] = {}
        self.prefixes: dict[str, Callable[[str], Get[R]]] = {}
        self.setters: dict[str, Set[R]] = {}
        self.changeable: set[str] = set()  # the modules' variables that can be defined again
        self.defined: dict[str, Get[R]] = {}
        self.used: set[str] = set()
        self.circles: list[Circle] = []
        self._stored: dict[str, Set[R]] = {}
        self._unbuilt: dict[str, tuple[Build[R], Statement | None]] = {}
        self._building: dict[str, Statement | None] = {}  # each needs the next one
        self._shared: dict[Hashable, tuple[Any, int]] = {}
        self._unsettled_uses = 0

    def define(self, name: str, get: Get[R]) -> None:
        """Adds a variable of a directive such as "map"; most of the modules' own cannot be
        replaced."""
        name = name.lower()
        if name not in self.setters:
            self._check_new(name)
        self.defined[name] = get
        self._shared.clear()  # the name may have meant something else

    def define_built(self, name: str, build: Build[R], statement: Statement | None = None) -> None:
        """As define(), for a getter that is made of other variables: it is built once all of
        the configuration has been read, on first use or by build_all().  `statement` is what
        defines it."""
        name = name.lower()
        self.define(name, lambda r: None)
        self._unbuilt[name] = (build, statement)

    def define_remembered(
        self,
        name: str,
        make: Finder[R],
        is_volatile: Callable[[], bool] = lambda: False,
        statement: Statement | None = None,
    ) -> None:
        """As define_built(), for a getter whose value is found once a request, and each time
        if it is volatile or made of something unsettled.  A value that was stored under the
        name counts first."""

        def build(variables: VariableTable[R]) -> Get[R]:
            before = self._unsettled_uses
            find = make(variables)
            if self._unsettled_uses > before:
                return unsettled(_remembered(name, find, volatile=True))
            return _remembered(name, find, volatile=is_volatile())

        self.define_built(name, build, statement)

    def build_all(self) -> None:
        """Builds what is left; raises ConfError for an unknown variable."""
        while self._unbuilt:
            self._build(next(iter(self._unbuilt)))

    def _build(self, name: str) -> None:
        build, statement = self._unbuilt.pop(name)
        self._building[name] = statement
        try:
            get = build(self)
        finally:
            del self._building[name]
        if any(circle.names[0] == name for circle in self.circles):
            get = unsettled(once_at_a_time(name, get))
        self.defined[name] = get

    def _circular(self, name: str) -> Get[R]:
        """What stands for a variable that is being built of others which need it."""
        names = tuple(self._building)
        names = names[names.index(name) :]
        self.circles.append(Circle(names, self._building[name]))
        defined = self.defined
        return unsettled(lambda r: defined[name](r))

    def define_stored(self, name: str, unset: Set[R] | None = None) -> Set[R]:
        """Adds a variable that holds what was last stored ("set", named captures).

        Reading it before that gives an empty value and calls `unset`, if given."""
        name = name.lower()
        if name in self.setters:
            return self.setters[name]
        self._check_new(name)
        if name not in self.defined:
            known = self.builtin.get(name) or self._of_prefix(name)
            self.defined[name] = _stored_or(name, known) if known else _stored(name, unset)
            self._shared.clear()

        def store(r: R, value: str) -> None:
            r.variables[name] = value

        self._stored[name] = store
        return store

    def is_known(self, name: str) -> bool:
        """Whether there is such a variable, used or not."""
        name = name.lower()
        return self.has_name(name) or self._of_prefix(name) is not None

    def has_name(self, name: str) -> bool:
        """The same, without those of a prefix, such as "arg_"."""
        return name.lower() in self.defined or name.lower() in self.builtin

    def setter(self, name: str) -> Set[R] | None:
        """What gives a variable another value, None for one that cannot have any; variables of
        directives such as "map" can (NGX_HTTP_VAR_CHANGEABLE)."""
        name = name.lower()
        known = self.setters.get(name) or self._stored.get(name)
        if known is None and name in self.defined and name not in self.builtin:
            return self.define_stored(name)
        return known

    def _check_new(self, name: str) -> None:
        if name in self.builtin and name not in self.changeable:
            raise ConfError(f'the duplicate "{name}" variable')

    @property
    def unsettled_uses(self) -> int:
        """How many unsettled variables have been bound: what is bound between two looks at it
        needs one if it has grown."""
        return self._unsettled_uses

    def resolve(self, name: str) -> Get[R]:
        """The getter of a variable; raises nginx's error, which has no place."""
        name = name.lower()
        self.used.add(name)
        if name in self._unbuilt:
            self._build(name)
        getter: Get[R] | None = self._circular(name) if name in self._building else None
        getter = getter or self.defined.get(name) or self.builtin.get(name)
        if getter is None:
            getter = self._made_of_prefix(name)
        if isinstance(getter, Unsettled):
            self._unsettled_uses += 1
        return getter

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is made of variables, and of nothing else that `key` does not name: it is made
        once, and shared by all levels.  Its unsettled variables are counted each time."""
        if self._building:  # some of them may be stand-ins
            return make()
        entry = self._shared.get(key)
        if entry is None:
            before = self._unsettled_uses
            value = make()
            self._shared[key] = (value, self._unsettled_uses - before)
            return value
        value, uses = entry
        self._unsettled_uses += uses
        return value

    def depends_on_unsettled(self, names: Iterable[str]) -> bool:
        """Whether one of the variables is unsettled, or is made of one that is."""
        before = self._unsettled_uses
        for name in names:
            self.resolve(name)
        return self._unsettled_uses > before

    def _of_prefix(self, name: str) -> Get[R] | None:
        for prefix, factory in self.prefixes.items():
            if name.startswith(prefix):
                return factory(name[len(prefix) :])
        return None

    def _made_of_prefix(self, name: str) -> Get[R]:
        get = self._of_prefix(name)
        if get is not None:
            return get
        raise UnknownVariable(name)


class Variables(VariableTable["Request"]):
    """Those of HTTP requests."""


def variable_name(text: str) -> str:
    """The name after the dollar sign, as directives that make a variable take it."""
    if not text.startswith("$") or len(text) == 1:
        raise ConfError(f'invalid variable name "{text}"')
    return text[1:].lower()


def _remembered(name: str, find: Callable[[R], str], *, volatile: bool) -> Get[R]:
    def get(r: R) -> str:
        value = r.variables.get(name)
        if value is None:
            value = find(r)
            if not volatile:
                r.variables[name] = value
        return value

    return get


def once_at_a_time(name: str, get: Callable[[R], T | None]) -> Callable[[R], T | None]:
    """A variable that may need itself: where it does it is empty, as nginx's is in the end
    (ngx_http_get_indexed_variable), and the log is told."""
    mark = f"variable {name}"  # in r.contexts

    def get_once(r: R) -> T | None:
        if mark in r.contexts:
            r.log(Severity.ERR, f'cycle while evaluating variable "{name}"')
            return None
        r.contexts[mark] = True
        try:
            return get(r)
        finally:
            del r.contexts[mark]

    return get_once


def _stored(name: str, unset: Set[R] | None) -> Get[R]:
    if unset is None:
        return lambda r: r.variables.get(name)

    def get(r: R) -> str:
        value = r.variables.get(name)
        if value is None:
            unset(r, name)
            return ""
        return value

    return get


def _stored_or(name: str, known: Get[R]) -> Get[R]:
    """A variable of a module or a family, such as $http_x, has its value until one is stored."""

    def get(r: R) -> str | None:
        value = r.variables.get(name)
        return known(r) if value is None else value

    return get


def numbered(index: int) -> Callable[[Session], str | None]:
    """$1..$9 of the last regular expression that matched."""

    def get(r: Session) -> str | None:
        if r.captures is None:
            return None
        try:
            value = r.captures.group(index)
        except (IndexError, ValueError):
            return None
        return None if value is None else value.decode("latin-1")

    return get


def field_of(fields: Iterable[tuple[str, str]], name: str) -> str | None:
    """The header or trailer fields that a variable's name means, joined by ", ": in the name
    "_" stands for "-" and for itself (ngx_http_variable_unknown_header)."""
    values = [value for key, value in fields if key.lower().replace("-", "_") == name]
    return ", ".join(values) if values else None
