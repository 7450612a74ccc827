"""Imports point one way, and every third-party library has one owner."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "pyngx_jwt"
FILES = sorted(ROOT.rglob("*.py"))
MODULES = sorted((ROOT / "modules").rglob("*.py"))
CENTRE = [
    path
    for path in FILES
    if path.relative_to(ROOT).parts[0] in ("compile", "server", "process", "app.py")
]
NAMES = {path.relative_to(ROOT / "modules").with_suffix("").parts[0] for path in MODULES}

# Each may import what stands above it; what stands in one line is independent of each other.
LAYERS = [
    {"errors", "exits", "features", "deadline"},
    {"options", "arguments", "extras"},
    {"log"},
    {"conf", "dns", "zones"},
    {"metrics"},
    {"tls"},
    {"core"},
    {"http"},
    {"jwt", "http1", "stream"},
    {"http2"},
    {"http3", "quic"},
    {"upstream"},
    {"cache"},
    {"gateway"},
    {"modules"},
    {"compile"},
    {"server", "explain"},
    {"app", "asgi", "check", "process", "token"},
    {"cli"},
    {"__main__"},
]
# These read what is below the server, and nothing reads them.
READERS = {"lint", "docs"}
READ = {
    *("errors", "exits", "extras", "features", "arguments", "options", "log"),
    *("conf", "core", "dns", "http", "metrics", "zones", "tls", "jwt"),
    *("upstream", "cache", "gateway", "modules", "compile", "http1", "http2", "stream"),
}

# Modules whose conf or helpers the others may read, as all of nginx reads its core's.
COMMON = {"addresses", "coding", "core", "files", "gzip_ok", "limits", "map_table"}
COMMON |= {"session_variables"}
BORROWED = {  # importer, imported: a declared service or one helper
    ("session_log", "log"),
    ("memcached", "upstream"),
    ("proxy", "upstream"),
    ("scgi", "upstream"),
    ("set_misc", "rewrite"),
    ("tunnel", "upstream"),
    ("uwsgi", "upstream"),
    ("fastcgi", "upstream"),
    ("grpc", "upstream"),
    ("range", "headers"),
    ("api", "keyval"),
    ("auth_jwt", "rewrite"),
    ("not_modified", "headers"),
    ("hls", "mp4"),
    ("lua", "headers_more"),
    ("otel", "headers_more"),
    ("lua", "rewrite"),
    ("lua", "set_misc"),
    ("lua", "ssl"),
    ("lua", "upstream"),
}

# The rooms of lint; each may import from those above it, for types as well.
ROOMS = [
    {"finding"},
    {"read"},
    {"model"},
    {"rule"},
    {"flow"},
    {"errors"},
    {"rules"},
    {"report"},
    {"run", "arguments"},
    {"command"},
]

# Libraries known to one file or package; jwt hands out cryptography's keys itself.
OWNERS = {
    "aiohttp": {"app", "server", "upstream"},
    "aioquic": {"quic"},
    "av": {"modules"},
    "cachetools": {"jwt"},
    "cffi": {"tls"},
    "crossplane": {"conf"},
    "dns": {"dns"},
    "cryptography": {"jwt", "quic"},
    "hpack": {"http2"},
    "jwcrypto": {"jwt"},
    "lmdb": {"zones"},
    "pcre2": {"http"},
    "setproctitle": {"process"},
    "uvloop": {"process"},
}


def layer(name: str) -> int:
    return next(n for n, names in enumerate(LAYERS) if name in names)


@cache
def imports(path: Path) -> frozenset[str]:
    """The full names that a file imports, within functions and for types as well."""
    package = ("pyngx_jwt", *path.relative_to(ROOT).parts[:-1])
    return frozenset(_imports(ast.parse(path.read_text()), package))


def _imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    """The layer's name: the first folder, or the file itself."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    mine = part(path)
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("pyngx_jwt.")}
    theirs = {name for name in inner if (ROOT / name).exists() or (ROOT / f"{name}.py").exists()}
    for name in theirs - {mine}:
        if mine in READERS:
            assert name in READ or (mine, name) == ("docs", "lint")
        elif mine != "__init__":
            assert layer(name) < layer(mine), f"{mine} imports {name}"


