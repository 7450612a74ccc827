from collections.abc import Iterator
from pathlib import Path

import pytest

from pyngx_jwt.zones import ZoneDirectory

from .kit import Kit


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path, ZoneDirectory.make())
    yield made
    made.close()
