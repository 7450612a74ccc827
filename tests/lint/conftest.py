from __future__ import annotations

from pathlib import Path

import pytest

from .kit import Linter


@pytest.fixture
def linter(tmp_path: Path) -> Linter:
    """A folder to lint in."""
    return Linter(tmp_path)
