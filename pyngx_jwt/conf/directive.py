"""Declaring directives: name, contexts, arguments, default, documentation."""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_VARARGS
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar, cast

from ..errors import ConfError
from .context import Context, Contexts
from .values import parse_msec, parse_number, parse_offset, parse_sec, parse_size

if TYPE_CHECKING:
    from .scope import Scope

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])
UNLIMITED = float("inf")


MAIN = Context("main", "main")


class Directive(NamedTuple):
    """One declared directive; `raw` ones are handed their block unread by other directives."""

    name: str
    contexts: Contexts
    set: Callable[..., None]
    fewest: int
    most: float
    syntax: str
    default: str
    doc: str
    opens: Contexts | None = None
    raw: bool = False
    noop: bool = False
    attribute: str = ""  # of the conf that keeps its value, where it is but one value

    @property
    def is_block(self) -> bool:
        return self.raw or self.opens is not None


class Conf:
    """One module's configuration at one level.

    A value is "unset" while it is absent from the instance; the class attribute
    is the directive's default.  Merging is therefore the same for every module.
    Attributes declared with own() belong to their level and are not inherited.
    """

    directives: ClassVar[dict[str, Directive]] = {}
    own_names: ClassVar[frozenset[str]] = frozenset({"scope", "level", "_origin"})
    # Values that nginx evaluates at server level and below only, not in "http" itself.
    bound_below: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """A conf has the directives of the conf that it extends, too."""
        inherited = cls.__mro__[1].__dict__.get("directives", {})
        cls.directives = {**inherited, **vars(cls).get("directives", {})}
        cls.own_names = frozenset().union(
            *(vars(kind).get("own_names", ()) for kind in cls.__mro__)
        )

    @classmethod
    def declare(cls, name: str, declaration: Declaration) -> None:
        """Takes a directive that the body of the class declares."""
        if "directives" not in vars(cls):
            cls.directives = {}
        cls.directives[name] = declaration.declare(name, name)

    def __init__(self, scope: Scope, level: Any = None) -> None:
        self.scope = scope
        self.level = level

    def merge(self, outer: Self) -> None:
        """Takes from the outer level what is not set here."""
        mine, own = vars(self), self.own_names
        if mine.keys() <= own:
            mine["_origin"] = outer.origin
        for name, value in vars(outer).items():
            if name not in mine and name not in own:
                mine[name] = value

    @property
    def origin(self) -> Conf:
        """The conf that all values are inherited from, but for those that belong to their level;
        this one if some are set here.  What is made of such values only can be shared."""
        origin: Conf = vars(self).get("_origin", self)
        return origin

    @property
    def is_inherited_whole(self) -> bool:
        """Whether an inner block that sets nothing of this module can have this very conf: there
        is nothing that belongs to this level, and merging would add nothing."""
        if type(self).merge is not Conf.merge:
            return False
        return self.own_names.isdisjoint(vars(self).keys() - Conf.own_names)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is set, neither here nor, after merging, on an outer level."""
        return vars(self).keys() <= Conf.own_names

    def is_set(self, name: str) -> bool:
        """Whether the value was given here (or, after merging, on an outer level)."""
        return name in vars(self)

    def once(self, attribute: str, directive: str = "") -> None:
        """Raises nginx's error if the attribute is set on this level already; `directive`
        is what sets it, if it has another name."""
        if attribute in vars(self):
            raise ConfError(f'"{directive or attribute}" directive is duplicate')


class Declaration:
    """Leaves a Directive in the owner's table and a plain attribute in its place.

    ``declare`` makes the Directive of its name and that of the attribute it sets."""

    def __init__(self, attribute: object, declare: Callable[[str, str], Directive]) -> None:
        self.attribute, self.declare = attribute, declare

    def __set_name__(self, owner: type[Conf], name: str) -> None:
        owner.declare(name.rstrip("_"), self)
        setattr(owner, name, self.attribute)


class Own:
    """Leaves a plain attribute in its place, which merging passes over."""

    def __init__(self, default: object) -> None:
        self.default = default

    def __set_name__(self, owner: type[Conf], name: str) -> None:
        owner.own_names = owner.own_names | {name}
        setattr(owner, name, self.default)


def own(default: T) -> T:
    """A value that belongs to its level and is not inherited."""
    return cast(T, Own(default))


def slot(
    default: T,
    parse: Callable[..., T],
    contexts: Contexts,
    doc: str,
    *,
    syntax: str = "value",
    shown: str | None = None,
    arity: tuple[int, float] = (1, 1),
) -> T:
    """A directive kept as one value, inherited when unset, an error when repeated."""

    def declare(name: str, attribute: str) -> Directive:
        def set_slot(conf: Conf, *texts: str) -> None:
            conf.once(attribute, name)
            setattr(conf, attribute, parse(name, *texts))

        text = str(default) if shown is None else shown
        shape = f"{name} {syntax};"
        return Directive(name, contexts, set_slot, *arity, shape, text, doc, attribute=attribute)

    return cast(T, Declaration(default, declare))


def flag(default: bool, contexts: Contexts, doc: str) -> bool:
    """on | off."""

    def parse(name: str, text: str) -> bool:
        if text.lower() not in ("on", "off"):
            raise ConfError(
                f'invalid value "{text}" in "{name}" directive, it must be "on" or "off"'
            )
        return text.lower() == "on"

    return slot(default, parse, contexts, doc, syntax="on | off", shown="on" if default else "off")


def enum(default: str, values: tuple[str, ...], contexts: Contexts, doc: str) -> str:
    """One of the values, in any case, kept in lower case."""

    def parse(name: str, text: str) -> str:
        for value in values:
            if value.lower() == text.lower():
                return value
        raise ConfError(f'invalid value "{text}"')

    return slot(default, parse, contexts, doc, syntax=" | ".join(values))


def bitmask(
    default: frozenset[str], values: tuple[str, ...], contexts: Contexts, doc: str, shown: str
) -> frozenset[str]:
    """A set of words; repeated directives of one level add up, as nginx's bitmasks do."""

    def declare(name: str, attribute: str) -> Directive:
        def set_mask(conf: Conf, *texts: str) -> None:
            mask = set(vars(conf).get(attribute, ()))
            for text in texts:
                word = next((v for v in values if v.lower() == text.lower()), None)
                if word is None:
                    raise ConfError(f'invalid value "{text}"')
                if word in mask:
                    conf.scope.warn(f'duplicate value "{text}"')
                mask.add(word)
            setattr(conf, attribute, frozenset(mask))

        syntax = f"{name} {' | '.join(values)} ...;"
        return Directive(
            name, contexts, set_mask, 1, UNLIMITED, syntax, shown, doc, attribute=attribute
        )

    return cast(frozenset[str], Declaration(default, declare))


