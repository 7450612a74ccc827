"""What is compiled, and what mypyc would do with it without a word."""

from __future__ import annotations

import ast
import enum
import importlib
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cffi import FFI

import pyngx_jwt
from pyngx_jwt import features
from pyngx_jwt.tls.declarations import FUNCTIONS

ROOT = Path(__file__).parent.parent


def settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The names of setup.py, which builds nothing then."""
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    monkeypatch.delenv("PYNGX_COMPILE", raising=False)
    return runpy.run_path(str(ROOT / "setup.py"))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the compiled sources."""
    listed = settings(monkeypatch)["compiled"]
    assert callable(listed)
    paths: list[str] = listed()
    return paths


def test_every_entry_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    names = settings(monkeypatch)
    for key in ("COMPILED", "INTERPRETED"):
        entries = names[key]
        assert isinstance(entries, tuple | frozenset)
        assert [x for x in entries if not (ROOT / "pyngx_jwt" / x).exists()] == []


def test_calls_of_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that is declared is among the compiled calls, as a pointer."""
    ffi = FFI()
    ffi.cdef(FUNCTIONS)
    function = settings(monkeypatch)["FUNCTION"]
    assert isinstance(function, re.Pattern)
    names = [match[2] for match in function.finditer(FUNCTIONS)]
    assert sorted(names) == sorted(dir(ffi.dlopen(None)))


def classes() -> Iterator[type]:
    for path in sorted(Path(pyngx_jwt.__path__[0]).rglob("*.py")):
        if path.name == "__main__.py" or "modules/lua" in str(path):
            continue
        relative = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(relative).removesuffix(".__init__")
        module = importlib.import_module(name)
        yield from (x for x in vars(module).values() if getattr(x, "__module__", "") == name)


def test_no_interpreted_class_has_a_compiled_base(compiled: list[str]) -> None:
    """That is a TypeError, but only in a compiled wheel."""
    native = {path.removesuffix(".py").replace("/", ".") for path in compiled}
    # Of these mypyc makes ordinary classes.
    ordinary = (enum.Enum, tuple, BaseException)
    wrong = [
        f"{one.__module__}.{one.__qualname__}({base.__qualname__})"
        for one in classes()
        if isinstance(one, type) and one.__module__ not in native
        for base in one.__mro__[1:]
        if base.__module__ in native
        and not issubclass(base, ordinary)
        and not getattr(base, "_is_protocol", False)
    ]
    assert wrong == []


def defaults(path: Path) -> Iterator[tuple[str, ast.expr, ast.expr | None]]:
    """The class attributes of a source: where they are, value and annotation."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef) or node.decorator_list:
            continue
        bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
        if bases & {
            "NamedTuple",
            "Protocol",
            "Enum",
            "IntEnum",
            "Flag",
            "IntFlag",
            "Exception",
            "TypedDict",
        }:
            continue
        for statement in node.body:
            place = f"{path.name}: {node.name}"
            if isinstance(statement, ast.AnnAssign) and statement.value is not None:
                yield place, statement.value, statement.annotation
            elif isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) not in (
                "__slots__",
                "__hash__",
            ):
                yield place, statement.value, None


def test_defaults_are_constants(compiled: list[str]) -> None:
    """mypyc leaves out, with a warning, what it cannot copy into each object."""

    def is_constant(value: ast.expr) -> bool:
        if isinstance(value, ast.UnaryOp):
            value = value.operand
        if isinstance(value, ast.Tuple):
            return all(map(is_constant, value.elts))
        return isinstance(value, ast.Constant | ast.Name | ast.Attribute)

    wrong = [
        f"{place}: {ast.unparse(value)}"
        for path in compiled
        for place, value, annotation in defaults(ROOT / path)
        if not is_constant(value) and "ClassVar" not in ast.unparse(annotation or ast.Name(""))
    ]
    assert wrong == []


def test_generic_records_have_no_slots(compiled: list[str]) -> None:
    """mypyc cannot make such a class again, as dataclass(slots=True) does."""
    wrong = [
        f"{path}: {node.name}"
        for path in compiled
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.ClassDef)
        if any("slots=True" in ast.unparse(each) for each in node.decorator_list)
        if any(ast.unparse(base).startswith("Generic[") for base in node.bases)
    ]
    assert wrong == []


def test_arguments_of_coroutines_are_not_deleted(compiled: list[str]) -> None:
    """mypyc keeps them in an object whose attributes stay."""
    wrong = [
        f"{path}: del {name.id}"
        for path in compiled
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.AsyncFunctionDef)
        for each in ast.walk(node)
        if isinstance(each, ast.Delete)
        for name in each.targets
        if isinstance(name, ast.Name) and name.id in {x.arg for x in node.args.args}
    ]
    assert wrong == []


PURE = {"len", "min", "max", "int", "bool", "find", "rfind", "index", "start", "end", "lstrip"}


def test_bounds_of_slices_have_no_effects(compiled: list[str]) -> None:
    """mypyc runs them twice unless a str, bytes, list or tuple is cut."""
    wrong = [
        f"{path}: {ast.unparse(node)}"
        for path in compiled
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Slice)
        for call in ast.walk(node)
        if isinstance(call, ast.Await | ast.NamedExpr)
        or (isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] not in PURE)
    ]
    assert wrong == []


def test_the_library_is_found_out_without_its_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "__file__", str(tmp_path / "features.py"))
    assert not features.is_compiled()
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / f"request.{sys.implementation.cache_tag}.so").touch()
    assert not features.is_compiled()  # of another Python
    (tmp_path / "http" / "request.abi3.so").touch()
    assert features.is_compiled()