@pytest.mark.parametrize("library", OWNERS)
def test_one_owner(library: str) -> None:
    users = {
        part(path) for path in FILES for name in imports(path) if name.split(".")[0] == library
    }
    assert users <= OWNERS[library]


def test_every_library_is_owned() -> None:
    known = {*sys.stdlib_module_names, *OWNERS, "pyngx_jwt"}
    used = {name.split(".")[0]: path for path in FILES for name in imports(path)}
    assert {name: used[name] for name in used if name not in known} == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_do_not_import_each_other(path: Path) -> None:
    """What two modules share is a service of a lower layer."""
    mine = path.relative_to(ROOT / "modules").with_suffix("").parts[0]
    others = {
        name.split(".")[2]
        for name in imports(path)
        if name.startswith("pyngx_jwt.modules.") and name.split(".")[2] in NAMES
    }
    if mine != "__init__":
        borrowed = {other for importer, other in BORROWED if importer == mine}
        assert others <= {mine} | COMMON | borrowed


def package(path: Path) -> str:
    """The package that a file is part of: a module of its own, or the first folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[: 2 if parts[0] == "modules" else 1])


def name_of(path: Path) -> str:
    """The name by which a file is imported."""
    parts = ("pyngx_jwt", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


BY_NAME = {name_of(path): path for path in FILES}


def file_of(name: str) -> Path | None:
    """The file that an imported name is from."""
    return BY_NAME.get(name) or BY_NAME.get(name.rpartition(".")[0])


@cache
def neighbours(path: Path) -> frozenset[Path]:
    """The files of its own package that a file imports."""
    found = {file_of(name) for name in imports(path)} - {None, path}
    return frozenset(file for file in found if file and package(file) == package(path))


def circle(path: Path) -> set[str]:
    """The files that a file both leads to and is reached from, itself included; none if it
    is in no circle."""
    reached: dict[Path, set[Path]] = {}
    for start in (path, *_reach(path)):
        reached[start] = _reach(start)
    return {name_of(file) for file in reached[path] if path in reached.get(file, ())}


def _reach(path: Path) -> set[Path]:
    found: set[Path] = set()
    left = [path]
    while left:
        new = neighbours(left.pop()) - found
        found |= new
        left += new
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_circles_inside_a_package(path: Path) -> None:
    """Imports within functions and for types count as well."""
    assert circle(path) == set()


def test_circles_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two files as of three; one that only leads to a circle is in none."""
    one, two, three, outside = FILES[:4]
    after = {one: {two}, two: {three}, three: {one}, outside: {one}}
    monkeypatch.setitem(globals(), "neighbours", lambda path: after[path])
    assert circle(two) == {name_of(path) for path in (one, two, three)}
    assert circle(outside) == set()