def string(default: str, contexts: Contexts, doc: str, *, syntax: str = "string") -> str:
    """Text taken as it stands: no variables."""
    return slot(default, lambda name, text: text, contexts, doc, syntax=syntax, shown=default)


def _number_of(parse: Callable[[str], T], complaint: str) -> Callable[[str, str], T]:
    def parse_slot(name: str, text: str) -> T:
        try:
            return parse(text)
        except ValueError:
            raise ConfError(complaint.format(name=name)) from None

    return parse_slot


def number(
    default: int,
    contexts: Contexts,
    doc: str,
    *,
    shown: str | None = None,
    within: tuple[int, int] | None = None,
) -> int:
    """A whole number that is not negative."""
    parse = _number_of(parse_number, '"{name}" directive invalid number')

    def parse_bounded(name: str, text: str) -> int:
        value = parse(name, text)
        if within is not None and not within[0] <= value <= within[1]:
            raise ConfError(f"value must be between {within[0]} and {within[1]}")
        return value

    return slot(default, parse_bounded, contexts, doc, syntax="number", shown=shown)


_INVALID = '"{name}" directive invalid value'


def size(default: int, contexts: Contexts, doc: str, *, shown: str) -> int:
    """Bytes, with k and m."""
    return slot(
        default, _number_of(parse_size, _INVALID), contexts, doc, syntax="size", shown=shown
    )


def offset(default: int, contexts: Contexts, doc: str, *, shown: str) -> int:
    """Bytes, with k, m and g."""
    return slot(
        default, _number_of(parse_offset, _INVALID), contexts, doc, syntax="size", shown=shown
    )


