"""disable_symlinks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ..nginx import Nginx


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Iterator[Nginx]:
    module_nginx(
        """
        location /off/ { alias %%DIR%%/site/; }
        location /on/ { alias %%DIR%%/site/; disable_symlinks on from=%%DIR%%/site; }
        location /slash/ { alias %%DIR%%/site/; disable_symlinks on from=%%DIR%%/site/; }
        location /all/ { alias %%DIR%%/link/; disable_symlinks on; }
        location /part/ { alias %%DIR%%/link/; disable_symlinks on from=%%DIR%%/link; }
        location /owner/ { alias %%DIR%%/site/; disable_symlinks if_not_owner; }
        location /elsewhere/ { alias %%DIR%%/site/; disable_symlinks on from=/elsewhere; }
        location /variable/ { alias %%DIR%%/site/; disable_symlinks on from=%%DIR%%/$arg_from; }
        location /try/ { alias %%DIR%%/site/; disable_symlinks on from=%%DIR%%/site;
                         try_files $uri /try/plain; }
        """,
        files={
            "site/plain": "plain",
            "site/folder/inner": "inner",
            "site/folder/index.html": "index",
            "site/indexed/x": "",
        },
    )
    prefix = module_nginx.prefix
    (prefix / "link").symlink_to("site")
    (prefix / "site/to-plain").symlink_to("plain")
    (prefix / "site/to-folder").symlink_to("folder")
    (prefix / "site/indexed/index.html").symlink_to("../plain")
    (prefix / "site/others").symlink_to("plain")
    if os.geteuid() == 0:
        os.chown(prefix / "site/others", 12345, -1, follow_symlinks=False)
    yield module_nginx


def status(site: Nginx, uri: str) -> int:
    return site.request(f"GET {uri}").status


def test_off(site: Nginx) -> None:
    for path in ("plain", "to-plain", "to-folder/inner", "to-folder/", "indexed/"):
        assert status(site, f"/off/{path}") == 200, path


@pytest.mark.parametrize("location", ["on", "slash"])
def test_on(site: Nginx, location: str) -> None:
    for path, code in (
        ("plain", 200),
        ("folder/inner", 200),
        ("folder//inner", 200),
        ("folder/", 200),
        ("folder", 301),
        ("to-plain", 403),
        ("to-folder/inner", 404),  # "not a directory", as nginx sees a link there
        ("to-folder/", 404),
        ("indexed/", 403),
        ("nothing", 404),
    ):
        assert status(site, f"/{location}/{path}") == code, path


def test_log(site: Nginx) -> None:
    status(site, "/on/to-plain")
    site.wait_for_log(r'\[error\] .* openat\(\) "\S+/site/to-plain" failed \(40: ')


def test_from_a_part_of_the_path(site: Nginx) -> None:
    assert status(site, "/all/plain") == 404
    assert status(site, "/part/plain") == 200
    assert status(site, "/part/to-plain") == 403
    assert status(site, "/elsewhere/plain") == 200
    assert status(site, "/elsewhere/to-plain") == 403
    assert status(site, "/variable/to-plain?from=site") == 403
    assert status(site, "/variable/to-plain?from=site/to-plain") == 200
    assert status(site, "/variable/plain?from=sit") == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made by root")
def test_links_of_others(site: Nginx) -> None:
    assert status(site, "/owner/to-plain") == 200
    assert status(site, "/owner/to-folder/inner") == 200
    assert status(site, "/owner/others") == 403
    assert status(site, "/off/others") == 200


def test_try_files(site: Nginx) -> None:
    assert site.request("GET /try/folder/inner").text == "inner"
    assert site.request("GET /try/to-plain").text == "plain"
    site.wait_for_log(r"\[crit\] .* openat\(\) .*/site/to-plain. failed \(40: ")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("yes", 'invalid parameter "yes"'),
        ("on yes", 'invalid parameter "yes"'),
        (
            "from=/x",
            '"disable_symlinks" must have "off", "on" or "if_not_owner" parameter',
        ),
        ("on off", 'duplicate parameters "on off"'),
        ("off from=/x", '"from=" cannot be used with "off" parameter'),
        ("on; disable_symlinks on", '"disable_symlinks" directive is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, parameters: str, message: str) -> None:
    nginx.rejects(f"disable_symlinks {parameters};", message)
