"""Directories of an installed nginx, which pyngx makes where no package has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.options import DIRECTORY, SYSTEM, Layout
from pyngx_jwt.process.directories import make_default_directories, make_directories


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """That of an installed nginx, in another root."""
    return SYSTEM._replace(
        error_log_path=f"{tmp_path}/log/error.log",
        http_log_path=f"{tmp_path}/log/access.log",
        temp_path=f"{tmp_path}/cache",
    )


def test_default_directories_are_made(layout: Layout, tmp_path: Path) -> None:
    for _ in range(2):
        make_default_directories(layout)
    made = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert made == {"log": 0o755, "cache": 0o755}
    make_directories([layout.temp("proxy_temp")], None, layout)
    assert (tmp_path / "cache" / "proxy_temp").stat().st_mode & 0o777 == 0o700


def test_parents_of_default_directories_are_not_made(layout: Layout, tmp_path: Path) -> None:
    deep = layout._replace(temp_path=f"{tmp_path}/none/cache")
    make_default_directories(deep)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfError) as caught:
        make_directories([deep.temp("proxy_temp")], None, deep)
    reason = "failed (2: No such file or directory)"
    advice = f'create "{tmp_path}/none/cache", or start with -p'
    assert str(caught.value) == f'mkdir() "{tmp_path}/none/cache/proxy_temp" {reason}, {advice}'


def test_names_of_a_configuration_are_left_alone(tmp_path: Path) -> None:
    make_default_directories(DIRECTORY)
    with pytest.raises(ConfError) as caught:
        make_directories([f"{tmp_path}/none/temp"], None, DIRECTORY)
    assert str(caught.value).endswith("failed (2: No such file or directory)")
    assert list(tmp_path.iterdir()) == []


def test_default_directory_that_is_a_file(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    make_default_directories(layout)
    with pytest.raises(ConfError, match=r"/proxy_temp\" failed \(20: Not a directory\)"):
        make_directories([layout.temp("proxy_temp")], None, layout)