# Names with an underscore that are public all the same: those of named tuples.
PUBLIC = {"_replace", "_make"}
# Private names of libraries, and why they are used.
FOREIGN = {
    (
        "http.basic",
        "_NamedFuncPointer",
    ),  # the type of a C function; ctypes has no other name for it
    ("http.runner", "_asyncio_future_blocking"),  # the protocol between futures and their tasks
    ("lint.flow.samples", "_constants"),  # re's parser of expressions
    ("lint.flow.samples", "_parser"),
    ("quic.connection", "_buffer_start"),  # aioquic's, what a client has not acknowledged
    ("quic.connection", "_buffer_stop"),
    ("quic.connection", "_ranges"),  # of what has come beyond a gap
    ("quic.connection", "_reset_error_code"),  # whether it wants any of it
    ("lint.rule", "_getframe"),  # the file that declares a rule
    ("modules.lua.host", "_exit"),  # os's, for a worker that is stuck
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_stay_in_their_package(path: Path) -> None:
    """What starts with an underscore is used in the package that defines it."""
    mine = name_of(path).removeprefix("pyngx_jwt.")
    allowed = PUBLIC | {name for user, name in FOREIGN if user == mine}
    assert used_privates(path) - allowed - defined(package(path)) == set()


def test_private_names_are_found(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("from .y import _a\nself._b\nother._c\nother.d._e = self.__f\nself.g._h()\n")
    assert used_privates(file) == {"_a", "_c", "_e", "_h"}


def test_foreign_names_are_used() -> None:
    for user, name in FOREIGN:
        assert name in used_privates(BY_NAME[f"pyngx_jwt.{user}"])


def used_privates(path: Path) -> set[str]:
    """The private names that a file imports or asks of other objects than "self" and "cls"."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    asked = {node.attr for node in nodes if isinstance(node, ast.Attribute) and not is_own(node)}
    taken = {a.name for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names}
    return {name for name in asked | taken if is_private(name)}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def defined(name: str) -> frozenset[str]:
    """The private names that a package defines: of functions, classes, variables, and
    attributes that are set on "self" or "cls"."""
    files = (path for path in FILES if package(path) == name)
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text())))
    return frozenset(found for node in nodes for found in _defines(node) if is_private(found))


def _defines(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node):
        yield node.attr


def is_own(node: ast.Attribute) -> bool:
    """Whether it is an attribute of "self" or "cls"."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


LINT = [path for path in FILES if part(path) == "lint" and path != ROOT / "lint/__init__.py"]


@pytest.mark.parametrize("path", LINT, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_of_lint_point_one_way(path: Path) -> None:
    floors = {name: number for number, names in enumerate(ROOMS) for name in names}
    mine = room(path)
    files = {file_of(name) for name in imports(path)}
    theirs = {room(file) for file in files if file and part(file) == "lint"} - {mine, "__init__"}
    assert {name for name in theirs if floors[name] >= floors[mine]} == set()


def room(path: Path) -> str:
    """The room of a file of lint: a folder in it, or a file beside them."""
    return path.relative_to(ROOT / "lint").with_suffix("").parts[0]


OUTSIDE = [path for path in FILES if part(path) != "zones"]
# What an engine offers to the stores, and no store to those who use it.
OF_ENGINES = {"_table", "cursor", "set_range", "iterate", "transaction", "has_room"}


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_stores_hide_their_engine(path: Path) -> None:
    """Another engine can stand behind a store whose users know only what it is for."""
    inner = {name for name in imports(path) if name.startswith("pyngx_jwt.zones.")}
    files = {f"pyngx_jwt.zones.{file.stem}" for file in (ROOT / "zones").glob("*.py")}
    reached = {file for file in files for name in inner if f"{name}.".startswith(f"{file}.")}
    assert reached <= {f"pyngx_jwt.zones.{name}" for name in ("sharing", "store", "store_url")}
    used = {x.attr for x in ast.walk(ast.parse(path.read_text())) if isinstance(x, ast.Attribute)}
    assert not used & OF_ENGINES


@pytest.mark.parametrize("path", CENTRE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_centre_knows_no_module_by_name(path: Path) -> None:
    """What reads, compiles, serves and runs a configuration calls the hooks of its modules."""
    named = {
        tuple(name.split(".")[2:]) for name in imports(path) if name.startswith("pyngx_jwt.modules")
    }
    assert {name for name in named if name[0] not in ("MODULES", "core")} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_objects_are_always_true(path: Path) -> None:
    """A test of an object that may be missing must not be one of what it holds.

    So none has a length or a truth of its own."""
    found = [
        f"{kind.name}.{item.name}"
        for kind in ast.walk(ast.parse(path.read_text()))
        if isinstance(kind, ast.ClassDef)
        for item in kind.body
        if isinstance(item, ast.FunctionDef) and item.name in ("__len__", "__bool__")
    ]
    assert found == []
