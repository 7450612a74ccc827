"""The fixture of the tests that compare with a real nginx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .corpus import WITH_OPTIONS
from .oracle import Oracle, find_binary
from .told import SERVER


@pytest.fixture(scope="package")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """A server without options, then one for each row of WITH_OPTIONS."""
    if find_binary() is None:
        pytest.skip("no nginx to compare with")
    prefix: Path = tmp_path_factory.mktemp("oracle")
    oracle = Oracle(prefix, SERVER, *(f"{directives} {SERVER}" for directives, *_ in WITH_OPTIONS))
    yield oracle
    oracle.close()
