"""pyngx_watch: the configuration is loaded again when its files change."""

from __future__ import annotations

import os
from pathlib import Path

from pyngx_jwt.process.watch import FileWatch


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