def seconds(default: int, contexts: Contexts, doc: str, *, shown: str) -> int:
    """Whole seconds."""
    return slot(default, _number_of(parse_sec, _INVALID), contexts, doc, syntax="time", shown=shown)


def time(default: float, contexts: Contexts, doc: str, *, shown: str) -> float:
    """Seconds, to the millisecond."""
    parse = _number_of(lambda text: parse_msec(text) / 1000, _INVALID)
    return slot(default, parse, contexts, doc, syntax="time", shown=shown)


def buffers(
    default: tuple[int, int], contexts: Contexts, doc: str, *, shown: str
) -> tuple[int, int]:
    """A number of buffers and the size of each in bytes."""

    def parse(name: str, count: str, length: str) -> tuple[int, int]:
        try:
            pair = parse_number(count), parse_size(length)
        except ValueError:
            pair = (0, 0)
        if 0 in pair:
            raise ConfError(f'"{name}" directive invalid value')
        return pair

    return slot(default, parse, contexts, doc, syntax="number size", shown=shown, arity=(2, 2))


# What accepted directives are like.
A_FLAG = flag(False, MAIN, "")
A_NUMBER = number(0, MAIN, "")
A_SIZE = size(0, MAIN, "", shown="0")
A_TIME = time(0, MAIN, "", shown="0")


def accepted(
    contexts: Contexts, why: str, *, fewest: int = 1, most: float = 1, like: Any = None
) -> Any:
    """Tuning that cannot matter here: read, checked for its place and arity, and left aside.

    `like` is a slot such as flag(...) whose values are the directive's."""
    doc = f"Accepted and without effect: {why}."
    if isinstance(like, Declaration):
        alike = like.declare

        def declare_alike(name: str, attribute: str) -> Directive:
            return alike(name, attribute)._replace(contexts=contexts, doc=doc, noop=True)

        return Declaration(like.attribute, declare_alike)

    def declare(name: str, attribute: str) -> Directive:
        def ignore(conf: Conf, *texts: str) -> None:
            """Nothing to keep."""

        return Directive(name, contexts, ignore, fewest, most, f"{name} ...;", "—", doc, noop=True)

    return Declaration(None, declare)


def directive(
    contexts: Contexts,
    opens: Contexts | None = None,
    *,
    raw: bool = False,
    default: str = "—",
    syntax: str | None = None,
    arity: tuple[int, float] | None = None,
) -> Callable[[F], F]:
    """A directive set by a method; its signature is the shape of its arguments.

    A `raw` directive's method also gets `entries`, the statements of its block.  In `syntax`
    "{name}" stands for the directive's name."""

    def decorate(method: F) -> F:
        fewest, named, rest = _parameters(method)
        words = [*named[:fewest], *(f"[{word}]" for word in named[fewest:])]
        words += [_repeated(named, word) for word in rest]
        ends = " { ... }" if opens or raw else ";"

        def declare(name: str, attribute: str) -> Directive:
            shape = arity or (fewest, UNLIMITED if rest else len(named))
            return Directive(
                name,
                contexts,
                method,
                *shape,
                (syntax or " ".join(["{name}", *words]) + ends).replace("{name}", name),
                default,
                method.__doc__ or "",
                opens,
                raw,
            )

        return cast(F, Declaration(method, declare))

    return decorate


def _repeated(named: tuple[str, ...], rest: str) -> str:
    """How *rest is documented: in the singular, and as "..." after a parameter of that name."""
    word = rest.removesuffix("s")
    if word in named:
        return "..."
    return f"[{word} ...]" if named else f"{word} ..."


def _parameters(method: Any) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """How many arguments a method needs, the names of all that it takes, and that of the rest.

    inspect.signature() would take a fiftieth of the time of a start."""
    code = method.__code__
    named = code.co_varnames[1 : code.co_argcount]
    after = code.co_argcount + code.co_kwonlyargcount
    rest = code.co_varnames[after : after + 1] if code.co_flags & CO_VARARGS else ()
    return len(named) - len(method.__defaults__ or ()), named, rest
