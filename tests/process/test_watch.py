"""pyngx_watch: the configuration is loaded again when its files change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pyngx_jwt.process.watch import GRAIN, FileWatch, Loading


def watch_of(*paths: Path, quiet: float = 1.0) -> FileWatch:
    return FileWatch(lambda: [str(path) for path in paths], quiet, 0.0)


def test_a_change_counts_after_a_quiet_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    watch = watch_of(file)
    assert not watch.has_changed(1)
    file.write_text("another")
    assert not watch.has_changed(2)
    file.write_text("yet another")
    assert not watch.has_changed(3)  # it is still being written
    assert watch.has_changed(4)
    assert not watch.has_changed(5) and not watch.has_changed(6)


def test_only_the_content_counts(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    watch = watch_of(file)
    os.utime(file, (5, 5))
    assert [watch.has_changed(now) for now in (1, 2, 3)] == [False] * 3


def test_files_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "a"
    watch = watch_of(file)
    file.write_text("one")
    assert [watch.has_changed(now) for now in (1, 2)] == [False, True]
    file.unlink()
    assert [watch.has_changed(now) for now in (3, 4)] == [False, True]


def test_a_link_that_is_pointed_elsewhere(tmp_path: Path) -> None:
    """As Kubernetes does with what it mounts."""
    for name, text in (("1", "one"), ("2", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nginx.conf").write_text(text)
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "nginx.conf").symlink_to("..data/nginx.conf")
    watch = watch_of(tmp_path / "nginx.conf")
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert [watch.has_changed(now) for now in (1, 2)] == [False, True]


def loading_after(*paths: Path) -> Loading:
    """A load that begins when these files have been as they are for a while."""
    began = max(path.lstat().st_ctime_ns for path in paths) + GRAIN + 1
    while time.time_ns() <= began:
        pass
    return Loading(began)


def test_a_text_that_changes_while_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text("one")
    for loaded, changed in (("one", False), ("none", True)):
        watch = FileWatch(lambda: [str(file)], 1.0, 0.0, Loading(0, [(str(file), loaded)]))
        assert [watch.has_changed(now) for now in (1, 2, 3)] == [changed, False, False]


@pytest.mark.parametrize("change", ["none", "write", "rename", "link"])
def test_a_certificate_that_changes_while_it_is_loaded(tmp_path: Path, change: str) -> None:
    """Nobody knows which one was read."""
    for name in "12":
        (tmp_path / name).mkdir()
        (tmp_path / name / "crt").write_text(name)
    link, file = tmp_path / "..data", tmp_path / "crt"
    link.symlink_to("1")
    file.symlink_to("..data/crt")
    loading = loading_after(tmp_path / "2/crt", link, file)
    if change == "write":
        (tmp_path / "1/crt").write_text("3")
    elif change == "rename":
        (tmp_path / "2/crt").rename(tmp_path / "1/crt")
    elif change == "link":
        (tmp_path / "..new").symlink_to("2")
        (tmp_path / "..new").rename(link)
    watch = FileWatch(lambda: [str(file)], 1.0, 0.0, loading)
    assert [watch.has_changed(now) for now in (1, 2, 3)] == [change != "none", False, False]


def test_a_file_that_is_not_there_has_not_changed(tmp_path: Path) -> None:
    watch = FileWatch(lambda: [str(tmp_path / "none")], 1.0, 0.0, Loading(0))
    assert not watch.has_changed(1)
