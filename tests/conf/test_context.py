"""Kinds of blocks: what stands in what, and kinds that are declared elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt.compile import read, scope_of
from pyngx_jwt.conf import known
from pyngx_jwt.conf.block import ConfBlock
from pyngx_jwt.conf.context import Context
from pyngx_jwt.conf.directive import MAIN, Conf, Directive, directive
from pyngx_jwt.core.module import AnyModule, CoreModule
from pyngx_jwt.errors import ConfError
from pyngx_jwt.http.contexts import EVERYWHERE, HTTP, LOCATION, LOCATION_IF, SERVER, SERVER_IF
from pyngx_jwt.modules import MODULES
from pyngx_jwt.options import DIRECTORY, Options

OPENING = [d for module in MODULES for d in module.conf.directives.values() if d.opens]

RADIO = Context("radio", "radio", MAIN)
RADIO_SERVER = Context("server", "radio.server", RADIO)


class RadioConf(Conf):
    protocol = "tcp"

    @directive(MAIN, opens=RADIO)
    def radio(self) -> None:
        """Holds servers of another kind than HTTP's."""

    @directive(RADIO, opens=RADIO_SERVER)
    def server(self) -> None:
        """One of them."""

    @directive(RADIO_SERVER)
    def speaks(self, protocol: str) -> None:
        """Sets its protocol."""
        self.protocol = protocol


def read_file(conf: Path, *more: AnyModule) -> ConfBlock:
    """The main level of a configuration that a few more modules than usual read."""
    options = Options(f"{conf.parent}/", str(conf), "", DIRECTORY)
    root, _ = read(scope_of(options, lambda text: None, modules=(*MODULES, *more)))
    return root


def test_kinds_of_a_directive() -> None:
    assert [kind.name for kind in LOCATION | HTTP | SERVER] == ["http", "server", "location"]
    assert EVERYWHERE & SERVER and not EVERYWHERE & (SERVER_IF | LOCATION_IF)
    assert SERVER in EVERYWHERE and MAIN not in EVERYWHERE


def test_the_block_around_chooses_among_the_kinds_that_a_directive_opens() -> None:
    condition = SERVER_IF | LOCATION_IF
    assert condition.within(SERVER) is SERVER_IF and condition.within(LOCATION) is LOCATION_IF
    assert LOCATION.within(LOCATION) is LOCATION


@pytest.mark.parametrize("opening", OPENING, ids=lambda d: d.name)
def test_a_block_opens_wherever_its_directive_can_stand(opening: Directive) -> None:
    assert opening.opens
    assert {*opening.contexts} == {outer for kind in opening.opens for outer in kind.inside}


@pytest.mark.parametrize("opening", OPENING, ids=lambda d: d.name)
def test_a_path_is_one_of_the_table_of_known_directives(opening: Directive) -> None:
    assert opening.opens
    assert {kind.path for kind in opening.opens} <= known.contexts()


def test_a_package_brings_blocks_of_its_own(tmp_path: Path) -> None:
    """Names that http has, too, mean something else in them, and their ends are told."""
    closed: list[tuple[str, str]] = []

    def note(level: Any) -> None:
        closed.append((level.context.path, level[RadioConf].protocol))

    RADIO.closes(note)
    RADIO_SERVER.closes(note)
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        "events { } radio { server { speaks udp; } server { } } http { server { listen 1; } }"
    )
    root = read_file(conf, CoreModule("radio", RadioConf))
    assert closed == [("radio.server", "udp"), ("radio.server", "tcp"), ("radio", "tcp")]
    (radio,) = root.inner(RADIO)
    assert [level.context for level in radio.levels] == [RADIO_SERVER] * 2
    assert len(root.inner(HTTP)[0].inner(SERVER)) == 1


def test_what_a_closing_block_lacks_is_an_error_in_its_place(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text("events { }\nhttp {\nupstream u {\n}\n}\n")
    with pytest.raises(ConfError, match=r"no servers are inside upstream in .*nginx.conf:4"):
        read_file(conf)
