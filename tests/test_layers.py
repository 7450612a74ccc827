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
    {"errors", "features", "deadline"},
    {"options"},
    {"log"},
    {"conf", "zones"},
    {"core"},
    {"http"},
    {"jwt", "upstream", "http1"},
    {"cache"},
    {"gateway"},
    {"modules"},
    {"compile"},
    {"server", "explain"},
    {"app", "process", "token"},
    {"cli"},
    {"__main__"},
]
# These read what is below the server, and nothing reads them.
READERS = {"lint", "docs"}
READ = {
    *("errors", "features", "options", "log", "conf", "core", "http", "zones", "jwt"),
    *("upstream", "cache", "gateway", "modules", "compile", "http1"),
}

# Modules whose conf or helpers the others may read, as all of nginx reads its core's.
COMMON = {"core", "files", "gzip_ok", "limits"}
BORROWED = {  # importer, imported: a declared service or one helper
    ("memcached", "upstream"),
    ("proxy", "upstream"),
    ("scgi", "upstream"),
    ("range", "headers"),
    ("auth_jwt", "rewrite"),
    ("not_modified", "headers"),
}

# Libraries known to one file or package; jwt hands out cryptography's keys itself.
OWNERS = {
    "aiohttp": {"app", "server", "upstream"},
    "cachetools": {"jwt"},
    "crossplane": {"conf"},
    "cryptography": {"jwt"},
    "jwcrypto": {"jwt"},
    "lmdb": {"zones"},
    "pcre2": {"http"},
    "uvloop": {"process"},
}


def layer(name: str) -> int:
    return next(n for n, names in enumerate(LAYERS) if name in names)


@cache
def imports(path: Path) -> frozenset[str]:
    """The full names that a file imports, wherever it does."""
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


OUTSIDE = [path for path in FILES if part(path) != "zones"]
# What an engine offers to the stores, and no store to those who use it.
OF_ENGINES = {"_table", "cursor", "set_range", "iterate", "transaction", "has_room"}


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_stores_hide_their_engine(path: Path) -> None:
    """Another engine can stand behind a store whose users know only what it is for."""
    inner = {name for name in imports(path) if name.startswith("pyngx_jwt.zones.")}
    files = {f"pyngx_jwt.zones.{file.stem}" for file in (ROOT / "zones").glob("*.py")}
    reached = {file for file in files for name in inner if f"{name}.".startswith(f"{file}.")}
    assert reached <= {"pyngx_jwt.zones.store"}
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
