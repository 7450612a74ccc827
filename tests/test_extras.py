"""What a configuration is told whose extra is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pyngx_jwt import extras
from pyngx_jwt.extras import Extra

from .dist import extras as of_distribution

EXTRAS = [value for value in vars(extras).values() if isinstance(value, Extra)]
BY_NAME = {extra.name: extra for extra in EXTRAS}
PIP = "(pip install 'pyngx-jwt[{}]')"
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from pyngx_jwt.cli import main
sys.exit(main())
"""
HEAD = "events { }\n"


def check(tmp_path: Path, conf: str, *without: str) -> tuple[int, str]:
    """ "nginx -t" where the modules cannot be imported: exit status and output."""
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid; error_log {tmp_path}/log;\n{conf}")
    command = [sys.executable, "-c", WITHOUT, ",".join(without), "-t"]
    done = subprocess.run(
        [*command, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("name", "conf", "what"),
    [
        ("geoip2", "http {\n geoip2 GeoIP.mmdb {\n } }", 'the "geoip2" directive'),
        ("hls", "http { server { location / {\n hls;\n } } }", 'the "hls" directive'),
        (
            "http3",
            "http { server { listen 1;\n listen 443 quic; } }",
            'the "quic" parameter of "listen"',
        ),
        (
            "image",
            "http { server { location / {\n image_filter test;\n if ($a) { } } } }",
            'the "image_filter" directive',
        ),
        (
            "lua",
            "http { server { listen 1;\n access_by_lua_block { } } }",
            'the "access_by_lua_block" directive',
        ),
        (
            "redis",
            "http { server { }\n pyngx_zone_store redis://localhost; }",
            'the "pyngx_zone_store" directive',
        ),
        (
            "xslt",
            "http { server { location / {\n xslt_stylesheet a.xsl;\n } } }",
            'the "xslt_stylesheet" directive',
        ),
    ],
    ids=["geoip2", "hls", "http3", "image", "lua", "redis", "xslt"],
)
def test_an_error_names_the_extra_and_the_place(
    tmp_path: Path, name: str, conf: str, what: str
) -> None:
    extra = BY_NAME[name]
    for module in extra.modules:
        status, output = check(tmp_path, HEAD + conf, module)
        message = f"{what} needs the package {extra.package} {PIP.format(name)}"
        assert f"nginx: [emerg] {message} in nginx.conf:4\n" in output
        assert status == 1


@pytest.mark.parametrize("name", ["brotli", "zstd"])
def test_a_warning_names_the_extra_and_the_place_once(tmp_path: Path, name: str) -> None:
    extra = BY_NAME[name]
    inner = "server { location / { } location /a { } }"
    conf = f"{HEAD}http {{\n {name} on;\n {inner} {inner.replace('{', '{ listen 81;', 1)} }}"
    status, output = check(tmp_path, conf, *extra.modules)
    message = f'the "{name}" directive needs the package {extra.package} {PIP.format(name)}'
    assert output.count("[warn]") == 1
    assert f"nginx: [warn] {message}, ignored in nginx.conf:4\n" in output
    assert status == 0


def test_a_package_whose_parts_are_missing(tmp_path: Path) -> None:
    """lupa without LuaJIT, as wheels for macOS are."""
    conf = f"{HEAD}http {{ lua_shared_dict a 1m; }}"
    status, output = check(tmp_path, conf, "lupa.luajit21")
    assert (status, "needs the package lupa, with LuaJIT" in output) == (1, True)


def test_the_distribution_has_each_extra() -> None:
    """None is offered by messages that cannot be installed, and none is never offered."""
    of_users = of_distribution()["all"][0].partition("[")[2].rstrip("]").split(",")
    assert sorted(BY_NAME) == of_users
