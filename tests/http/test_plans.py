"""Which builders are called for which blocks."""

from __future__ import annotations

from pathlib import Path

from pyngx_jwt.compile import load
from pyngx_jwt.conf.directive import Conf, string
from pyngx_jwt.http.contexts import EVERYWHERE
from pyngx_jwt.http.level import Level
from pyngx_jwt.http.module import Module, Phase
from pyngx_jwt.http.request import Handler, Request, Status
from pyngx_jwt.log import Log
from pyngx_jwt.modules import MODULES
from pyngx_jwt.modules.core import CoreConf
from pyngx_jwt.modules.rewrite import RewriteConf
from pyngx_jwt.options import DIRECTORY, Options


class SignConf(Conf):
    sign = string("", EVERYWHERE, "Is only seen by these tests.")


def built(
    folder: Path, http: str, *, looks_around: bool = False, asks: type[Conf] | None = None
) -> list[tuple[str, str]]:
    """The blocks that the builder of a module was called for, with what it was set to there;
    `asks`: for the conf of another module."""
    calls: list[tuple[str, str]] = []
    module = Module("sign", SignConf)

    @module.handler(Phase.PREACCESS)
    def build(conf: SignConf, level: Level) -> Handler | None:
        assert level.location is not None
        calls.append((level.location.name, conf.sign))
        if asks is not None:
            assert level[asks].level is not None
        return handle if conf.sign else None

    def handle(r: Request) -> Status | None:
        return None

    if looks_around:
        module.looks_around(build)
    conf = folder / "nginx.conf"
    conf.write_text(f"events {{ }} http {{ access_log off; {http} }}")
    load(Options(f"{folder}/", str(conf), "stderr", DIRECTORY), Log(), (*MODULES, module))
    return calls


LOCATIONS = "".join(f"location /{number} {{ }} " for number in range(5))


def test_a_builder_that_builds_nothing_is_not_called_for_each_location(tmp_path: Path) -> None:
    calls = built(tmp_path, f"server {{ {LOCATIONS} }}")
    assert calls == [("/0", ""), ("", "")]


def test_it_is_if_it_looks_around(tmp_path: Path) -> None:
    calls = built(tmp_path, f"server {{ {LOCATIONS} }}", looks_around=True)
    assert [name for name, _ in calls] == ["/0", "/1", "/2", "/3", "/4", ""]


def test_it_is_if_it_asks_for_another_conf(tmp_path: Path) -> None:
    calls = built(tmp_path, f"server {{ {LOCATIONS} }}", asks=CoreConf)
    assert [name for name, _ in calls] == ["/0", "/1", "/2", "/3", "/4", ""]


def test_a_builder_that_asks_for_the_conf_of_http_is_not(tmp_path: Path) -> None:
    locations = f"location /a {{ set $x y; }} location /b {{ set $x y; }} {LOCATIONS}"
    calls = built(tmp_path, f"server {{ {locations} }}", asks=RewriteConf)
    assert [name for name, _ in calls] == ["/a", "/b", "/0", ""]


def test_it_is_for_an_if_that_sets_something_of_it(tmp_path: Path) -> None:
    condition = "if ($args) { set $x y; }"
    locations = f"{LOCATIONS} location /a {{ {condition} }} location /b {{ {condition} }}"
    calls = built(tmp_path, f"server {{ {locations} }}", asks=RewriteConf)
    assert {"/a", "/b"} <= {name for name, _ in calls}


def test_what_is_set_outside_is_built_for_each_location(tmp_path: Path) -> None:
    calls = built(tmp_path, f"sign a; server {{ {LOCATIONS} }}")
    assert [name for name, _ in calls] == ["/0", "/1", "/2", "/3", "/4", ""]
    assert {sign for _, sign in calls} == {"a"}


def test_what_locations_and_servers_set_is_built_for_them(tmp_path: Path) -> None:
    calls = built(
        tmp_path,
        f"server {{ {LOCATIONS} location /own {{ sign b; location /own/inner {{ }} }} }}"
        f"server {{ listen 81; sign c; {LOCATIONS} }}",
    )
    assert [call for call in calls if call[1]] == [
        ("/own/inner", "b"),
        ("/own", "b"),
        *((f"/{number}", "c") for number in range(5)),
        ("", "c"),
    ]


def test_a_block_that_sets_nothing_shares_the_conf_around_it(tmp_path: Path) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        "events { } http { access_log off; server { gzip on; location / { location /x { } } } }"
    )
    cycle = load(Options(f"{tmp_path}/", str(conf), "stderr", DIRECTORY), Log())
    gzip = next(module.conf for module in MODULES if module.name == "gzip")
    (http,) = [level for level in cycle.root.levels if level.context.name == "http"]
    (server,) = http.levels
    (location,) = server.levels
    assert location[gzip] is location.levels[0][gzip] is server[gzip] is not http[gzip]
