"""Inheritance of a conf's attributes: all are inherited, except those declared with own()."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.compile import read, scope_of
from pyngx_jwt.conf.directive import Conf, directive, flag, own
from pyngx_jwt.http.contexts import EVERYWHERE, LOCATION, SERVER, http_levels
from pyngx_jwt.http.level import Level
from pyngx_jwt.modules import MODULES
from pyngx_jwt.modules.core import CoreConf
from pyngx_jwt.modules.gzip import GzipConf
from pyngx_jwt.options import DIRECTORY, Options

CONFS = sorted({module.conf for module in MODULES}, key=lambda kind: kind.__qualname__)


class OuterConf(Conf):
    shared = flag(False, EVERYWHERE, "Is inherited.")
    values: tuple[str, ...] = ()
    alone = own("")

    @directive(EVERYWHERE)
    def value(self, text: str) -> None:
        """Adds a value, which is inherited."""
        self.values = (*self.values, text)


class ExtendedConf(OuterConf):
    also_alone = own(0)
    also_shared = 0


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Level, Level]:
    """A server, and a location in it."""
    conf = tmp_path_factory.mktemp("own") / "nginx.conf"
    conf.write_text("events {} http { server { listen 127.0.0.1:8080; location / {} } }")
    options = Options(f"{conf.parent}/", str(conf), "", DIRECTORY)
    root, _ = read(scope_of(options, lambda text: None))
    (http,) = http_levels(root)
    (server,) = http.inner(SERVER)
    (location,) = server.inner(LOCATION)
    return server, location


def attributes(kind: type[Conf]) -> set[str]:
    """The names of the values that a conf can have."""
    kinds = [base for base in kind.__mro__ if issubclass(base, Conf) and base is not Conf]
    names = {name for base in kinds for name in vars(base) if not name.startswith("__")}
    return {name for name in names - {"directives", "own_names"} if is_value(kind, name)}


def is_value(kind: type[Conf], name: str) -> bool:
    value = getattr(kind, name)
    return not callable(value) and not isinstance(value, property)


def not_inherited(kind: type[Conf], levels: tuple[Level, Level]) -> set[str]:
    """The attributes that an inner level lacks after merging, though the outer one has them."""
    names = set()
    for name in attributes(kind):
        outer, inner = (kind(level.scope, level) for level in levels)
        setattr(outer, name, getattr(kind, name))
        inner.merge(outer)
        if not inner.is_set(name):
            names.add(name)
    return names


@pytest.mark.parametrize("kind", CONFS, ids=lambda kind: kind.__name__)
def test_every_conf_inherits_all_attributes_but_its_own(
    kind: type[Conf], levels: tuple[Level, Level]
) -> None:
    declared = kind.own_names - Conf.own_names
    assert not_inherited(kind, levels) == declared
    assert declared <= attributes(kind)


def test_own_attributes_are_those_declared_so(levels: tuple[Level, Level]) -> None:
    """A conf that extends another one has the own attributes of both, and adds none to it."""
    assert not_inherited(OuterConf, levels) == {"alone"}
    assert not_inherited(ExtendedConf, levels) == {"alone", "also_alone"}
    assert attributes(ExtendedConf) == {"shared", "values", "alone", "also_alone", "also_shared"}


def test_own_value_of_a_level_stays(levels: tuple[Level, Level]) -> None:
    outer, inner = (OuterConf(level.scope, level) for level in levels)
    outer.alone = "outer"
    inner.alone = "inner"
    inner.merge(outer)
    assert (outer.alone, inner.alone) == ("outer", "inner")
    assert OuterConf(levels[0].scope).alone == ""


def values(conf: Conf) -> dict[str, object]:
    return {name: value for name, value in vars(conf).items() if name not in Conf.own_names}


@pytest.mark.parametrize("kind", CONFS, ids=lambda kind: kind.__name__)
def test_a_conf_that_is_inherited_whole_is_what_merging_would_make(
    kind: type[Conf], levels: tuple[Level, Level]
) -> None:
    """Whichever value the outer level has: where it makes a difference, the conf says so."""
    for name in attributes(kind):
        outer, inner = (kind(level.scope, level) for level in levels)
        setattr(outer, name, getattr(kind, name))
        inner.merge(outer)
        merged = {attribute: getattr(inner, attribute) for attribute in values(inner)}
        if outer.is_inherited_whole:
            assert all(getattr(outer, attribute) == merged[attribute] for attribute in merged)


def test_blocks_that_set_nothing_share_a_conf(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    server = "gzip on; location /a { gzip_comp_level 2; } location /b { location /b/c { } }"
    conf.write_text(f"events {{ }} http {{ server {{ listen 127.0.0.1:8080; {server} }} }}")
    options = Options(f"{conf.parent}/", str(conf), "", DIRECTORY)
    root, _ = read(scope_of(options, lambda text: None))
    (http,) = http_levels(root)
    (level,) = http.inner(SERVER)
    own, plain = level.inner(LOCATION)
    (inner,) = plain.inner(LOCATION)
    assert own[GzipConf] is not level[GzipConf]
    assert own[GzipConf].gzip
    assert plain[GzipConf] is level[GzipConf] is inner[GzipConf]
    assert plain[CoreConf] is not level[CoreConf]
