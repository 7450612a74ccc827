"""Containers, where they can be run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from .container import Container, why_not

Make = Callable[..., Container]
reason = cache(why_not)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a container; it ends with the test."""
    if reason():
        pytest.skip(reason())
    made: list[Container] = []

    def make_one(target: str = "pyngx", *, read_only: bool = False) -> Container:
        root = tmp_path / "container" / "root"
        root.mkdir(parents=True)
        made.append(Container(root, target, read_only=read_only))
        return made[-1]

    yield make_one
    for container in made:
        container.stop()
